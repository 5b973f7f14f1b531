// S3-FIFO, loading on demand: a small queue (a tenth of the bytes) of newcomers, a main queue, and ghosts
// that remember who left the small queue unused (up to nine tenths of the bytes).
//
//   loaded ─► small ──used twice──► main ──► (used: queues again, one use forgotten)
//               │ else                └─ gone
//               ▼
//             ghosts: who is asked for again goes to main
//
// Unlike the reference, an expert larger than the small queue enters it all the same: it must be loaded to
// run. (Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023.)
#include <algorithm>

#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kSmallShare = 10;  // one part in ten
constexpr uint8_t kUsesToMain = 2;
constexpr uint8_t kMostUses = 3;

enum Queue : uint32_t { kSmall, kMain, kGhosts, kQueues };

class S3Fifo final : public EvictionPolicy {
 public:
  explicit S3Fifo(size_t experts) : queues_(experts, kQueues), bytes_(experts, 0), uses_(experts, 0) {}

  void resized(Bytes capacity) override {
    capacity_ = capacity.value;
    told_ = true;
    trim_ghosts();
  }

  void missed(ExpertId expert, Bytes) override {
    missed_ = expert;
    remembered_ = queues_.in(expert, kGhosts);
    if (remembered_) leave(expert, kGhosts);
  }

  void loaded(ExpertId expert, Bytes bytes) override {
    if (missed_ != expert) missed(expert, bytes);
    missed_.reset();
    bytes_[expert.value] = bytes.value;
    uses_[expert.value] = 0;
    join(expert, remembered_ ? kMain : kSmall);
    if (!told_) capacity_ = std::max(capacity_, bytes_in_[kSmall] + bytes_in_[kMain]);
  }

  void used(ExpertId expert) override {
    uint8_t& uses = uses_[expert.value];
    uses = std::min<uint8_t>(static_cast<uint8_t>(uses + 1), kMostUses);
  }

  void evicted(ExpertId expert) override {
    if (queues_.in(expert, kMain)) return leave(expert, kMain);
    leave(expert, kSmall);
    join(expert, kGhosts);
    trim_ghosts();
  }

  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    if (bytes_in_[kMain] > capacity_ - small_target() || queues_.empty(kSmall)) {
      const auto found = main_victim(may_go);
      return found ? found : small_victim(may_go);
    }
    const auto found = small_victim(may_go);
    return found ? found : main_victim(may_go);
  }
  void persist(Archive& a) override {
    queues_.persist(a);
    a.same(bytes_);
    a.same(uses_);
    a.pod(bytes_in_);
    a.pod(capacity_);
    a.pod(told_);
    a.pod(remembered_);
    a.pod(missed_);
  }

 private:
  [[nodiscard]] int64_t small_target() const { return capacity_ / kSmallShare; }

  void join(ExpertId expert, Queue queue) {
    queues_.push_back(expert, queue);
    bytes_in_[queue] += bytes_[expert.value];
  }
  void leave(ExpertId expert, Queue queue) {
    queues_.remove(expert);
    bytes_in_[queue] -= bytes_[expert.value];
  }
  void trim_ghosts() {
    while (bytes_in_[kGhosts] > capacity_ - small_target()) leave(queues_.front(kGhosts), kGhosts);
  }

  std::optional<ExpertId> small_victim(const std::function<bool(ExpertId)>& may_go) {
    for (ExpertId e = queues_.front(kSmall); e != queues_.end(kSmall);) {
      const ExpertId next = queues_.next(e);
      if (uses_[e.value] >= kUsesToMain) {
        leave(e, kSmall);
        uses_[e.value] = 0;
        join(e, kMain);
      } else if (may_go(e)) {
        return e;
      }
      e = next;
    }
    return std::nullopt;
  }

  // Every step takes a use back or passes a refused expert; who queues again is met again.
  std::optional<ExpertId> main_victim(const std::function<bool(ExpertId)>& may_go) {
    for (ExpertId e = queues_.front(kMain); e != queues_.end(kMain);) {
      const ExpertId next = queues_.next(e);
      if (uses_[e.value] == 0) {
        if (may_go(e)) return e;
        e = next;
        continue;
      }
      --uses_[e.value];
      queues_.move_to_back(e, kMain);
      e = next == queues_.end(kMain) ? e : next;
    }
    return std::nullopt;
  }

  ExpertLists queues_;
  std::vector<int64_t> bytes_;
  std::vector<uint8_t> uses_;
  int64_t bytes_in_[kQueues] = {0, 0, 0};
  int64_t capacity_ = 0;
  bool told_ = false;
  bool remembered_ = false;
  std::optional<ExpertId> missed_;  // between missed() and loaded()
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_s3fifo_policy(size_t experts) {
  return std::make_unique<S3Fifo>(experts);
}

}  // namespace rdusim::runtime
