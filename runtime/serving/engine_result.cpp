// What the engine says when it is done: records by request, counters, memory, energy. See engine.h.
#include <algorithm>

#include "runtime/serving/engine.h"
#include "runtime/serving/metrics.h"

namespace rdusim::runtime {

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
  result_.kv_scrubbed_bytes = c.kv_scrubbed.value;
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
      static_cast<double>(result_.scrubbed_bytes + result_.kv_scrubbed_bytes + 2 * result_.compacted_bytes) *
      rates.hbm_j_per_byte;
  result_.energy = energy;
}

}  // namespace rdusim::runtime
