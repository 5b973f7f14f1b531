// Continuous batching per expert: requests join the running expert's batch between two tokens and leave it
// when they are done. The expert keeps the stream until it drains, its quantum is over or a request of
// another expert has waited longer than the longest wait; then the expert whose oldest request was routed
// first is next.
#include "runtime/scheduler/work_queue.h"

namespace rdusim::runtime {
namespace {

class Continuous final : public Scheduler {
 public:
  Continuous(size_t experts, const SchedulerOptions& options) : options_(options), queue_(experts) {}

  [[nodiscard]] SchedulerTraits traits() const override { return {}; }
  void changed(ExpertId expert, const ExpertView& view) override {
    queue_.set(expert, view, view.oldest_turn);
  }
  [[nodiscard]] std::optional<ExpertId> next(const StreamView& stream) const override {
    return pick(stream, queue_.all());
  }
  [[nodiscard]] std::optional<ExpertId> next_ready(const StreamView& stream) const override {
    return pick(stream, queue_.ready());
  }
  void upcoming(size_t count, std::vector<ExpertId>& out) const override {
    queue_.all().smallest(count, out);
  }

 private:
  [[nodiscard]] std::optional<ExpertId> pick(const StreamView& stream, const IndexedHeap& heap) const {
    const auto late = queue_.overdue(stream.now, options_.longest_wait);
    if (late && heap.contains(*late)) return late;
    if (queue_.keeps(stream, options_, heap)) return stream.current;
    const bool quantum_over = stream.current && heap.contains(*stream.current);
    return quantum_over ? queue_.first_but(stream.current, heap) : heap.top();
  }

  SchedulerOptions options_;
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Scheduler> make_continuous_scheduler(size_t experts, const SchedulerOptions& options) {
  return std::make_unique<Continuous>(experts, options);
}

}  // namespace rdusim::runtime
