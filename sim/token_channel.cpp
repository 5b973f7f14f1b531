#include "sim/token_channel.h"

#include <algorithm>

#include "base/check.h"
#include "sim/unit_process.h"

namespace rdusim::sim {

int64_t TokenChannel::carry(int64_t first, int64_t last, int64_t elements) {
  if (bytes_per_cycle_ == 0) return last + latency_cycles_;
  const int64_t bytes = elements * dtype_bytes(dtype_);
  const int64_t passed =
      std::max(links_free_cycle_, first) + (bytes + bytes_per_cycle_ - 1) / bytes_per_cycle_;
  links_free_cycle_ = std::max(passed, last);
  return links_free_cycle_ + latency_cycles_;
}

void TokenChannel::write(Token token) {
  RDU_CHECK(written_ < claimed_, "channel {} is written without a claimed slot", name_);
  elements_written_ += token.tile.extent.elements();
  slots_[static_cast<size_t>(written_++ % capacity_)] = std::move(token);
  if (waiting_consumer != nullptr) {
    waiting_consumer->wake();
    waiting_consumer = nullptr;
  }
}

void TokenChannel::release(int64_t cycle) {
  RDU_CHECK(released_ < taken_, "channel {} releases a token nobody took", name_);
  free_cycles_[static_cast<size_t>(released_++ % capacity_)] = cycle;
  if (waiting_producer != nullptr) {
    waiting_producer->wake();
    waiting_producer = nullptr;
  }
}

}  // namespace rdusim::sim
