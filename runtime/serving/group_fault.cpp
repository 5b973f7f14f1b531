// What faults do to a socket group.
#include <algorithm>

#include "base/check.h"
#include "runtime/serving/group.h"

namespace rdusim::runtime {

void Group::cancel(uint32_t request, Picoseconds now) {
  RequestState& s = state_.states[request];
  if (s.phase == Phase::kRunning) {
    s.cancelled = true;
    cut_wanted_ = true;
    const bool in_pass = pass_.busy() && std::find(pass_.requests.begin(), pass_.requests.end(), request) !=
                                             pass_.requests.end();
    if (!in_pass) fail_request(request, "cancelled", now);
    return;
  }
  fail_request(request, "cancelled", now);
}

void Group::scale_bandwidth(SharedResource resource, double factor, Picoseconds now) {
  settle(now);
  health_[static_cast<size_t>(resource)] = factor;
  retune();
}

void Group::corrupt_next_copies(int64_t copies, std::optional<ExpertId> expert) {
  corrupt_copies_ = copies;
  corrupt_expert_ = expert;
}

void Group::set_hbm_share(double share) {
  const auto whole = static_cast<double>(setup_.plan->memory.cache_bytes);
  const auto kept = Bytes(setup_.plan->memory.cache_bytes) - whole_cache_;
  const Bytes left(static_cast<int64_t>(whole * share));
  cache_->set_capacity(std::max(Bytes(0), left - kept));
}

std::vector<uint32_t> Group::lose_everything(Picoseconds now) {
  settle(now);
  if (pass_.busy() && pass_.kind != Activity::kRouting) home(pass_.expert).unpin(pass_.expert);
  std::vector<uint32_t> lost;
  if (pass_.busy() && pass_.kind == Activity::kRouting) lost = pass_.requests;
  pass_.kind = Activity::kIdle;
  pass_.requests.clear();
  set_activity(Activity::kIdle, now);
  for (size_t i = unrouted_head_; i < unrouted_.size(); ++i) {
    if (state_.states[unrouted_[i]].phase == Phase::kUnrouted) lost.push_back(unrouted_[i]);
  }
  unrouted_.clear();
  unrouted_head_ = 0;
  while (const auto copy = dma_.cancel_any()) give_up(*copy, now);
  for (size_t e = 0; e < work_.size(); ++e) {
    Work& w = work_[e];
    for (uint32_t r = w.head; r != kEndOfList; r = state_.states[r].next) {
      if (state_.states[r].phase == Phase::kWaiting) lost.push_back(r);
    }
    for (auto* list : {&w.running, &w.paged}) {
      while (!list->empty()) {
        lost.push_back(list->back());
        release_memory(list->back());
      }
    }
    w.head = w.tail = kEndOfList;
    w.waiting = 0;
    for (auto* cache : {cache_.get(), sram_.get()}) {
      if (cache == nullptr || cache->residence(ExpertId(e)) == Residence::kAbsent) continue;
      cache->drop(ExpertId(e));
      evicted(ExpertId(e), now);
    }
    changed(ExpertId(e));
  }
  kv_.forget_idle();
  routed_pending_ = 0;
  pending_ = 0;
  RDU_CHECK(admitted_ == 0, "{} requests are still admitted", admitted_);
  current_.reset();
  awaited_.reset();
  expected_.clear();
  for (const uint32_t r : lost) {
    RequestState& s = state_.states[r];
    const bool was_routed = s.phase != Phase::kUnrouted;
    state_.counters.restarts += s.begun ? 1 : 0;
    const uint16_t group = s.group;
    const Picoseconds routed = s.routed;
    const bool cancelled = s.cancelled;
    s = RequestState{};
    s.cancelled = cancelled;
    s.group = group;
    s.routed = routed;
    s.phase = was_routed ? Phase::kWaiting : Phase::kUnrouted;
  }
  std::sort(lost.begin(), lost.end());
  retune();
  return lost;
}

}  // namespace rdusim::runtime
