// KvPool: the HBM set aside for KV caches, in pages of whole tokens, and the prompt blocks that requests
// share.
//
// Blocks are known by the hash that the workload gives (Mooncake: one id a 512-token block; best-of-n: one id
// a prompt). A block is kept while requests use it, and afterwards until its room is needed, the least
// recently used first; a request whose first blocks are there need not compute them again.
//
// Isolated, pages remember whose tokens they held last: an owner gets its own old pages first, then pages
// that were never used, then others' pages, which are scrubbed and counted; and blocks are shared within an
// owner only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "runtime/serving/flat_map.h"

namespace rdusim::runtime {

// Tokens that the pages of `copies` sequences hold which share a prompt and go on alone from its last, partly
// filled page: whole pages of the prompt once, the rest and the outputs for each.
inline int64_t kv_tokens(int64_t prompt, int64_t output, int64_t copies, int64_t page_tokens) {
  const int64_t shared = copies == 1 ? 0 : prompt / page_tokens * page_tokens;
  return shared + copies * ((prompt - shared + output + page_tokens - 1) / page_tokens * page_tokens);
}

class KvPool {
 public:
  // `owners`: how many there are, if pages are to be scrubbed between them; 0: they are not.
  KvPool(Bytes capacity, int64_t page_tokens, size_t owners = 0)
      : capacity_(capacity), page_tokens_(page_tokens), clean_(capacity), left_by_(owners) {}

  // Bytes of the pages that `tokens` tokens fill.
  [[nodiscard]] Bytes bytes_for(int64_t tokens, Bytes per_token) const {
    return Bytes((tokens + page_tokens_ - 1) / page_tokens_ * page_tokens_ * per_token.value);
  }
  [[nodiscard]] bool fits(Bytes bytes) const { return used_ - idle_bytes_ + bytes <= capacity_; }
  // Takes pages, dropping unused blocks if need be; false (and nothing taken) if they do not fit.
  bool take(Bytes bytes, TenantId owner = TenantId());
  void give(Bytes bytes, TenantId owner = TenantId());
  // Bytes that were overwritten because another owner had used them.
  [[nodiscard]] Bytes scrubbed() const { return scrubbed_; }
  [[nodiscard]] Bytes used() const { return used_; }
  [[nodiscard]] Bytes peak() const { return peak_; }
  [[nodiscard]] Bytes capacity() const { return capacity_; }
  [[nodiscard]] Bytes reclaimable() const { return idle_bytes_; }
  [[nodiscard]] int64_t page_tokens() const { return page_tokens_; }

  // How many of the first blocks are there.
  [[nodiscard]] size_t cached_blocks(ExpertId expert, std::span<const uint64_t> blocks,
                                     TenantId owner = TenantId());
  // A request begins to use the blocks: those that are not there are taken (each `block_bytes`), as many as
  // fit; returns how many of the first ones it holds.
  size_t acquire_blocks(ExpertId expert, std::span<const uint64_t> blocks, Bytes block_bytes,
                        TenantId owner = TenantId());
  // It ends; `held` is what acquire_blocks said.
  void release_blocks(ExpertId expert, std::span<const uint64_t> blocks, size_t held,
                      TenantId owner = TenantId());
  // Forgets all blocks that nobody uses (memory was lost or given away).
  void forget_idle();
  void persist(Archive& a) {
    a.mark("KVPL");
    a.pod(used_);
    a.pod(peak_);
    a.pod(idle_bytes_);
    a.pod(clean_);
    a.pod(scrubbed_);
    a.same(left_by_);
    index_.persist(a);
    a.pods(blocks_);
    a.pods(free_slots_);
  }

 private:
  struct Block {
    uint64_t key = 0;
    Bytes bytes;
    int32_t users = 0;
    TenantId owner;
    uint32_t previous = 0;  // in the list of idle blocks; slot 0 is its head
    uint32_t next = 0;
  };
  [[nodiscard]] uint64_t key_of(ExpertId expert, uint64_t block, TenantId owner) const;
  void make_idle(uint32_t slot);
  void unlink(uint32_t slot);
  bool drop_oldest_idle();

  Bytes capacity_;
  int64_t page_tokens_;
  Bytes used_;
  Bytes peak_;
  Bytes idle_bytes_;
  Bytes clean_;  // never used
  Bytes scrubbed_;
  std::vector<Bytes> left_by_;  // free pages by who used them last; empty: not isolated
  FlatMap<uint32_t> index_;
  std::vector<Block> blocks_{Block{}};
  std::vector<uint32_t> free_slots_;
};

}  // namespace rdusim::runtime
