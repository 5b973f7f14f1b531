// ARC: two queues of residents, T1 (seen once) and T2 (seen again), and two of those that left them, B1 and
// B2, known by id only. A miss that B1 remembers moves the target p of T1 up, one that B2 remembers down.
//
//   loaded ─► T1 ──used──► T2          T1 + B1 <= capacity, all four <= 2 × capacity
//             │ evicted    │ evicted
//             ▼            ▼
//             B1           B2           (forgotten from their front)
//
// Queues are counted in bytes. The step of p is max(1, ratio of the ghosts) times a unit: the published ARC's
// unit is a page, here the expert (arcpaper); the reference implementation's is its unit of size, 10^6 bytes
// (arc), so that there p hardly moves for experts of gigabytes. Which is better depends on the trace.
// (Megiddo and Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003.)
#include <algorithm>

#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

constexpr double kUnitBytes = 1e6;

enum Queue : uint32_t { kT1, kT2, kB1, kB2, kQueues };

class Arc final : public EvictionPolicy {
 public:
  Arc(size_t experts, bool step_is_expert)
      : queues_(experts, kQueues), units_(experts, 0), step_is_expert_(step_is_expert) {}

  void resized(Bytes capacity) override {
    capacity_ = static_cast<double>(capacity.value) / kUnitBytes;
    target_ = std::min(target_, capacity_);
    told_ = true;
  }

  void missed(ExpertId expert, Bytes bytes) override {
    units_of_miss_ = static_cast<double>(bytes.value) / kUnitBytes;
    ghost_ = queues_.in(expert, kB1) ? kB1 : queues_.in(expert, kB2) ? kB2 : kQueues;
    missed_ = expert;
    if (ghost_ == kQueues) return;
    const double ratio = units_in_[ghost_ == kB1 ? kB2 : kB1] / units_in_[ghost_];
    const double step = std::max(ratio, 1.0) * (step_is_expert_ ? units_of_miss_ : 1.0);
    target_ = ghost_ == kB1 ? std::min(target_ + step, capacity_) : std::max(target_ - step, 0.0);
    leave(expert, ghost_);
  }

  void loaded(ExpertId expert, Bytes bytes) override {
    if (missed_ != expert) missed(expert, bytes);
    units_[expert.value] = units_of_miss_;
    join(expert, ghost_ == kQueues ? kT1 : kT2);
    missed_.reset();
    ghost_ = kQueues;
    if (!told_) capacity_ = std::max(capacity_, units_in_[kT1] + units_in_[kT2]);
  }

  void used(ExpertId expert) override {
    leave(expert, queues_.in(expert, kT1) ? kT1 : kT2);
    join(expert, kT2);
  }

  void evicted(ExpertId expert) override {
    const Queue from = queues_.in(expert, kT1) ? kT1 : kT2;
    const bool as_named = named_ == expert;
    if (as_named && forget_from_ != kQueues) leave(queues_.front(forget_from_), forget_from_);
    leave(expert, from);
    if (!as_named || !forget_named_) join(expert, from == kT1 ? kB1 : kB2);
    named_.reset();
  }

  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    forget_from_ = kQueues;
    forget_named_ = false;
    return named_ = choose(may_go);
  }
  void persist(Archive& a) override {
    queues_.persist(a);
    a.same(units_);
    a.pod(units_in_);
    a.pod(capacity_);
    a.pod(target_);
    a.pod(told_);
    a.pod(missed_);
    a.pod(ghost_);
    a.pod(units_of_miss_);
    a.pod(named_);
    a.pod(forget_from_);
    a.pod(forget_named_);
  }

 private:
  // Whom, and what is forgotten when it leaves; changes no queue.
  std::optional<ExpertId> choose(const std::function<bool(ExpertId)>& may_go) {
    if (ghost_ != kQueues) return replace(may_go);
    if (units_in_[kT1] + units_in_[kB1] + units_of_miss_ > capacity_) {
      if (!queues_.empty(kB1)) {
        forget_from_ = kB1;
        return replace(may_go);
      }
      const auto found = first(kT1, may_go);  // T1 fills the cache: who leaves it is not remembered
      forget_named_ = found.has_value();
      return found ? found : first(kT2, may_go);
    }
    const double all = units_in_[kT1] + units_in_[kT2] + units_in_[kB1] + units_in_[kB2];
    if (all >= 2 * capacity_ && !queues_.empty(kB2)) forget_from_ = kB2;
    return replace(may_go);
  }

  void join(ExpertId expert, Queue queue) {
    queues_.push_back(expert, queue);
    units_in_[queue] += units_[expert.value];
  }
  void leave(ExpertId expert, Queue queue) {
    queues_.remove(expert);
    units_in_[queue] -= units_[expert.value];
  }
  [[nodiscard]] std::optional<ExpertId> first(Queue queue,
                                              const std::function<bool(ExpertId)>& may_go) const {
    for (ExpertId e = queues_.front(queue); e != queues_.end(queue); e = queues_.next(e)) {
      if (may_go(e)) return e;
    }
    return std::nullopt;
  }
  // From T1 where it is beyond its target, else from T2; from the other where none may go.
  [[nodiscard]] std::optional<ExpertId> replace(const std::function<bool(ExpertId)>& may_go) const {
    const double t1 = units_in_[kT1];
    const bool beyond = t1 > target_ || (t1 == target_ && ghost_ == kB2);
    const Queue queue = (!queues_.empty(kT1) && beyond) || queues_.empty(kT2) ? kT1 : kT2;
    const auto found = first(queue, may_go);
    return found ? found : first(queue == kT1 ? kT2 : kT1, may_go);
  }

  ExpertLists queues_;
  std::vector<double> units_;  // by expert, of kUnitBytes
  double units_in_[kQueues] = {0, 0, 0, 0};
  double capacity_ = 0;
  double target_ = 0;  // p
  bool told_ = false;
  bool step_is_expert_;
  std::optional<ExpertId> missed_;  // between missed() and loaded()
  Queue ghost_ = kQueues;           // that remembered it; kQueues: none
  double units_of_miss_ = 0;
  std::optional<ExpertId> named_;  // by victim()
  Queue forget_from_ = kQueues;    // ghosts whose oldest is forgotten when it leaves
  bool forget_named_ = false;      // it joins no ghosts
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_arc_policy(size_t experts) {
  return std::make_unique<Arc>(experts, false);
}
std::unique_ptr<EvictionPolicy> make_arcpaper_policy(size_t experts) {
  return std::make_unique<Arc>(experts, true);
}

}  // namespace rdusim::runtime
