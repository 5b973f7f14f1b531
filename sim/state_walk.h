// StateWalk: one description of a simulation's state, walked for three purposes:
//
//   save      remember every value
//   match     is the state the remembered one, moved on in time? (a period of the token graph)
//   advance   go on by whole periods at once: stamps move, counters grow, all else stays
//
// Each part of the state (a unit, a channel) starts with item(progress). A part whose progress is as
// remembered was not touched in between: it stays as it is. In all others, stamps must have moved by the same
// time. A stamp below its `floor` can no longer decide anything (whoever reads it takes the larger of the
// two), so the floor stands for it. limit() says for how many more firings a unit is sure to do as it did.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "sim/stamp.h"

namespace rdusim::sim {

class StateWalk {
 public:
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

  // --- what to do in the next walk
  void save() {
    mode_ = Mode::kSave;
    saved_.clear();
  }
  void match(int64_t shift_cycles) {
    mode_ = Mode::kMatch;
    shift_ = shift_cycles;
    next_ = 0;
    matches_ = shift_cycles > 0;
    periods_ = kUnlimited;
  }
  // After a match().
  void advance(int64_t periods) {
    mode_ = Mode::kAdvance;
    next_ = 0;
    periods_ = periods;
  }

  // --- what came of it
  [[nodiscard]] bool matches() const { return matches_; }
  // Periods that can be skipped, 0 if the states do not match.
  [[nodiscard]] int64_t periods() const { return matches_ && periods_ != kUnlimited ? periods_ : 0; }
  [[nodiscard]] bool advancing() const { return mode_ == Mode::kAdvance; }
  // False: the states do not match, the rest of the walk is of no interest.
  [[nodiscard]] bool goes_on() const { return mode_ != Mode::kMatch || matches_; }

  // --- from the parts of the state
  void item(int64_t& progress) {
    if (mode_ == Mode::kSave) return saved_.push_back(progress);
    step_ = progress - saved_[next_++];
    if (advancing()) progress += periods_ * step_;
  }
  [[nodiscard]] bool untouched() const { return mode_ != Mode::kSave && step_ == 0; }

  void same(int64_t x) {
    if (mode_ == Mode::kSave) return saved_.push_back(x);
    if (mode_ == Mode::kMatch) require(saved_[next_] == x);
    ++next_;
  }
  template <typename Stamp>
  void stamp(Stamp& x, int64_t floor = std::numeric_limits<int64_t>::min()) {
    scaled_stamp(cycle_ref(x), floor, 0);
  }
  // In units of 2^-bits cycles.
  void scaled_stamp(int64_t& x, int64_t floor, int bits) {
    if (mode_ == Mode::kSave) return saved_.push_back(std::max(x, floor));
    const int64_t shift = shift_ << bits;
    if (mode_ == Mode::kMatch && !untouched()) require(std::max(x, floor) - saved_[next_] == shift);
    if (advancing() && !untouched()) x += periods_ * shift;
    ++next_;
  }
  // A statistic: it grows by the same in every period.
  void count(int64_t& x) {
    if (mode_ == Mode::kSave) return saved_.push_back(x);
    if (advancing()) x += periods_ * (x - saved_[next_]);
    ++next_;
  }
  // Position of a unit in a round of `period` firings. Positions below `alike_until` are like this one, so
  // the state repeats also while the position moves on among them.
  void phase(int64_t& x, int64_t period, int64_t alike_until) {
    if (mode_ == Mode::kSave) {
      saved_.push_back(x);
      return saved_.push_back(alike_until);
    }
    const bool whole_rounds = step_ % period == 0;
    if (mode_ == Mode::kMatch && whole_rounds) require(saved_[next_] == x);
    if (mode_ == Mode::kMatch && !whole_rounds) {
      require(saved_[next_ + 1] == alike_until && x - saved_[next_] == step_);
      limit(alike_until - x);
    }
    if (advancing() && !whole_rounds) x += periods_ * step_;
    next_ += 2;
  }
  void limit(int64_t firings) {
    if (mode_ == Mode::kMatch && step_ > 0)
      periods_ = std::min(periods_, std::max<int64_t>(0, firings) / step_);
  }
  void require(bool condition) { matches_ = matches_ && condition; }
  // Progress of the item since the remembered state.
  [[nodiscard]] int64_t step() const { return step_; }

 private:
  enum class Mode : uint8_t { kSave, kMatch, kAdvance };
  Mode mode_ = Mode::kSave;
  std::vector<int64_t> saved_;
  size_t next_ = 0;
  int64_t shift_ = 0;
  int64_t step_ = 0;
  int64_t periods_ = 0;
  bool matches_ = false;
};

}  // namespace rdusim::sim
