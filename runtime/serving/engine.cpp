// The event loop; see engine.h.
#include "runtime/serving/engine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kProgressEvery = 4096;
constexpr uint32_t kDue = UINT32_MAX;  // in waits_for_: all it follows has ended

}  // namespace

std::optional<Picoseconds> Engine::next_event() const {
  std::optional<Picoseconds> next;
  const auto earlier = [&](Picoseconds t) {
    if (!next || t < *next) next = t;
  };
  if (arrived_ < state_.workload.requests.size()) earlier(state_.workload.requests[arrived_].arrival);
  if (!due_.empty()) earlier(Picoseconds(due_.top().first));
  for (const auto& group : groups_) {
    if (const auto t = group->next_event()) earlier(*t);
  }
  return next;
}

Status Engine::run() {
  next_checkpoint_ = std::max(next_checkpoint_, options_.checkpoint.every);
  while (true) {
    auto next = next_event();
    if (next_fault_ < faults_.size() && ended_ < static_cast<int64_t>(state_.records.size()) &&
        (!next || faults_[next_fault_].at <= *next)) {
      next = faults_[next_fault_].at;
    }
    if (!next) break;
    const Picoseconds now = *next;
    for (const auto& group : groups_) {
      const auto event = group->next_event();
      if (event && *event <= now) RDU_CHECK_OK(group->advance(now));
    }
    arrivals(now);
    apply_faults(now);
    settle_failures(now);
    do {
      for (const auto& group : groups_) {
        RDU_CHECK_OK(group->decide(now));
        group->check_memory();
      }
    } while (settle_failures(now) || std::exchange(expects_, false));
    sample(now);
    report_progress();
    if (options_.checkpoint.every > 0) RDU_CHECK_OK(write_checkpoint());
  }
  check_conservation();
  return {};
}

void Engine::arrivals(Picoseconds now) {
  const auto& requests = state_.workload.requests;
  for (; arrived_ < requests.size() && requests[arrived_].arrival <= now; ++arrived_) {
    if (!waits_for_.empty() && waits_for_[arrived_] > 0) continue;  // comes when what it follows has ended
    arrive(arrived_, now);
  }
  while (!due_.empty() && due_.top().first <= now.value) {
    const uint32_t r = due_.top().second;
    due_.pop();
    if (state_.states[r].phase == Phase::kFailed) continue;
    state_.records[r].arrival = now;
    arrive(r, now);
  }
}

void Engine::arrive(uint32_t request, Picoseconds now) {
  if (state_.states[request].phase == Phase::kFailed) return;
  const Jobs& jobs = state_.jobs;
  if (jobs.plans != nullptr && request != jobs.first_of(jobs.request(request)) &&
      jobs.plans->nodes[request].route_tokens == 0) {
    state_.states[request].routed = now;  // its flow names its expert
    route_to_group(request, now);
    return;
  }
  Group* least = nullptr;
  for (const auto& group : groups_) {
    if (!group->down() && (least == nullptr || group->pending() < least->pending())) least = group.get();
  }
  if (least == nullptr) {
    fail_before(request, "no socket group is up", now);
    return;
  }
  least->enqueue_unrouted(request, now);
}

void Engine::routed(uint32_t request, Picoseconds now) {
  route_to_group(request, now);
  if (state_.jobs.plans != nullptr) start_branches(request, now);
}

// The other branches of a fan-out begin with the first, which its request's routing was for.
void Engine::start_branches(uint32_t first, Picoseconds now) {
  const Jobs& jobs = state_.jobs;
  const uint32_t r = jobs.request(first);
  if (first != jobs.first_of(r)) return;
  for (uint32_t job = first + 1; job < jobs.plans->begin[r + 1]; ++job) {
    if (!jobs.waits_for_routing(job) || state_.states[job].phase != Phase::kFuture) continue;
    state_.records[job].arrival = state_.records[first].arrival;
    if (jobs.plans->nodes[job].route_tokens > 0) {
      arrive(job, now);
      continue;
    }
    state_.records[job].routing = state_.records[first].routing;
    state_.states[job].routed = now;
    route_to_group(job, now);
  }
}

