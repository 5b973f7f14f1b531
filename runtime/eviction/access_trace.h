// A trace of cache accesses, compact: four bytes a request. Read from CSV with the columns object_id and
// size_bytes (others, such as time, are skipped), *.gz too; or made from what is at hand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {

struct AccessTrace {
  std::string name;
  std::vector<ExpertId> accesses;    // in order
  std::vector<Bytes> bytes;          // by expert
  std::vector<std::string> objects;  // ids as the file has them, in order of appearance; empty if made

  [[nodiscard]] Bytes bytes_requested() const;
  [[nodiscard]] bool equal_sizes() const;
};

// Fails with path:line on a missing column, a cell that is no size, an object whose size changes, no rows.
Result<AccessTrace> parse_access_trace(std::string_view text, const std::string& path);
Result<AccessTrace> read_access_trace(const std::string& path);

// The future of a trace. advance() before every access; next_use() then speaks of what comes after it. Each
// expert's positions lie sorted, so a whole replay costs O(accesses).
class TraceFuture final : public FutureUses {
 public:
  explicit TraceFuture(const AccessTrace& trace);
  void advance() { ++now_; }
  [[nodiscard]] std::optional<int64_t> next_use(ExpertId expert) override;

 private:
  int64_t now_ = -1;                 // position of the access that goes on
  std::vector<uint32_t> positions_;  // by expert, ascending
  std::vector<uint32_t> cursor_;     // by expert: into positions_
  std::vector<uint32_t> end_;        // by expert
};

}  // namespace rdusim::runtime
