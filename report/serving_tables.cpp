// Terminal tables and the requests' CSV of a serving result.
#include <fmt/format.h>

#include <algorithm>

#include "report/format.h"
#include "report/serving.h"

namespace rdusim::report {
namespace {

using runtime::LatencySplit;
using runtime::NodeResult;
using runtime::NodeStatus;

bool served(const NodeResult& node) {
  return node.status == NodeStatus::kServed && node.finished > 0;
}

double working_time_s(const LatencySplit& split) {
  return split.routing_s + split.switching_s + split.prefill_s + split.decode_s;
}

// "13.5 ms (9 %)".
std::string with_share(double part_s, double whole_s) {
  return fmt::format("{} ({})", format_time(part_s), format_percent(whole_s > 0 ? part_s / whole_s : 0));
}

// Time of one switch: from those that happened, or absent.
double time_per_switch_s(const NodeResult& node) {
  return node.switches > 0 ? node.node_time.switching_s / static_cast<double>(node.switches) : 0;
}

std::string ratio(double other, double first) {
  return first > 0 && other > 0 ? format_ratio(other / first) : "–";
}

}  // namespace

LatencySplit time_per_request(const NodeResult& node) {
  if (node.finished == 0) return {};
  const auto finished = static_cast<double>(node.finished);
  const LatencySplit& all = node.node_time;
  return {0, all.routing_s / finished, all.switching_s / finished, all.prefill_s / finished,
          all.decode_s / finished};
}

Table serving_latency_table(const NodeResults& nodes) {
  Table table{{"node", "requests", "failed", "latency mean", "p50", "p95", "p99", "TTFT p50", "p95",
               "per token", "hit rate", "tokens/s"},
              {}};
  for (const auto& node : nodes) {
    if (!served(node)) {
      table.add({node.node, format_count(node.requests), format_count(node.requests), "out of memory", "–",
                 "–", "–", "–", "–", "–", "–", "–"});
      continue;
    }
    const auto& latency = node.latency;
    const auto& ttft = node.time_to_first_token;
    table.add({node.node, format_count(node.requests), format_count(node.failed), format_time(latency.mean_s),
               format_time(latency.p50_s), format_time(latency.p95_s), format_time(latency.p99_s),
               format_time(ttft.p50_s), format_time(ttft.p95_s),
               format_time(node.time_per_output_token.mean_s), format_percent(node.expert_hit_rate),
               format_number(node.output_tokens_per_s)});
  }
  return table;
}

Table serving_time_table(const NodeResults& nodes) {
  Table table{
      {"node", "per request", "routing", "switching", "prefill", "decode", "idle", "switches", "one switch"},
      {}};
  for (const auto& node : nodes) {
    if (!served(node)) {
      table.add({node.node, node.status == NodeStatus::kServed ? "none finished" : "out of memory"});
      continue;
    }
    const LatencySplit each = time_per_request(node);
    const double whole_s = working_time_s(each);
    table.add({node.node, format_time(whole_s), with_share(each.routing_s, whole_s),
               with_share(each.switching_s, whole_s), with_share(each.prefill_s, whole_s),
               with_share(each.decode_s, whole_s), format_time(node.node_time.queueing_s),
               format_count(node.switches), node.switches > 0 ? format_time(time_per_switch_s(node)) : "–"});
  }
  return table;
}

Table serving_speedup_table(const NodeResults& nodes) {
  Table table{{"slower than " + (nodes.empty() ? std::string() : nodes.front().node), "overall", "expert",
               "switching"},
              {}};
  if (nodes.empty() || !served(nodes.front())) return table;
  const LatencySplit first = time_per_request(nodes.front());
  for (size_t n = 1; n < nodes.size(); ++n) {
    if (!served(nodes[n])) {
      table.add({nodes[n].node, "out of memory", "–", "–"});
      continue;
    }
    const LatencySplit other = time_per_request(nodes[n]);
    table.add({nodes[n].node, ratio(working_time_s(other), working_time_s(first)),
               ratio(other.prefill_s + other.decode_s, first.prefill_s + first.decode_s),
               ratio(time_per_switch_s(nodes[n]), time_per_switch_s(nodes.front()))});
  }
  return table;
}

Table serving_expert_table(const NodeResult& node) {
  std::vector<const runtime::ExpertResult*> experts;
  for (const auto& expert : node.experts) {
    if (expert.requests > 0) experts.push_back(&expert);
  }
  std::stable_sort(experts.begin(), experts.end(),
                   [](const auto* a, const auto* b) { return a->requests > b->requests; });
  Table table{{"expert", "model", "weights", "program", "requests", "hits", "switches"}, {}};
  for (const auto* expert : experts) {
    table.add({expert->name, expert->model, format_bytes(static_cast<double>(expert->weight_bytes)),
               format_bytes(static_cast<double>(expert->program_bytes)), format_count(expert->requests),
               format_count(expert->hits), format_count(expert->switches)});
  }
  return table;
}

Table serving_records(const NodeResults& nodes) {
  Table table{{"node", "request", "expert", "failed", "hit", "prompt_tokens", "output_tokens", "arrival_s",
               "queueing_s", "routing_s", "switching_s", "prefill_s", "decode_s", "ttft_s", "end_to_end_s",
               "earlier_steps_s", "energy_j"},
              {}};
  const auto time = [](Picoseconds t) { return fmt::format("{}", seconds(t)); };
  for (const auto& node : nodes) {
    for (const auto& record : node.records) {
      table.add({node.node, fmt::to_string(record.request.value), node.experts[record.expert.value].name,
                 record.failed ? "1" : "0", record.hit ? "1" : "0", fmt::to_string(record.prompt_tokens),
                 fmt::to_string(record.output_tokens), time(record.arrival), time(record.queueing),
                 time(record.routing), time(record.switching), time(record.prefill), time(record.decode),
                 time(record.time_to_first_token()), time(record.end_to_end()), time(record.earlier),
                 node.energy ? fmt::format("{}", static_cast<double>(record.energy_nj) * 1e-9) : ""});
    }
  }
  return table;
}

std::string serving_sentence(const NodeResults& nodes) {
  if (nodes.empty()) return "No node was asked.";
  std::string text;
  for (const auto& node : nodes) {
    if (!text.empty()) text += ", ";
    if (!served(node)) {
      text += node.status == NodeStatus::kServed ? fmt::format("{} finishes no request", node.node)
                                                 : fmt::format("{} runs {}", node.node, node.reason);
      continue;
    }
    const bool first = text.empty();
    text += fmt::format("{} {}{}", node.node, first ? "spends " : "",
                        format_time(working_time_s(time_per_request(node))));
    if (first) text += " on a request";
  }
  return text + ".";
}

std::string switching_sentence(const NodeResults& nodes) {
  std::string text;
  for (const auto& node : nodes) {
    if (!served(node)) continue;
    const LatencySplit each = time_per_request(node);
    const double whole_s = working_time_s(each);
    text += fmt::format("{} {} {}on {}", text.empty() ? "Switching experts is" : ",",
                        format_percent(whole_s > 0 ? each.switching_s / whole_s : 0),
                        text.empty() ? "of the working time " : "", node.node);
  }
  return text.empty() ? "No request finished." : text + ".";
}

}  // namespace rdusim::report