// The group that has the expert in HBM, else any that may have it; the one with the least to do.
Group* Engine::group_for(uint32_t request) {
  Group* best = nullptr;
  const ExpertId expert = state_.records[request].expert;
  const auto key = [&](const Group& g) { return std::pair(g.resident(expert) ? 0 : 1, g.pending()); };
  for (const uint16_t g : placement_.homes[expert.value]) {
    Group& group = *groups_[g];
    if (group.down() || plans_[g].failed[request]) continue;
    if (best == nullptr || key(group) < key(*best)) best = &group;
  }
  return best;
}

void Engine::route_to_group(uint32_t request, Picoseconds now) {
  Group* best = group_for(request);
  if (best == nullptr) {
    fail_before(request, "no socket group that holds its expert is up", now);
    return;
  }
  best->enqueue(request, now);
}

// Steps that come after this one and name their experts; whom an answer is routed to is not known yet.
void Engine::begun(uint32_t request, Picoseconds) {
  const Jobs& jobs = state_.jobs;
  if (!engine_.mechanisms.prefetch_flows || jobs.plans == nullptr || follower_begin_.empty()) return;
  for (uint32_t f = follower_begin_[request]; f < follower_begin_[request + 1]; ++f) {
    const uint32_t next = followers_[f].request;
    const bool same_request = jobs.request(next) == jobs.request(request);
    if (!same_request || jobs.plans->nodes[next].route_tokens > 0) continue;
    if (state_.states[next].phase != Phase::kFuture) continue;
    if (Group* group = group_for(next)) expects_ |= group->expect(state_.records[next].expert);
  }
}

void Engine::ended(uint32_t request, Picoseconds now) {
  ++ended_;
  const bool failed = state_.records[request].failed;
  if (failed && state_.jobs.plans != nullptr && !stopped_[state_.jobs.request(request)]) {
    stopped_[state_.jobs.request(request)] = true;
    to_stop_.push_back(state_.jobs.request(request));
  }
  if (follower_begin_.empty()) return;
  for (uint32_t f = follower_begin_[request]; f < follower_begin_[request + 1]; ++f) {
    const Follower& next = followers_[f];
    if (state_.states[next.request].phase == Phase::kFailed) continue;
    if (failed && !next.even_if_failed) {
      to_fail_.push_back(next.request);
      continue;
    }
    if (--waits_for_[next.request] > 0) continue;
    waits_for_[next.request] = kDue;  // its own arrival, if still to come, does not bring it a second time
    const Picoseconds own = state_.workload.requests[next.request].arrival;
    due_.emplace(std::max(own, now + next.delay).value, next.request);
  }
}

// Fails what is in no group. What follows it fails too.
void Engine::fail_before(uint32_t request, const std::string& reason, Picoseconds now) {
  state_.states[request].phase = Phase::kFailed;
  RequestRecord& record = state_.records[request];
  record.failed = true;
  record.routing = Picoseconds(0);
  state_.failures.push_back({RequestId(request), reason});
  ended(request, now);
}

// A job of the request failed: so do the others, those that run at the next token.
void Engine::stop_rest(uint32_t request, Picoseconds now) {
  const RequestPlans& plans = *state_.jobs.plans;
  for (uint32_t job = plans.begin[request]; job < plans.begin[request + 1]; ++job) {
    const Phase phase = state_.states[job].phase;
    if (phase == Phase::kFinished || phase == Phase::kFailed) continue;
    if (phase == Phase::kFuture) {
      fail_before(job, "another step of its request failed", now);
    } else {
      groups_[state_.states[job].group]->cancel(job, now);
    }
  }
}

// Failures that follow from failures, outside the groups' own loops. True if there were any.
bool Engine::settle_failures(Picoseconds now) {
  if (to_fail_.empty() && to_stop_.empty()) return false;
  for (size_t i = 0; i < to_fail_.size(); ++i) {  // grows meanwhile
    const uint32_t r = to_fail_[i];
    if (state_.states[r].phase == Phase::kFuture) fail_before(r, "a request that it follows failed", now);
  }
  to_fail_.clear();
  for (size_t i = 0; i < to_stop_.size(); ++i) stop_rest(to_stop_[i], now);
  to_stop_.clear();
  return true;
}

