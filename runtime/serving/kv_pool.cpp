// Pages and shared blocks of KV caches; see kv_pool.h.
#include "runtime/serving/kv_pool.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {

bool KvPool::take(Bytes bytes, TenantId owner) {
  if (!fits(bytes)) return false;
  while (used_ + bytes > capacity_) RDU_CHECK(drop_oldest_idle(), "{} B used, none idle", used_.value);
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  if (left_by_.empty()) return true;
  const auto take_from = [&bytes](Bytes& pages) {
    const Bytes taken = std::min(bytes, pages);
    pages = pages - taken;
    bytes = bytes - taken;
    return taken;
  };
  take_from(left_by_[owner.value]);
  take_from(clean_);
  for (size_t other = 0; bytes > Bytes(0) && other < left_by_.size(); ++other)
    scrubbed_ += take_from(left_by_[other]);
  RDU_CHECK(bytes == Bytes(0), "{} B of the pages that are free belong to nobody", bytes.value);
  return true;
}

void KvPool::give(Bytes bytes, TenantId owner) {
  RDU_CHECK(bytes <= used_, "{} B given back of {} B", bytes.value, used_.value);
  used_ -= bytes;
  if (!left_by_.empty()) left_by_[owner.value] += bytes;
}

// SplitMix64's finisher over both parts.
uint64_t KvPool::key_of(ExpertId expert, uint64_t block, TenantId owner) const {
  uint64_t z = block + 0x9E3779B97F4A7C15ULL * (uint64_t{expert.value} + 1);
  if (!left_by_.empty()) z += 0xD1B54A32D192ED03ULL * (uint64_t{owner.value} + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

size_t KvPool::cached_blocks(ExpertId expert, std::span<const uint64_t> blocks, TenantId owner) {
  size_t count = 0;
  while (count < blocks.size() && index_.find(key_of(expert, blocks[count], owner)) != nullptr) ++count;
  return count;
}

size_t KvPool::acquire_blocks(ExpertId expert, std::span<const uint64_t> blocks, Bytes block_bytes,
                              TenantId owner) {
  size_t held = 0;
  for (const uint64_t block : blocks) {
    const uint64_t key = key_of(expert, block, owner);
    if (const uint32_t* known = index_.find(key)) {
      Block& b = blocks_[*known];
      if (b.users++ == 0) unlink(*known);
      ++held;
      continue;
    }
    if (!take(block_bytes, owner)) break;
    uint32_t slot = 0;
    if (free_slots_.empty()) {
      slot = static_cast<uint32_t>(blocks_.size());
      blocks_.emplace_back();
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    blocks_[slot] = {key, block_bytes, 1, owner, slot, slot};
    index_[key] = slot;
    ++held;
  }
  return held;
}

void KvPool::release_blocks(ExpertId expert, std::span<const uint64_t> blocks, size_t held, TenantId owner) {
  for (size_t i = held; i-- > 0;) {  // the last block first, so that the first ones stay longest
    const uint32_t* slot = index_.find(key_of(expert, blocks[i], owner));
    RDU_CHECK(slot != nullptr && blocks_[*slot].users > 0, "block {} is not in use", blocks[i]);
    if (--blocks_[*slot].users == 0) make_idle(*slot);
  }
}

void KvPool::forget_idle() {
  while (drop_oldest_idle()) {
  }
}

void KvPool::make_idle(uint32_t slot) {
  Block& b = blocks_[slot];
  const uint32_t last = blocks_[0].previous;
  b.previous = last;
  b.next = 0;
  blocks_[last].next = slot;
  blocks_[0].previous = slot;
  idle_bytes_ += b.bytes;
}

void KvPool::unlink(uint32_t slot) {
  Block& b = blocks_[slot];
  blocks_[b.previous].next = b.next;
  blocks_[b.next].previous = b.previous;
  idle_bytes_ -= b.bytes;
}

bool KvPool::drop_oldest_idle() {
  const uint32_t slot = blocks_[0].next;
  if (slot == 0) return false;
  unlink(slot);
  give(blocks_[slot].bytes, blocks_[slot].owner);
  index_.erase(blocks_[slot].key);
  free_slots_.push_back(slot);
  return true;
}

}  // namespace rdusim::runtime
