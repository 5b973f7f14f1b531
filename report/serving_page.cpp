// The page of a serving result, and its timeline for Perfetto.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/charts.h"
#include "report/format.h"
#include "report/serving.h"

namespace rdusim::report {
namespace {

using runtime::LatencySplit;
using runtime::NodeResult;

constexpr size_t kGanttRows = 40;  // experts drawn, most asked first
constexpr size_t kTracedRequests = 500;

const std::vector<std::string>& part_names() {
  static const std::vector<std::string> names{"queueing", "routing", "switching", "prefill", "decode"};
  return names;
}

StackedBar bar_of(const std::string& label, const LatencySplit& split) {
  return {label,
          {split.queueing_s, split.routing_s, split.switching_s, split.prefill_s,
           split.decode_s + split.earlier_s}};  // of all steps
}

Picoseconds run_begin(const runtime::RequestRecord& record) {
  return record.arrival + record.queueing + record.routing + record.switching;
}

// Experts with requests, most asked first, at most kGanttRows: their row by id.
std::map<uint32_t, size_t> drawn_experts(const NodeResult& node) {
  std::vector<uint32_t> ids;
  for (size_t e = 0; e < node.experts.size(); ++e) {
    if (node.experts[e].requests > 0) ids.push_back(static_cast<uint32_t>(e));
  }
  std::stable_sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) {
    return node.experts[a].requests > node.experts[b].requests;
  });
  ids.resize(std::min(ids.size(), kGanttRows));
  std::map<uint32_t, size_t> rows;
  for (size_t r = 0; r < ids.size(); ++r) rows[ids[r]] = r;
  return rows;
}

Figure residency_figure(const NodeResult& node) {
  const auto rows = drawn_experts(node);
  std::vector<std::string> names(rows.size());
  for (const auto& [id, row] : rows) names[row] = node.experts[id].name;
  const Picoseconds origin = node.records.empty() ? Picoseconds() : node.records.front().arrival;
  const auto at = [origin](Picoseconds t) { return seconds(t - origin); };
  const double end_s = node.makespan_s;
  std::vector<GanttSpan> spans;
  for (const auto& stay : node.timeline) {
    const auto row = rows.find(stay.expert.value);
    if (row == rows.end()) continue;
    spans.push_back({row->second, 0, at(stay.load_begin), stay.evicted ? at(*stay.evicted) : end_s});
    spans.push_back({row->second, 1, at(stay.load_begin), at(stay.ready)});
  }
  for (const auto& record : node.invocations()) {
    const auto row = rows.find(record.expert.value);
    if (row == rows.end() || record.failed) continue;
    spans.push_back(
        {row->second, 2, at(run_begin(record)), at(run_begin(record) + record.prefill + record.decode)});
  }
  const auto asked =
      std::count_if(node.experts.begin(), node.experts.end(), [](const auto& e) { return e.requests > 0; });
  std::string sentence = fmt::format(
      "On {}, {} of {} experts were asked for; {} switches moved {} into HBM, {} pushed another expert out; "
      "{} of requests found theirs there.",
      node.node, asked, node.experts.size(), node.switches, format_bytes([&] {
        double total = 0;
        for (const auto& expert : node.experts)
          total += static_cast<double>(expert.switches) * static_cast<double>(expert.weight_bytes);
        return total;
      }()),
      node.evictions, format_percent(node.expert_hit_rate));
  if (static_cast<size_t>(asked) > kGanttRows)
    sentence += fmt::format(" The {} most asked are drawn.", kGanttRows);
  return {sentence, gantt("Experts in HBM on " + node.node, names,
                          {{"in HBM", 0}, {"being copied", 2}, {"running", 3}}, spans, format_time)};
}

Figure latency_figure(const NodeResults& nodes) {
  std::vector<DistributionSeries> series;
  std::string sentence = "Half of the requests end within";
  for (const auto& node : nodes) {
    if (node.finished == 0) continue;
    DistributionSeries one{node.node, {}};
    for (const auto& record : node.records) {
      if (!record.failed) one.values.push_back(seconds(record.end_to_end()));
    }
    sentence +=
        fmt::format("{} {} on {}", series.empty() ? "" : ",", format_time(node.latency.p50_s), node.node);
    series.push_back(std::move(one));
  }
  sentence += "; queueing is included.";
  return {sentence, distribution("Share of requests that end within a time", series, format_time)};
}