void Engine::apply_faults(Picoseconds now) {
  for (; next_fault_ < faults_.size() && faults_[next_fault_].at <= now; ++next_fault_)
    apply(faults_[next_fault_], now);
}

// Requests that a group lost begin again; routed ones without the router.
void Engine::requeue(const std::vector<uint32_t>& requests, Picoseconds now) {
  for (const uint32_t r : requests) {
    if (state_.states[r].cancelled) {
      fail_before(r, "cancelled", now);
    } else if (state_.states[r].phase == Phase::kUnrouted) {
      arrive(r, now);
    } else {
      routed(r, now);
    }
  }
}

// Its first job that has not ended; the others follow.
void Engine::cancel(uint32_t request, Picoseconds now) {
  const Jobs& jobs = state_.jobs;
  const uint32_t end = jobs.plans == nullptr ? request + 1 : jobs.plans->begin[request + 1];
  for (uint32_t job = jobs.first_of(request); job < end; ++job) {
    const Phase phase = state_.states[job].phase;
    if (phase == Phase::kFailed) return;
    if (phase == Phase::kFinished) continue;
    if (phase == Phase::kFuture) {
      fail_before(job, "cancelled", now);
    } else {
      groups_[state_.states[job].group]->cancel(job, now);
    }
    return;
  }
}

void Engine::apply(const FaultEvent& fault, Picoseconds now) {
  Group& group = *groups_[fault.group];
  const NodeMemory memory = nodes_[fault.group].execution->memory();
  ++result_.faults;
  switch (fault.kind) {
    case FaultKind::kHbmChannel:
    case FaultKind::kDdrChannel: {
      const bool hbm = fault.kind == FaultKind::kHbmChannel;
      int64_t& lost = channels_lost_[fault.group][hbm ? 0 : 1];
      const int64_t channels = std::max<int64_t>(hbm ? memory.hbm_channels : memory.store_channels, 1);
      lost = std::clamp<int64_t>(lost + (fault.recovers ? -fault.count : fault.count), 0, channels - 1);
      const double left = 1 - static_cast<double>(lost) / static_cast<double>(channels);
      group.scale_bandwidth(hbm ? SharedResource::kHbm : SharedResource::kStore, left, now);
      if (!hbm) return;
      // Experts and KV caches are interleaved over all channels: what was there is gone.
      const auto requests = group.lose_everything(now);
      group.set_hbm_share(left);
      requeue(requests, now);
      return;
    }
    case FaultKind::kSlowLink:
      group.scale_bandwidth(SharedResource::kLink, fault.recovers ? 1 : fault.factor, now);
      return;
    case FaultKind::kSocketDown:
      group.set_down(!fault.recovers);
      if (!fault.recovers) requeue(group.lose_everything(now), now);
      return;
    case FaultKind::kCorrupt:
      group.corrupt_next_copies(fault.count, fault.expert);
      return;
    case FaultKind::kCancel: {
      cancel(fault.request, now);
      return;
    }
  }
}

void Engine::sample(Picoseconds now) {
  if (engine_.occupancy_sample_s <= 0 || now < next_sample_) return;
  OccupancySample sample{now, 0, 0};
  for (const auto& group : groups_) {
    sample.expert_bytes += group->cache().used().value;
    sample.kv_bytes += group->kv().used().value;
  }
  samples_.push_back(sample);
  next_sample_ = now + picoseconds_from_seconds(engine_.occupancy_sample_s);
}

void Engine::report_progress() {
  if (!options_.progress || ended_ - reported_ < kProgressEvery) return;
  reported_ = ended_;
  options_.progress(ended_, static_cast<int64_t>(state_.records.size()));
}

void Engine::check_conservation() const {
  const auto all = static_cast<int64_t>(state_.records.size());
  const auto failed = static_cast<int64_t>(state_.failures.size());
  RDU_CHECK(all == state_.finished + failed, "{} requests came, {} finished, {} failed", all, state_.finished,
            failed);
  int64_t copied = 0;
  for (const ExpertResult& e : state_.experts) copied += e.copied_bytes;
  RDU_CHECK(copied == state_.counters.switched.value, "{} B switched, {} B by expert",
            state_.counters.switched.value, copied);
}

}  // namespace rdusim::runtime
