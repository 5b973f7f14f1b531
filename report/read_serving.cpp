#include "report/result_reader.h"
#include "report/result_view.h"

namespace rdusim::report {
namespace {

QuantilesView read_quantiles(ResultReader& reader, const DocumentNode& owner, const char* key) {
  const DocumentNode* node = owner.find(key);
  if (node == nullptr) return {};
  return {reader.number_or_zero(*node, "mean_s"), reader.number_or_zero(*node, "p50_s"),
          reader.number_or_zero(*node, "p95_s"), reader.number_or_zero(*node, "p99_s")};
}

SplitView read_split(ResultReader& reader, const DocumentNode& owner, const char* key) {
  const DocumentNode* node = owner.find(key);
  if (node == nullptr || node->kind == DocumentNode::Kind::kNull) return {};
  return {reader.number(*node, "queueing_s"), reader.number(*node, "routing_s"),
          reader.number(*node, "switching_s"), reader.number(*node, "prefill_s"),
          reader.number(*node, "decode_s") + reader.number(*node, "earlier_steps_s")};
}

void read_memory(ResultReader& reader, const DocumentNode& owner, NodeView& node) {
  const DocumentNode* memory = owner.find("memory");
  if (memory == nullptr) return;
  node.hbm_capacity_bytes = reader.number(*memory, "hbm_capacity_bytes");
  node.router_bytes = reader.number(*memory, "router_bytes");
  node.kv_bytes = reader.number(*memory, "kv_bytes");
  node.cache_bytes = reader.number(*memory, "cache_bytes");
  node.store_capacity_bytes = reader.number(*memory, "store_capacity_bytes");
  node.store_used_bytes = reader.number(*memory, "store_used_bytes");
}

void read_lists(ResultReader& reader, const DocumentNode& json, NodeView& node) {
  for (const DocumentNode& item : reader.items(json, "experts")) {
    node.experts.push_back({reader.text(item, "name"), reader.text(item, "model"),
                            reader.number(item, "weight_bytes"), reader.number(item, "program_bytes"),
                            reader.number(item, "requests"), reader.number(item, "hits"),
                            reader.number(item, "switches")});
  }
  for (const DocumentNode& item : reader.items(json, "records")) {
    const double arrival = reader.number(item, "arrival_s");
    const double begin = arrival + reader.number(item, "queueing_s") + reader.number(item, "routing_s") +
                         reader.number(item, "switching_s");
    node.records.push_back({reader.text(item, "expert"), reader.flag(item, "failed"), arrival, begin,
                            begin + reader.number(item, "prefill_s") +
                                reader.number(item, "earlier_steps_s") + reader.number(item, "decode_s")});
  }
  for (const DocumentNode& item : reader.items(json, "occupancy")) {
    node.occupancy.push_back(
        {reader.number(item, "at_s"), reader.number(item, "expert_bytes"), reader.number(item, "kv_bytes")});
  }
  const DocumentNode* residency = json.find("residency");
  if (residency == nullptr) return;
  for (const DocumentNode& item : reader.items(*residency, "stays")) {
    StayView stay{
        reader.text(item, "expert"), reader.number(item, "load_begin_s"), reader.number(item, "ready_s"), {}};
    const DocumentNode* evicted = item.find("evicted_s");
    if (evicted != nullptr && evicted->kind != DocumentNode::Kind::kNull)
      stay.evicted_s = reader.as_number(*evicted);
    node.stays.push_back(std::move(stay));
  }
  node.all_stays = reader.number(*residency, "count") <= static_cast<double>(node.stays.size());
}

FlowView read_flow(ResultReader& reader, const DocumentNode& json, const char* count) {
  FlowView flow;
  flow.name = reader.text(json, "name");
  flow.requests = reader.number(json, count);
  flow.split = read_split(reader, json, "split");
  flow.latency = read_quantiles(reader, json, "latency");
  for (const DocumentNode& step : reader.items(json, "steps"))
    flow.steps.push_back(read_flow(reader, step, "invocations"));
  return flow;
}

void read_energy(ResultReader& reader, const DocumentNode& json, NodeView& node) {
  const DocumentNode* energy = json.find("energy");
  if (energy == nullptr) return;
  node.mean_power_w = reader.number(*energy, "mean_w");
  for (const auto& [cause, joules] : reader.members(*energy, "by_cause_j"))
    node.energy_j.push_back({cause, reader.as_number(joules)});
}

NodeView read_node(ResultReader& reader, const std::string& name, const DocumentNode& json) {
  NodeView node;
  node.name = name;
  node.requests = reader.number(json, "requests");
  node.finished = reader.number(json, "finished");
  node.failed = reader.number(json, "failed");
  const std::string status = reader.text(json, "status");
  node.reason = reader.text_or_empty(json, "reason");
  node.served = status == "served" && node.finished > 0;
  read_memory(reader, json, node);
  if (!node.served) return node;
  node.latency = read_quantiles(reader, json, "latency");
  node.ttft = read_quantiles(reader, json, "ttft");
  node.time_per_output_token_s = read_quantiles(reader, json, "time_per_output_token").mean_s;
  node.split = read_split(reader, json, "split");
  node.node_time = read_split(reader, json, "node_time");
  node.makespan_s = reader.number(json, "makespan_s");
  node.output_tokens_per_s = reader.number(json, "output_tokens_per_s");
  node.hit_rate = reader.number(json, "expert_hit_rate");
  node.switches = reader.number(json, "switches");
  node.evictions = reader.number(json, "evictions");
  for (const auto& [pair, bytes] : reader.members(json, "bytes"))
    node.moved.push_back({pair, reader.as_number(bytes)});
  if (const DocumentNode* bytes = json.find("pass_bytes")) {
    for (const auto& [wire, causes] : reader.members(json, "pass_bytes")) {
      CausedBytes caused{wire, {}};
      for (const auto& [cause, amount] : reader.members(*bytes, wire))
        caused.causes.push_back({cause, reader.as_number(amount)});
      if (!caused.causes.empty()) node.pass_bytes.push_back(std::move(caused));
    }
  }
  read_lists(reader, json, node);
  for (const DocumentNode& flow : reader.items(json, "flows"))
    node.flows.push_back(read_flow(reader, flow, "requests"));
  read_energy(reader, json, node);
  node.all_records = node.finished + node.failed <= static_cast<double>(node.records.size());
  if (const DocumentNode* ranked = json.find("ranked")) {
    node.latency_values_s = reader.numbers(*ranked, "latency_s");
    node.ttft_values_s = reader.numbers(*ranked, "ttft_s");
    node.switching_values_s = reader.numbers(*ranked, "switching_s");
  }
  return node;
}

}  // namespace

SplitView NodeView::per_request() const {
  if (finished <= 0) return {};
  return {0, node_time.routing_s / finished, node_time.switching_s / finished, node_time.prefill_s / finished,
          node_time.decode_s / finished};
}

Result<ServingView> read_serving(const DocumentNode& root) {
  ResultReader reader;
  ServingView serving;
  serving.composition = reader.text(root, "composition");
  for (const auto& [name, node] : reader.members(root, "nodes"))
    serving.nodes.push_back(read_node(reader, name, node));
  RDU_CHECK_OK(reader.status());
  if (!serving.nodes.empty()) return serving;
  return Error{ErrorCode::kInvalidInput, root.where, "a serving result without nodes",
               "is it a result of rdusim?"};
}

}  // namespace rdusim::report
