#include "report/serving_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "report/charts.h"
#include "report/format.h"
#include "report/lines.h"
#include "report/sankey.h"

namespace rdusim::report {
namespace {

constexpr size_t kGanttRows = 40;  // experts drawn, most asked first

// Rows of the experts that are drawn, most asked first.
std::map<std::string, size_t> drawn_experts(const NodeView& node) {
  std::vector<const ExpertView*> experts;
  for (const auto& expert : node.experts) {
    if (expert.requests > 0) experts.push_back(&expert);
  }
  std::stable_sort(experts.begin(), experts.end(),
                   [](const auto* a, const auto* b) { return a->requests > b->requests; });
  experts.resize(std::min(experts.size(), kGanttRows));
  std::map<std::string, size_t> rows;
  for (const auto* expert : experts) rows.try_emplace(expert->name, rows.size());
  return rows;
}

// [begin, end) that every listed stay and request covers.
struct Window {
  double begin = 0;
  double end = 0;
  bool whole = true;
};

Window window_of(const NodeView& node) {
  Window window;
  window.begin = node.records.empty() ? 0 : node.records.front().arrival_s;
  window.end = window.begin + node.makespan_s;
  // A stay that is not listed begins after the last that is.
  if (!node.all_stays && !node.stays.empty())
    window.end = std::min(window.end, node.stays.back().load_begin_s);
  if (!node.all_records && !node.records.empty())
    window.end = std::min(window.end, node.records.back().begin_s);
  window.whole = node.all_stays && node.all_records;
  window.end = std::max(window.end, window.begin);
  return window;
}

std::string window_text(const Window& window, const NodeView& node) {
  if (window.whole) return "";
  return fmt::format(" Drawn: the first {} of {}, which the result lists in full.",
                     format_time(window.end - window.begin), format_time(node.makespan_s));
}

// Experts in HBM at each change, from the stays.
std::vector<AreaSample> samples_of_stays(const NodeView& node, const Window& window) {
  std::map<std::string, double> bytes_of;
  for (const auto& expert : node.experts) bytes_of[expert.name] = expert.weight_bytes + expert.program_bytes;
  std::vector<std::pair<double, double>> changes;  // at, bytes more
  for (const auto& stay : node.stays) {
    const auto size = bytes_of.find(stay.expert);
    if (size == bytes_of.end() || stay.load_begin_s > window.end) continue;
    changes.emplace_back(std::max(0.0, stay.load_begin_s - window.begin), size->second);
    if (stay.evicted_s && *stay.evicted_s <= window.end)
      changes.emplace_back(std::max(0.0, *stay.evicted_s - window.begin), -size->second);
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<AreaSample> samples{{0, {node.router_bytes, 0}}};
  double bytes = 0;
  for (const auto& [at, more] : changes) {
    bytes = std::max(0.0, bytes + more);
    if (samples.back().at == at)
      samples.back().parts[1] = bytes;
    else
      samples.push_back({at, {node.router_bytes, bytes}});
  }
  return samples;
}

double peak(const std::vector<AreaSample>& samples) {
  double most = 0;
  for (const auto& sample : samples) {
    double sum = 0;
    for (const double part : sample.parts) sum += part;
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

Figure residency_figure(const NodeView& node) {
  const auto rows = drawn_experts(node);
  std::vector<std::string> names(rows.size());
  for (const auto& [name, row] : rows) names[row] = name;
  const Window window = window_of(node);
  std::vector<GanttSpan> spans;
  double copied = 0;
  for (const auto& moved : node.moved) {
    if (moved.name == "store_to_hbm") copied = moved.amount;
  }
  const auto add = [&](size_t row, size_t kind, double begin, double end) {
    const double from = std::clamp(begin, window.begin, window.end) - window.begin;
    const double to = std::clamp(end, window.begin, window.end) - window.begin;
    if (to > from) spans.push_back({row, kind, from, to});
  };
  for (const auto& stay : node.stays) {
    const auto row = rows.find(stay.expert);
    if (row == rows.end()) continue;
    add(row->second, 0, stay.load_begin_s, stay.evicted_s.value_or(window.end));
    add(row->second, 1, stay.load_begin_s, stay.ready_s);
  }
  for (const auto& record : node.records) {
    const auto row = rows.find(record.expert);
    if (row != rows.end() && !record.failed) add(row->second, 2, record.begin_s, record.end_s);
  }
  std::string sentence = fmt::format(
      "On {}, {} experts were asked for; {} switches moved {} into HBM, {} pushed another expert out; {} of "
      "requests "
      "found theirs there.",
      node.name, node.experts.size(), format_amount(node.switches), format_bytes(copied),
      format_amount(node.evictions), format_percent(node.hit_rate));
  if (node.experts.size() > rows.size())
    sentence += fmt::format(" The {} most asked are drawn.", rows.size());
  return {sentence + window_text(window, node),
          gantt("Experts in HBM on " + node.name, names, {{"in HBM", 6}, {"being copied", 2}, {"running", 3}},
                spans, format_time)};
}

Figure occupancy_figure(const NodeView& node) {
  const Window window = window_of(node);
  std::vector<std::string> names;
  std::vector<AreaSample> samples;
  double end = window.end - window.begin;
  if (node.occupancy.empty()) {
    names = {"router", "experts"};
    samples = samples_of_stays(node, window);
  } else {
    names = {"router", "experts", "KV caches"};
    for (const auto& sample : node.occupancy)
      samples.push_back({std::max(0.0, sample.at_s - window.begin),
                         {node.router_bytes, sample.expert_bytes, sample.kv_bytes}});
    end = std::max(end, samples.back().at);
  }
  const double most = peak(samples);
  const std::string sentence =
      fmt::format("HBM of {} holds {} at most, {} of its {}{}.{}", node.name, format_bytes(most),
                  format_percent(node.hbm_capacity_bytes > 0 ? most / node.hbm_capacity_bytes : 0),
                  format_bytes(node.hbm_capacity_bytes),
                  node.occupancy.empty()
                      ? fmt::format("; besides, {} are kept for KV caches", format_bytes(node.kv_bytes))
                      : "",
                  node.occupancy.empty() ? window_text(window, node) : "");
  return {sentence, stacked_area("HBM of " + node.name + " over time", names, samples, end,
                                 node.hbm_capacity_bytes, "capacity", format_time, format_bytes)};
}

Figure traffic_figure(const NodeView& node) {
  // Columns: where experts are kept, what passes read from, where it goes.
  std::vector<SankeyPlace> places = {{"store (DDR or host)", 0, 2},
                                     {"other sockets", 1, 5},
                                     {"HBM", 1, 3},
                                     {"chip", 2, 4},
                                     {"sockets", 2, 5}};
  const std::map<std::string, size_t> from = {{"store", 0}, {"ddr", 0}, {"socket", 1}, {"hbm", 2}};
  const std::map<std::string, size_t> to = {{"hbm", 2}, {"chip", 3}, {"socket", 4}};
  std::vector<SankeyFlow> flows;
  double most = 0;
  double all = 0;
  std::string most_pair;
  for (const auto& moved : node.moved) {
    const size_t cut = moved.name.find("_to_");
    if (cut == std::string::npos || moved.amount <= 0) continue;
    const auto source = from.find(moved.name.substr(0, cut));
    const auto target = to.find(moved.name.substr(cut + 4));
    if (source == from.end() || target == to.end() ||
        places[source->second].column >= places[target->second].column)
      continue;
    flows.push_back({source->second, target->second, moved.amount});
    all += moved.amount;
    if (moved.amount <= most) continue;
    most = moved.amount;
    most_pair = places[source->second].name + " to " + places[target->second].name;
  }
  const std::string sentence = all > 0
                                   ? fmt::format("On {}, {} went from {}: {} of all that moved.", node.name,
                                                 format_bytes(most), most_pair, format_percent(most / all))
                                   : fmt::format("Nothing moved on {}.", node.name);
  return {sentence, sankey("Bytes that moved on " + node.name, places, flows, format_bytes)};
}

Figure tier_figure(const NodeView& node) {
  const SplitView& all = node.node_time;
  const double passes_s = all.routing_s + all.prefill_s + all.decode_s;
  Table table{{"memory", "cause", "bytes of a request", "mean rate", "time of a request that passes use it"},
              {}};
  std::string first;
  for (const auto& moved : node.moved) {
    if (moved.name != "store_to_hbm" || moved.amount <= 0) continue;
    table.add(
        {"store to HBM", "switching experts", format_bytes(moved.amount / node.finished),
         all.switching_s > 0 ? format_bandwidth(moved.amount / all.switching_s) + " of waiting" : "hidden",
         format_time(all.switching_s / node.finished) + " (waited for)"});
    first =
        fmt::format("A request of {} costs {} of copies from the store ({} of waiting)", node.name,
                    format_bytes(moved.amount / node.finished), format_time(all.switching_s / node.finished));
  }
  double hbm = 0;
  for (const auto& wire : node.pass_bytes) {
    if (wire.wire == "hbm") hbm = wire.total();
    for (const auto& cause : wire.causes) {
      table.add({wire.wire, cause.name, format_bytes(cause.amount / node.finished),
                 passes_s > 0 ? format_bandwidth(cause.amount / passes_s) : "–",
                 format_time(passes_s / node.finished)});
    }
  }
  if (first.empty()) first = fmt::format("A request of {} waits for no copy from the store", node.name);
  return table_figure(fmt::format("{} and reads {} from HBM in {} of passes.", first,
                                  format_bytes(hbm / node.finished), format_time(passes_s / node.finished)),
                      table, "memory.csv");
}

Figure flow_figure(const NodeView& node) {
  std::vector<StackedBar> bars;
  const FlowView* slowest = nullptr;
  const auto add = [&](const std::string& label, const SplitView& split) {
    bars.push_back(
        {label, {split.queueing_s, split.routing_s, split.switching_s, split.prefill_s, split.decode_s}});
  };
  for (const auto& flow : node.flows) {
    add(flow.name, flow.split);
    if (slowest == nullptr || flow.latency.mean_s > slowest->latency.mean_s) slowest = &flow;
    for (const auto& step : flow.steps) add(flow.name + ": " + step.name, step.split);
  }
  return {fmt::format("Flows on {}: the slowest, {}, takes {} in the mean and {} at the 95th percentile, "
                      "over {} requests. "
                      "Decode of a whole flow holds its earlier steps.",
                      node.name, slowest->name, format_time(slowest->latency.mean_s),
                      format_time(slowest->latency.p95_s), format_amount(slowest->requests)),
          stacked_bars("Mean latency of flows and their steps on " + node.name,
                       {"queueing", "routing", "switching", "prefill", "decode"}, bars, format_time)};
}

Figure energy_figure(const NodeView& node) {
  std::vector<PlainBar> bars;
  double total = 0;
  for (const auto& part : node.energy_j) total += part.amount;
  const auto most = std::max_element(node.energy_j.begin(), node.energy_j.end(),
                                     [](const auto& a, const auto& b) { return a.amount < b.amount; });
  const auto joules = [](double j) { return format_number(j) + " J"; };
  for (const auto& part : node.energy_j) {
    if (part.amount > 0)
      bars.push_back({part.name, part.amount, 4, format_percent(total > 0 ? part.amount / total : 0)});
  }
  return {fmt::format("{} spends {} ({} a request, {} W in the mean); {} is {} of it.", node.name,
                      joules(total), joules(total / node.finished), format_number(node.mean_power_w),
                      most->name, format_percent(total > 0 ? most->amount / total : 0)),
          plain_bars("Energy of " + node.name + " by cause", bars, joules)};
}

}  // namespace rdusim::report
