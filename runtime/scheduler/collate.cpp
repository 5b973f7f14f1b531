// Requests collated by expert: of the experts in HBM the one with the most waiting requests runs, then, when
// none in HBM has work, the one with the most is copied. So A B A A C A B C becomes A A A A B B C. An expert
// keeps the stream at least the least resident time while it has work; a request that has waited longer than
// the longest wait goes before everything else, so that none starves.
#include "runtime/scheduler/work_queue.h"

namespace rdusim::runtime {
namespace {

class Collate final : public Scheduler {
 public:
  Collate(size_t experts, const SchedulerOptions& options) : options_(options), queue_(experts) {}

  [[nodiscard]] SchedulerTraits traits() const override { return {}; }
  void changed(ExpertId expert, const ExpertView& view) override {
    queue_.set(expert, view, -(view.waiting + view.running));
  }
  [[nodiscard]] std::optional<ExpertId> next(const StreamView& stream) const override {
    const bool has_work = stream.current && queue_.all().contains(*stream.current);
    if (has_work && stream.now - stream.current_since < options_.least_resident) return stream.current;
    if (const auto late = queue_.overdue(stream.now, options_.longest_wait)) return late;
    if (queue_.keeps(stream, options_, queue_.all())) return stream.current;
    const auto in_hbm = queue_.ready().top();
    return in_hbm ? in_hbm : queue_.all().top();
  }
  [[nodiscard]] std::optional<ExpertId> next_ready(const StreamView& stream) const override {
    if (queue_.keeps(stream, options_, queue_.ready())) return stream.current;
    return queue_.ready().top();
  }
  void upcoming(size_t count, std::vector<ExpertId>& out) const override {
    queue_.all().smallest(count, out);
  }

 private:
  SchedulerOptions options_;
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Scheduler> make_collate_scheduler(size_t experts, const SchedulerOptions& options) {
  return std::make_unique<Collate>(experts, options);
}

}  // namespace rdusim::runtime
