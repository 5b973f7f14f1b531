// The published rule (Prabhakar et al., MICRO 2024): the router runs once over a batch of waiting requests,
// then the (prompt, expert) pairs run one after another in order of arrival. A batch does not wait to be
// filled.
#include <algorithm>

#include "runtime/scheduler/scheduler.h"

namespace rdusim::runtime {
namespace {

class Sequential final : public Scheduler {
 public:
  void next_batch(std::span<const uint32_t> waiting, std::span<const Request>, int64_t batch,
                  std::vector<uint32_t>& picked) override {
    const size_t count = std::min(waiting.size(), static_cast<size_t>(batch));
    picked.assign(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
  }
  void order_pairs(std::vector<uint32_t>&, std::span<const Request>, const ExpertCache&) override {}
};

}  // namespace

std::unique_ptr<Scheduler> make_sequential_scheduler() {
  return std::make_unique<Sequential>();
}

}  // namespace rdusim::runtime
