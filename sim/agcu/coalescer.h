// Request coalescing in the AGCU: addresses of the address pipeline become bursts of the memory behind it.
//
//   (address, bytes) ─► [ window of open bursts ] ─► requests of `burst_bytes`, each once while it is open
//
// A burst stays open until `window_bursts` newer ones have been opened; what hits an open burst costs
// nothing. So a stream of adjacent addresses makes one request a burst, a stride makes one an element, a
// gather of neighbouring rows something between. Order is kept; reads and writes alike.
// assumed: 16 open bursts, what a 1 KiB coalescing buffer holds at 64 B (neither is published).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdusim::sim::agcu {

struct CoalescerSpec {
  int64_t burst_bytes = 64;
  int64_t window_bursts = 16;
};

class Coalescer {
 public:
  explicit Coalescer(const CoalescerSpec& spec);
  // Appends to `bursts` the address of every burst that this access opens. bytes > 0.
  void access(int64_t address, int64_t bytes, std::vector<int64_t>& bursts);

  [[nodiscard]] int64_t accesses() const { return accesses_; }
  [[nodiscard]] int64_t useful_bytes() const { return useful_bytes_; }
  [[nodiscard]] int64_t bursts() const { return bursts_; }
  [[nodiscard]] int64_t moved_bytes() const { return bursts_ * spec_.burst_bytes; }

 private:
  CoalescerSpec spec_;
  std::vector<int64_t> open_;  // ring of burst numbers, -1 before the first
  size_t next_ = 0;
  int64_t accesses_ = 0;
  int64_t useful_bytes_ = 0;
  int64_t bursts_ = 0;
};

// A scatter or gather: element i of `element_bytes` at base + indices[i] * stride_bytes; bursts in order.
std::vector<int64_t> gather_bursts(const CoalescerSpec& spec, int64_t base, int64_t element_bytes,
                                   int64_t stride_bytes, const std::vector<int64_t>& indices);

}  // namespace rdusim::sim::agcu
