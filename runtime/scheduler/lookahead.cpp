// Knows which expert follows which: experts in HBM with work run first, oldest request first, so that every
// resident expert is used up before the next copy displaces one; experts that must be copied come after, in
// order of age, and that order is what prefetching follows. The longest wait bounds how often a request is
// passed by.
#include "runtime/scheduler/work_queue.h"

namespace rdusim::runtime {
namespace {

class Lookahead final : public Scheduler {
 public:
  Lookahead(size_t experts, const SchedulerOptions& options)
      : options_(options), queue_(experts), absent_(experts) {}

  [[nodiscard]] SchedulerTraits traits() const override { return {}; }
  void changed(ExpertId expert, const ExpertView& view) override {
    queue_.set(expert, view, view.oldest_turn);
    if (view.has_work() && !view.ready) {
      absent_.set(expert, view.oldest_turn);
    } else {
      absent_.remove(expert);
    }
  }
  [[nodiscard]] std::optional<ExpertId> next(const StreamView& stream) const override {
    if (const auto late = queue_.overdue(stream.now, options_.longest_wait)) return late;
    const auto in_hbm = next_ready(stream);
    return in_hbm ? in_hbm : absent_.top();
  }
  [[nodiscard]] std::optional<ExpertId> next_ready(const StreamView& stream) const override {
    if (queue_.keeps(stream, options_, queue_.ready())) return stream.current;
    return queue_.ready().top();
  }
  void upcoming(size_t count, std::vector<ExpertId>& out) const override { absent_.smallest(count, out); }

 private:
  SchedulerOptions options_;
  WorkQueue queue_;
  IndexedHeap absent_;
};

}  // namespace

std::unique_ptr<Scheduler> make_lookahead_scheduler(size_t experts, const SchedulerOptions& options) {
  return std::make_unique<Lookahead>(experts, options);
}

}  // namespace rdusim::runtime
