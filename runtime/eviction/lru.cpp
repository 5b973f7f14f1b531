// LRU, the published system's policy: a list from the least to the most recently used, threaded through an
// array by id.
#include "base/check.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Lru final : public EvictionPolicy {
 public:
  // Slot `experts` is the list's head: next = least recent, previous = most recent.
  explicit Lru(size_t experts) : head_(static_cast<uint32_t>(experts)), links_(experts + 1) {
    for (uint32_t i = 0; i < links_.size(); ++i) links_[i] = {i, i};
  }
  void loaded(ExpertId expert, Bytes) override { append(expert.value); }
  void used(ExpertId expert) override {
    unlink(expert.value);
    append(expert.value);
  }
  void evicted(ExpertId expert) override { unlink(expert.value); }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) const override {
    for (uint32_t i = links_[head_].next; i != head_; i = links_[i].next) {
      if (may_go(ExpertId(i))) return ExpertId(i);
    }
    return std::nullopt;
  }

 private:
  struct Link {
    uint32_t previous;
    uint32_t next;
  };
  void append(uint32_t i) {
    RDU_CHECK(links_[i].next == i, "expert {} is in the list already", i);
    const uint32_t last = links_[head_].previous;
    links_[i] = {last, head_};
    links_[last].next = i;
    links_[head_].previous = i;
  }
  void unlink(uint32_t i) {
    RDU_CHECK(links_[i].next != i, "expert {} is not in the list", i);
    links_[links_[i].previous].next = links_[i].next;
    links_[links_[i].next].previous = links_[i].previous;
    links_[i] = {i, i};
  }

  uint32_t head_;
  std::vector<Link> links_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru_policy(size_t experts) {
  return std::make_unique<Lru>(experts);
}

}  // namespace rdusim::runtime
