// Predictor: which experts will be asked for, from those that were. Popularity: counts that fade (halved
// every kFadeEvery requests), so that drift shows. Transition: for each expert, the few that most often came
// next.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

class Predictor {
 public:
  static constexpr int64_t kFadeEvery = 4096;  // assumed: some ten requests for each of a few hundred experts

  explicit Predictor(size_t experts) : counts_(experts, 0), successors_(experts) {}

  void asked(ExpertId expert) {
    counts_[expert.value] += kOne;
    if (++asked_ % kFadeEvery == 0) {
      for (int64_t& count : counts_) count /= 2;
    }
    if (last_) count_successor(*last_, expert);
    last_ = expert;
  }
  [[nodiscard]] int64_t popularity(ExpertId expert) const { return counts_[expert.value]; }
  // The most popular expert that `wanted` accepts; ties to the smaller id.
  template <typename Wanted>
  [[nodiscard]] std::optional<ExpertId> most_popular(Wanted wanted) const {
    std::optional<ExpertId> best;
    for (size_t e = 0; e < counts_.size(); ++e) {
      if (counts_[e] == 0 || (best && counts_[e] <= counts_[best->value]) || !wanted(ExpertId(e))) continue;
      best = ExpertId(e);
    }
    return best;
  }
  void persist(Archive& a) {
    a.same(counts_);
    a.same(successors_);
    a.pod(last_);
    a.pod(asked_);
  }
  // The expert that most often followed the last one asked for, if it did so more than once. `sure`: more
  // often than all others together.
  struct Next {
    ExpertId expert;
    bool sure = false;
  };
  [[nodiscard]] std::optional<Next> likely_next() const {
    if (!last_) return std::nullopt;
    const Successor* best = nullptr;
    int64_t all = 0;
    for (const Successor& s : successors_[last_->value]) {
      all += s.count;
      if (s.count > 1 && (best == nullptr || s.count > best->count)) best = &s;
    }
    if (best == nullptr) return std::nullopt;
    return Next{best->expert, 2 * best->count > all};
  }

 private:
  static constexpr int64_t kOne = 1 << 16;
  // Space-saving counters (Metwally et al., 2005): the least counted one gives way and passes its count on.
  struct Successor {
    ExpertId expert;
    int64_t count = 0;
  };
  void count_successor(ExpertId from, ExpertId to) {
    auto& known = successors_[from.value];
    Successor* least = &known[0];
    for (Successor& s : known) {
      if (s.count > 0 && s.expert == to) {
        ++s.count;
        return;
      }
      if (s.count < least->count) least = &s;
    }
    *least = {to, least->count + 1};
  }

  std::vector<int64_t> counts_;
  std::vector<std::array<Successor, 4>> successors_;
  std::optional<ExpertId> last_;
  int64_t asked_ = 0;
};

}  // namespace rdusim::runtime
