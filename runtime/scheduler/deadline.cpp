// Earliest deadline first, over experts: the expert with the earliest deadline among its requests runs, and a
// request with an earlier one takes the stream at the next token. Within an expert requests batch
// continuously.
#include "runtime/scheduler/work_queue.h"

namespace rdusim::runtime {
namespace {

class Deadline final : public Scheduler {
 public:
  explicit Deadline(size_t experts) : queue_(experts) {}

  [[nodiscard]] SchedulerTraits traits() const override { return {.preempts = true}; }
  void changed(ExpertId expert, const ExpertView& view) override {
    queue_.set(expert, view, view.earliest_deadline.value);
  }
  [[nodiscard]] std::optional<ExpertId> next(const StreamView&) const override { return queue_.all().top(); }
  [[nodiscard]] std::optional<ExpertId> next_ready(const StreamView&) const override {
    return queue_.ready().top();
  }
  void upcoming(size_t count, std::vector<ExpertId>& out) const override {
    queue_.all().smallest(count, out);
  }
  [[nodiscard]] bool takes_over(ExpertId expert, const StreamView& stream) const override {
    return !stream.current ||
           queue_.view(expert).earliest_deadline < queue_.view(*stream.current).earliest_deadline;
  }

 private:
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Scheduler> make_deadline_scheduler(size_t experts, const SchedulerOptions&) {
  return std::make_unique<Deadline>(experts);
}

}  // namespace rdusim::runtime
