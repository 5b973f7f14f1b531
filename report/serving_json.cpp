// JSON of a serving result. Field names are the contract that users' scripts rely on.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "report/run_json.h"
#include "report/serving.h"

namespace rdusim::report {
namespace {

using runtime::NodeResult;
using runtime::NodeStatus;

Json distribution_json(const runtime::Distribution& d) {
  if (d.count == 0) {
    return {{"count", 0},       {"mean_s", nullptr}, {"p50_s", nullptr},  {"p90_s", nullptr},
            {"p95_s", nullptr}, {"p99_s", nullptr},  {"p999_s", nullptr}, {"max_s", nullptr}};
  }
  return {{"count", d.count}, {"mean_s", d.mean_s}, {"p50_s", d.p50_s},   {"p90_s", d.p90_s},
          {"p95_s", d.p95_s}, {"p99_s", d.p99_s},   {"p999_s", d.p999_s}, {"max_s", d.max_s}};
}

Json split_json(const runtime::LatencySplit& split) {
  return {{"queueing_s", split.queueing_s},     {"routing_s", split.routing_s},
          {"switching_s", split.switching_s},   {"prefill_s", split.prefill_s},
          {"earlier_steps_s", split.earlier_s}, {"decode_s", split.decode_s}};
}

Json memory_json(const runtime::MemoryUse& memory) {
  return {{"store_capacity_bytes", memory.store_capacity_bytes},
          {"store_used_bytes", memory.store_used_bytes},
          {"hbm_capacity_bytes", memory.hbm_capacity_bytes},
          {"router_bytes", memory.router_bytes},
          {"kv_bytes", memory.kv_bytes},
          {"cache_bytes", memory.cache_bytes},
          {"cache_peak_bytes", memory.cache_peak_bytes}};
}

Json record_json(const runtime::RequestRecord& record, const NodeResult& node) {
  Json json;
  json["request"] = record.request.value;
  json["expert"] = node.experts[record.expert.value].name;
  json["failed"] = record.failed;
  json["hit"] = record.hit;
  json["prompt_tokens"] = record.prompt_tokens;
  json["output_tokens"] = record.output_tokens;
  json["arrival_s"] = seconds(record.arrival);
  json["queueing_s"] = seconds(record.queueing);
  json["routing_s"] = seconds(record.routing);
  json["switching_s"] = seconds(record.switching);
  json["prefill_s"] = seconds(record.prefill);
  json["earlier_steps_s"] = seconds(record.earlier);
  json["decode_s"] = seconds(record.decode);
  json["end_to_end_s"] = seconds(record.end_to_end());
  if (node.energy) json["energy_j"] = static_cast<double>(record.energy_nj) * 1e-9;
  return json;
}

Json experts_json(const NodeResult& node) {
  Json experts = Json::array();
  for (const auto& expert : node.experts) {
    if (expert.requests == 0 && expert.switches == 0) continue;
    experts.push_back({{"name", expert.name},
                       {"model", expert.model},
                       {"weight_bytes", expert.weight_bytes},
                       {"program_bytes", expert.program_bytes},
                       {"requests", expert.requests},
                       {"hits", expert.hits},
                       {"switches", expert.switches},
                       {"copied_bytes", expert.copied_bytes},
                       {"ttft", distribution_json(expert.time_to_first_token)},
                       {"longest_wait_s", expert.longest_wait_s}});
    if (!node.energy) continue;
    experts.back()["pass_energy_j"] = static_cast<double>(expert.pass_energy_nj) * 1e-9;
    experts.back()["switch_energy_j"] = expert.switch_energy_j;
  }
  return experts;
}

// What the engine's mechanisms did.
Json engine_json(const NodeResult& node) {
  return {{"groups", node.groups},
          {"iterations", node.iterations},
          {"preemptions", node.preemptions},
          {"prefetches", node.prefetches},
          {"prefetched_bytes", node.prefetched_bytes},
          {"prefetch_wasted_bytes", node.prefetch_wasted_bytes},
          {"sram_copied_bytes", node.sram_copied_bytes},
          {"kv_peak_bytes", node.kv_peak_bytes},
          {"kv_out_bytes", node.kv_out_bytes},
          {"kv_in_bytes", node.kv_in_bytes},
          {"reused_prompt_tokens", node.reused_prompt_tokens},
          {"scrubbed_bytes", node.scrubbed_bytes},
          {"kv_scrubbed_bytes", node.kv_scrubbed_bytes},
          {"compacted_bytes", node.compacted_bytes},
          {"dma_busy_s", node.dma_busy_s},
          {"slowed_by_copies_s", node.slowed_by_copies_s},
          {"faults", node.faults},
          {"corrupt_copies", node.corrupt_copies},
          {"restarts", node.restarts}};
}

Json tenants_json(const NodeResult& node) {
  Json tenants = Json::array();
  for (const auto& tenant : node.tenants) {
    tenants.push_back({{"name", tenant.name},
                       {"requests", tenant.requests},
                       {"finished", tenant.finished},
                       {"within_objective", tenant.within_objective},
                       {"latency", distribution_json(tenant.latency)},
                       {"ttft", distribution_json(tenant.time_to_first_token)}});
  }
  return tenants;
}

Json occupancy_json(const NodeResult& node) {
  Json samples = Json::array();
  for (const auto& sample : node.occupancy) {
    samples.push_back(
        {{"at_s", seconds(sample.at)}, {"expert_bytes", sample.expert_bytes}, {"kv_bytes", sample.kv_bytes}});
  }
  return samples;
}

Json flows_json(const NodeResult& node) {
  Json flows = Json::array();
  for (const runtime::FlowResult& flow : node.flows) {
    if (flow.requests == 0) continue;
    Json steps = Json::array();
    for (const runtime::StepResult& step : flow.steps) {
      steps.push_back({{"name", step.name},
                       {"invocations", step.invocations},
                       {"finished", step.finished},
                       {"failed", step.failed},
                       {"stopped", step.stopped},
                       {"hits", step.hits},
                       {"split", split_json(step.split)},
                       {"latency", distribution_json(step.latency)}});
    }
    flows.push_back({{"name", flow.name},
                     {"requests", flow.requests},
                     {"finished", flow.finished},
                     {"failed", flow.failed},
                     {"split", split_json(flow.split)},
                     {"latency", distribution_json(flow.latency)},
                     {"ttft", distribution_json(flow.time_to_first_token)},
                     {"steps", std::move(steps)}});
  }
  return flows;
}

Json energy_json(const NodeResult& node) {
  const runtime::ServingEnergy& e = *node.energy;
  const double total_j = e.total_j();
  return {{"total_j", total_j},
          {"per_request_j", node.finished > 0 ? total_j / static_cast<double>(node.finished) : 0},
          {"mean_w", node.makespan_s > 0 ? total_j / node.makespan_s : 0},
          {"by_cause_j",
           {{"routing", e.routing_j},
            {"prefill", e.prefill_j},
            {"decode", e.decode_j},
            {"switching", e.switching_j},
            {"kv_paging", e.kv_paging_j},
            {"scrubbing", e.scrubbing_j},
            {"static_working", e.static_working_j},
            {"static_idle", e.static_idle_j}}}};
}

// [load_begin, ready) it is copied, [ready, evicted) it can run; the first kJsonStays by load_begin.
Json residency_json(const NodeResult& node) {
  Json stays = Json::array();
  for (size_t i = 0; i < node.timeline.size() && i < kJsonStays; ++i) {
    const auto& stay = node.timeline[i];
    stays.push_back({{"expert", node.experts[stay.expert.value].name},
                     {"load_begin_s", seconds(stay.load_begin)},
                     {"ready_s", seconds(stay.ready)},
                     {"evicted_s", stay.evicted ? Json(seconds(*stay.evicted)) : Json(nullptr)}});
  }
  return {{"count", node.timeline.size()}, {"stays", std::move(stays)}};
}

// At most kJsonRanked of the values, evenly ranked, the largest among them: enough to draw their
// distribution.
Json ranked_json(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t points = std::min(values.size(), kJsonRanked);
  Json ranked = Json::array();
  for (size_t i = 1; i <= points; ++i) ranked.push_back(values[i * values.size() / points - 1]);
  return ranked;
}

Json ranked_values_json(const NodeResult& node) {
  std::vector<double> latency;
  std::vector<double> ttft;
  std::vector<double> switching;
  for (const auto& record : node.records) {
    if (record.failed) continue;
    latency.push_back(seconds(record.end_to_end()));
    ttft.push_back(seconds(record.time_to_first_token()));
    if (record.switching.value > 0) switching.push_back(seconds(record.switching));
  }
  return {{"latency_s", ranked_json(std::move(latency))},
          {"ttft_s", ranked_json(std::move(ttft))},
          {"switching_s", ranked_json(std::move(switching))}};
}

Json node_json(const NodeResult& node) {
  const bool served = node.status == NodeStatus::kServed;
  Json json;
  json["status"] = served ? "served" : "out_of_memory";
  if (!served) json["reason"] = node.reason;
  json["requests"] = node.requests;
  json["finished"] = served ? node.finished : 0;
  json["failed"] = served ? node.failed : node.requests;
  json["latency"] = distribution_json(node.latency);
  json["ttft"] = distribution_json(node.time_to_first_token);
  json["time_per_output_token"] = distribution_json(node.time_per_output_token);
  json["queueing"] = distribution_json(node.queueing);
  json["switching"] = distribution_json(node.switching);
  json["split"] = served ? split_json(node.split) : Json(nullptr);
  json["node_time"] = served ? split_json(node.node_time) : Json(nullptr);
  json["makespan_s"] = served ? Json(node.makespan_s) : Json(nullptr);
  json["output_tokens_per_s"] = served ? Json(node.output_tokens_per_s) : Json(nullptr);
  json["requests_per_s"] = served ? Json(node.requests_per_s) : Json(nullptr);
  json["expert_hit_rate"] = served ? Json(node.expert_hit_rate) : Json(nullptr);
  json["expert_byte_hit_rate"] = served ? Json(node.expert_byte_hit_rate) : Json(nullptr);
  json["switches_per_request"] = served ? Json(node.switches_per_request) : Json(nullptr);
  json["goodput_per_s"] = served ? Json(node.goodput_per_s) : Json(nullptr);
  json["within_objective"] = served ? Json(node.within_objective) : Json(nullptr);
  json["saturated"] = served ? Json(node.saturated) : Json(nullptr);
  json["engine"] = engine_json(node);
  json["tenants"] = tenants_json(node);
  json["occupancy"] = occupancy_json(node);
  json["batches"] = node.batches;
  json["switches"] = node.switches;
  json["evictions"] = node.evictions;
  json["bytes"] = Json::object();
  for (const auto& moved : node.bytes) json["bytes"][moved.from + "_to_" + moved.to] = moved.bytes;
  json["pass_bytes"] = byte_counts_json(node.pass_bytes);
  json["memory"] = memory_json(node.memory);
  json["experts"] = experts_json(node);
  json["ranked"] = ranked_values_json(node);
  json["residency"] = residency_json(node);
  json["failures"] = Json::array();
  for (const auto& failure : node.failures) {
    json["failures"].push_back({{"request", failure.request.value}, {"reason", failure.reason}});
  }
  json["flows"] = flows_json(node);
  if (node.energy) json["energy"] = energy_json(node);
  json["records"] = Json::array();
  for (size_t i = 0; i < node.records.size() && i < kJsonRecords; ++i) {
    json["records"].push_back(record_json(node.records[i], node));
  }
  return json;
}

}  // namespace

Json serving_json(const NodeResults& nodes) {
  Json json;
  json["nodes"] = Json::object();
  for (const auto& node : nodes) json["nodes"][node.node] = node_json(node);
  return json;
}

}  // namespace rdusim::report