Figure split_figure(const NodeResults& nodes) {
  std::vector<StackedBar> bars;
  for (const auto& node : nodes) {
    if (node.finished > 0) bars.push_back(bar_of(node.node, time_per_request(node)));
  }
  return {switching_sentence(nodes),
          stacked_bars("Time of a node for one request", part_names(), bars, format_time)};
}

Figure waiting_figure(const NodeResults& nodes) {
  std::vector<StackedBar> bars;
  std::string sentence = "Waiting is";
  for (const auto& node : nodes) {
    if (node.finished == 0) continue;
    sentence += fmt::format(
        "{} {} of the latency on {}", bars.empty() ? "" : ",",
        format_percent(node.latency.mean_s > 0 ? node.split.queueing_s / node.latency.mean_s : 0), node.node);
    bars.push_back(bar_of(node.node, node.split));
  }
  return {sentence + ".", stacked_bars("Mean latency of a request", part_names(), bars, format_time)};
}

}  // namespace

Page serving_page(const std::string& composition, const NodeResults& nodes) {
  Page page;
  page.title = "Serving " + composition;
  page.summary = serving_sentence(nodes);
  PageSection time{"Where the time goes", {split_figure(nodes)}};
  if (nodes.size() > 1) {
    time.figures.push_back({fmt::format("How many times longer than {}: the node's whole time for a request, "
                                        "the expert's prefill and decode, one switch.",
                                        nodes.front().node),
                            table_html(serving_speedup_table(nodes))});
  }
  time.figures.push_back({"The same as numbers, per request.", table_html(serving_time_table(nodes))});
  page.sections.push_back(std::move(time));
  page.sections.push_back(
      {"What users wait for",
       {waiting_figure(nodes),
        latency_figure(nodes),
        {"Latency of a request, and what the node delivers.", table_html(serving_latency_table(nodes))}}});
  PageSection residency{"Which expert is in HBM when", {}};
  for (const auto& node : nodes) {
    if (node.finished > 0) residency.figures.push_back(residency_figure(node));
  }
  page.sections.push_back(std::move(residency));
  if (!nodes.empty() && nodes.front().finished > 0) {
    page.sections.push_back({"Experts",
                             {{"Requests, hits and switches of each expert on " + nodes.front().node + ".",
                               table_html(serving_expert_table(nodes.front()))}}});
  }
  return page;
}

std::vector<TraceSpan> serving_timeline(const NodeResults& nodes) {
  std::vector<TraceSpan> spans;
  for (const auto& node : nodes) {
    const auto add = [&](const std::string& track, const std::string& name, Picoseconds begin,
                         Picoseconds duration) {
      if (duration.value > 0) spans.push_back({node.node, track, name, begin.value, duration.value, {}});
    };
    for (const auto& record : node.invocations()) {
      if (record.failed) continue;
      const std::string request = fmt::format("request {}", record.request.value);
      const std::string& expert = node.experts[record.expert.value].name;
      const Picoseconds begin = run_begin(record);
      add("work", "switch to " + expert, begin - record.switching, record.switching);
      add("work", "prefill " + expert, begin, record.prefill);
      add("work", "decode " + expert, begin + record.prefill, record.decode);
      if (node.records.size() > kTracedRequests) continue;
      add(request, "waits", record.arrival, begin - record.switching - record.arrival);
      add(request, "switch to " + expert, begin - record.switching, record.switching);
      add(request, "prefill", begin, record.prefill);
      add(request, "decode", begin + record.prefill, record.decode);
    }
    for (const auto& stay : node.timeline) {
      const std::string track = "expert " + node.experts[stay.expert.value].name;
      add(track, "copied in", stay.load_begin, stay.ready - stay.load_begin);
      if (stay.evicted) add(track, "in HBM", stay.ready, *stay.evicted - stay.ready);
    }
  }
  return spans;
}

}  // namespace rdusim::report
