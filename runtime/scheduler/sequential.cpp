// The published rule (Prabhakar et al., MICRO 2024): the router runs once over a batch of waiting requests,
// then the (prompt, expert) pairs run one after another in order of arrival. A batch does not wait to be
// filled.
#include "runtime/scheduler/indexed_heap.h"
#include "runtime/scheduler/scheduler.h"

namespace rdusim::runtime {
namespace {

class Sequential final : public Scheduler {
 public:
  explicit Sequential(size_t experts) : by_turn_(experts) {}

  [[nodiscard]] SchedulerTraits traits() const override { return {.pairs = true}; }
  void changed(ExpertId expert, const ExpertView& view) override {
    if (!view.has_work()) {
      by_turn_.remove(expert);
      return;
    }
    by_turn_.set(expert, view.oldest_turn);
  }
  [[nodiscard]] std::optional<ExpertId> next(const StreamView&) const override { return by_turn_.top(); }
  // Pairs keep their order, so nothing runs in the place of one that waits for its expert.
  [[nodiscard]] std::optional<ExpertId> next_ready(const StreamView&) const override { return std::nullopt; }
  void upcoming(size_t count, std::vector<ExpertId>& out) const override { by_turn_.smallest(count, out); }

 private:
  IndexedHeap by_turn_;
};

}  // namespace

std::unique_ptr<Scheduler> make_sequential_scheduler(size_t experts, const SchedulerOptions&) {
  return std::make_unique<Sequential>(experts);
}

}  // namespace rdusim::runtime
