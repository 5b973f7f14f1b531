#include "sim/stamp_channel.h"

namespace rdusim::sim {

template <typename Stamp>
void StampChannel<Stamp>::walk(StateWalk& state, int64_t producer_floor, int64_t consumer_floor) {
  int64_t progress = written_ + taken_ + released_;
  state.item(progress);
  state.same(in_use_);
  state.same(waiting_);
  if (!state.goes_on()) return;  // rings of other lengths
  state.stamp(links_free_, producer_floor);
  state.count(written_);
  state.count(taken_);
  state.count(released_);
  state.count(elements_written_);
  size_t at = take_at_;
  for (int64_t i = 0; i < waiting_; ++i, step(at)) {
    Token& token = tokens_[at];
    state.stamp(token.ready, consumer_floor);
    state.same(token.rows);
    state.same(token.cols);
  }
  at = claim_at_;
  for (int64_t i = in_use_; i < capacity_; ++i, step(at)) state.stamp(free_[at], producer_floor);
}

template class StampChannel<int64_t>;
template class StampChannel<TracedStamp>;

}  // namespace rdusim::sim
