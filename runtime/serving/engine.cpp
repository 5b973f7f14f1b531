// The event loop; see engine.h.
#include "runtime/serving/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "runtime/serving/metrics.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kProgressEvery = 4096;

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
    } while (settle_failures(now));
    sample(now);
    report_progress();
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

// To the group that has the expert in HBM, else to any that may have it; the one with the least to do.
void Engine::route_to_group(uint32_t request, Picoseconds now) {
  Group* best = nullptr;
  const ExpertId expert = state_.records[request].expert;
  const auto key = [&](const Group& g) { return std::pair(g.resident(expert) ? 0 : 1, g.pending()); };
  for (const uint16_t g : placement_.homes[expert.value]) {
    Group& group = *groups_[g];
    if (group.down() || plans_[g].failed[request]) continue;
    if (best == nullptr || key(group) < key(*best)) best = &group;
  }
  if (best == nullptr) {
    fail_before(request, "no socket group that holds its expert is up", now);
    return;
  }
  best->enqueue(request, now);
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

void Engine::fill_memory(NodeResult& result) const {
  MemoryUse& sum = result.memory;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const MemoryUse& m = plans_[g].memory;
    sum.store_capacity_bytes += m.store_capacity_bytes;
    sum.store_used_bytes += m.store_used_bytes;
    sum.hbm_capacity_bytes += m.hbm_capacity_bytes;
    sum.router_bytes += m.router_bytes;
    sum.kv_bytes += m.kv_bytes;
    sum.cache_bytes += m.cache_bytes;
    sum.cache_peak_bytes += groups_[g]->cache_peak().value;
    result.kv_peak_bytes += groups_[g]->kv().peak().value;
  }
}

NodeResult Engine::finish() {
  if (result_.status == NodeStatus::kOutOfMemory) return std::move(result_);
  result_.node = nodes_.front().execution->node_name();
  result_.requests = static_cast<int64_t>(state_.records.size());
  result_.finished = state_.finished;
  result_.failed = static_cast<int64_t>(state_.failures.size());
  result_.failures = std::move(state_.failures);
  result_.experts = std::move(state_.experts);
  result_.timeline = std::move(state_.timeline);
  result_.records = std::move(state_.records);
  fold_jobs(state_.jobs, state_.composition, result_);
  std::sort(result_.failures.begin(), result_.failures.end(),
            [](const Failure& a, const Failure& b) { return a.request < b.request; });
  const Picoseconds begin = state_.workload.requests.front().arrival;
  result_.makespan_s = seconds(std::max(Picoseconds(0), state_.last_finish - begin));
  fill_memory(result_);
  fill_counters();
  result_.occupancy = std::move(samples_);
  aggregate(result_, {engine_.ttft_objective_s, engine_.time_per_token_objective_s}, state_.workload.tenants);
  return std::move(result_);
}

void Engine::fill_counters() {
  const Counters& c = state_.counters;
  std::array<Picoseconds, kActivities> times{};
  for (const auto& group : groups_) {
    for (size_t a = 0; a < kActivities; ++a) times[a] += group->activity_times()[a];
    result_.dma_busy_s += seconds(group->dma_busy());
    result_.slowed_by_copies_s += seconds(group->slowed_by_copies());
  }
  const auto mean = [&](Activity a) {
    return seconds(times[static_cast<size_t>(a)]) / static_cast<double>(groups_.size());
  };
  result_.node_time = {mean(Activity::kIdle), mean(Activity::kRouting), mean(Activity::kSwitching),
                       mean(Activity::kPrefill), mean(Activity::kDecode)};
  result_.groups = static_cast<int64_t>(groups_.size());
  result_.batches = c.batches;
  result_.switches = c.switches;
  result_.evictions = c.evictions;
  result_.prefetches = c.prefetches;
  result_.preemptions = c.preemptions;
  result_.iterations = c.iterations;
  result_.corrupt_copies = c.corrupt_copies;
  result_.restarts = c.restarts;
  result_.reused_prompt_tokens = c.reused_prompt_tokens;
  result_.prefetched_bytes = c.prefetched.value;
  result_.prefetch_wasted_bytes = c.prefetch_wasted.value;
  result_.scrubbed_bytes = c.scrubbed.value;
  result_.compacted_bytes = c.compacted.value;
  result_.sram_copied_bytes = c.to_sram.value;
  result_.kv_out_bytes = c.kv_out.value;
  result_.kv_in_bytes = c.kv_in.value;
  for (const auto& costs : costs_) {
    const ByteCounts bytes = costs->total_bytes();
    for (size_t w = 0; w < kWireCount; ++w) {
      for (size_t k = 0; k < kCauseCount; ++k) result_.pass_bytes[w][k] += bytes[w][k];
    }
  }
  for (const auto& memo : memos_) result_.shapes_priced += memo->priced();
  fill_energy();
}

void Engine::fill_energy() {
  ServingEnergy energy;
  EnergyRates rates;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto of_group = nodes_[g].execution->energy();
    if (!of_group) return;
    rates = *of_group;  // a byte costs the same in all groups
    const Picoseconds idle = groups_[g]->activity_times()[static_cast<size_t>(Activity::kIdle)];
    const double idle_s = std::min(seconds(idle), result_.makespan_s);
    energy.static_idle_j += rates.static_w * idle_s;
    energy.static_working_j += rates.static_w * (result_.makespan_s - idle_s);
  }
  const auto passes_j = [&](Activity a) {
    return static_cast<double>(state_.counters.pass_energy_nj[static_cast<size_t>(a)]) * 1e-9;
  };
  energy.routing_j = passes_j(Activity::kRouting);
  energy.prefill_j = passes_j(Activity::kPrefill);
  energy.decode_j = passes_j(Activity::kDecode);
  const double to_hbm = rates.store_j_per_byte + rates.hbm_j_per_byte;
  const double to_sram = rates.store_j_per_byte + rates.sram_j_per_byte;
  for (ExpertResult& e : result_.experts) {
    e.switch_energy_j = static_cast<double>(e.copied_bytes - e.sram_bytes) * to_hbm +
                        static_cast<double>(e.sram_bytes) * to_sram;
    energy.switching_j += e.switch_energy_j;
  }
  energy.kv_paging_j = static_cast<double>(result_.kv_out_bytes + result_.kv_in_bytes) * to_hbm;
  energy.scrubbing_j =
      static_cast<double>(result_.scrubbed_bytes + 2 * result_.compacted_bytes) * rates.hbm_j_per_byte;
  result_.energy = energy;
}

}  // namespace rdusim::runtime
