// Tables of what flows and energies a serving result has.
#include <fmt/format.h>

#include "report/format.h"
#include "report/serving.h"

namespace rdusim::report {
namespace {

std::string joules(double j) {
  return j >= 1 || j == 0 ? format_number(j) + " J" : format_number(j * 1e3) + " mJ";
}

}  // namespace

Table serving_flow_table(const runtime::NodeResult& node) {
  Table table{{"flow", "step", "runs", "failed", "stopped", "latency mean", "p95", "queueing", "switching",
               "prefill", "decode"},
              {}};
  for (const runtime::FlowResult& flow : node.flows) {
    if (flow.requests == 0) continue;
    table.add({flow.name, "(whole)", format_count(flow.requests), format_count(flow.failed), "–",
               format_time(flow.latency.mean_s), format_time(flow.latency.p95_s),
               format_time(flow.split.queueing_s), format_time(flow.split.switching_s),
               format_time(flow.split.prefill_s), format_time(flow.split.decode_s + flow.split.earlier_s)});
    for (const runtime::StepResult& step : flow.steps) {
      table.add({"", step.name, format_count(step.invocations), format_count(step.failed),
                 format_count(step.stopped), format_time(step.latency.mean_s),
                 format_time(step.latency.p95_s), format_time(step.split.queueing_s),
                 format_time(step.split.switching_s), format_time(step.split.prefill_s),
                 format_time(step.split.decode_s)});
    }
  }
  return table;
}

Table serving_energy_table(const NodeResults& nodes) {
  Table table{{"node", "in all", "a request", "mean power", "routing", "prefill", "decode", "switching",
               "KV paging", "scrubbing", "static, working", "static, idle"},
              {}};
  for (const auto& node : nodes) {
    if (!node.energy) continue;
    const runtime::ServingEnergy& e = *node.energy;
    const auto requests = static_cast<double>(node.finished);
    table.add({node.node, joules(e.total_j()), joules(requests > 0 ? e.total_j() / requests : 0),
               format_number(node.makespan_s > 0 ? e.total_j() / node.makespan_s : 0) + " W",
               joules(e.routing_j), joules(e.prefill_j), joules(e.decode_j), joules(e.switching_j),
               joules(e.kv_paging_j), joules(e.scrubbing_j), joules(e.static_working_j),
               joules(e.static_idle_j)});
  }
  return table;
}

}  // namespace rdusim::report
