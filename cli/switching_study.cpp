// Ways of serving, their runs and the bound; see switching_study.h.
#include "cli/switching_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "base/check.h"
#include "runtime/serving/serve.h"
#include "runtime/workload/assign.h"
#include "runtime/workload/workload.h"

namespace rdusim::cli {
namespace {

using runtime::NodeResult;

// A way of serving that the study compares. The first is the one that gains are measured against.
struct Variant {
  const char* name;
  const char* scheduler;
  std::vector<std::string> mechanisms;
  const char* eviction = nullptr;  // in place of the point's
};

const std::vector<Variant>& variants() {
  static const std::vector<std::string> kTogether{"prefetch", "popularity", "layerwise"};
  static const std::vector<Variant> all = {
      {"alone", "sequential", {}},
      {"prefetch", "sequential", {"prefetch"}},
      {"popularity", "sequential", {"popularity"}},
      {"transition", "sequential", {"transition"}},
      {"layerwise", "sequential", {"layerwise"}},
      {"keep", "sequential", {"keep=0.03"}},  // the first layer of 32
      {"sram", "sequential", {"sram"}},
      {"preload", "sequential", {"preload"}},
      {"prefetch+popularity", "sequential", {"prefetch", "popularity"}},
      {"layerwise+keep", "sequential", {"layerwise", "keep=0.03"}},
      {"prefetch+popularity+layerwise", "sequential", kTogether},
      {"all", "sequential", {"prefetch", "popularity", "layerwise", "keep=0.03"}},
      {"lfu", "sequential", {}, "lfu"},
      {"prefetch+popularity+layerwise, lfu", "sequential", kTogether, "lfu"},
      {"continuous", "continuous", {}},
      {"collate", "collate", {}},
      {"lookahead", "lookahead", {}},
      {"lookahead+prefetch", "lookahead", {"prefetch"}},
      {"continuous+prefetch+popularity+layerwise, lfu", "continuous", kTogether, "lfu"},
      {"lookahead+prefetch+popularity+layerwise, lfu", "lookahead", kTogether, "lfu"},
  };
  return all;
}

// Iterating schedulers share KV memory between sequences: of the HBM beside the largest expert, so little
// that they hold as many experts as `sequential` does (32 sequences of the default 148 tokens are 0.5 %).
constexpr double kKvShare = 0.005;

struct Column {
  const char* name;
  double (*of)(const NodeResult&);
};
constexpr Column kColumns[] = {
    {"switching_p99_s", [](const NodeResult& r) { return r.switching.p99_s; }},
    {"ttft_mean_s", [](const NodeResult& r) { return r.time_to_first_token.mean_s; }},
    {"ttft_p99_s", [](const NodeResult& r) { return r.time_to_first_token.p99_s; }},
    {"latency_mean_s", [](const NodeResult& r) { return r.latency.mean_s; }},
    {"hit_rate", [](const NodeResult& r) { return r.expert_hit_rate; }},
    {"byte_hit_rate", [](const NodeResult& r) { return r.expert_byte_hit_rate; }},
    {"switches_per_request", [](const NodeResult& r) { return r.switches_per_request; }},
    {"prefetch_wasted_bytes",
     [](const NodeResult& r) { return static_cast<double>(r.prefetch_wasted_bytes); }},
    {"slowed_by_copies_s", [](const NodeResult& r) { return r.slowed_by_copies_s; }},
};

Result<NodeResult> serve_variant(const runtime::Composition& composition, const runtime::Workload& workload,
                                 const ServingNode& node, const StudyPoint& point, const Variant& variant) {
  runtime::ServeOptions options;
  options.engine = composition.serving;
  options.engine.kv_share = kKvShare;
  options.batch = point.batch;
  options.scheduler = variant.scheduler;
  options.eviction = variant.eviction == nullptr ? point.eviction : variant.eviction;
  for (const std::string& mechanism : variant.mechanisms)
    RDU_CHECK_OK(set_mechanism(options.engine, mechanism));
  RDU_ASSIGN(auto result, runtime::serve_groups(node.groups, composition, workload, options));
  if (result.status != runtime::NodeStatus::kServed)
    return Error{ErrorCode::kCapacity, point.node, result.reason, "study fewer experts, or another node"};
  return result;
}

double work_share(const NodeResult& r) {
  const auto& t = r.node_time;
  return (t.routing_s + t.prefill_s + t.decode_s) / r.makespan_s;
}

// Of requests, those after which none arrives for so long.
double share_followed_late(const runtime::Workload& workload, double gap_s) {
  const auto& requests = workload.requests;
  int64_t late = 1;  // the last
  for (size_t i = 1; i < requests.size(); ++i)
    late += seconds(requests[i].arrival - requests[i - 1].arrival) > gap_s ? 1 : 0;
  return static_cast<double>(late) / static_cast<double>(requests.size());
}

// What the mechanisms cannot go below with one stream of passes, as a mean over requests. Arrivals are
// Poisson and experts are drawn one by one, independently of them:
//
//   * A request finds the node idle with the probability that it is (arrivals see time averages); `busy` is
//   the
//     largest share of its time that any of the ways of serving works.
//   * No cache that does not know the draws misses less often than the one that holds the most popular
//   experts.
//   * Which expert a request needs is known when its router pass ends. If none arrives meanwhile whose router
//     pass would go first, nothing is left to run beside the copy but the request's own prefill, without its
//     last layer. First layers that are kept need no copy but take room from whole experts.
//
// Every other request may hide all of its switching. Laws whose draws depend on earlier ones have no such
// bound.
double switching_bound_s(const runtime::Workload& workload, const NodeResult& alone,
                         const runtime::ExecutionModel& execution, int64_t layers, double busy) {
  std::vector<double> asked(alone.experts.size(), 0);
  for (const auto& request : workload.requests) ++asked[request.expert->value];
  std::sort(asked.begin(), asked.end(), std::greater<>());
  const runtime::NodeMemory memory = execution.memory();
  const auto n = static_cast<double>(workload.requests.size());
  const auto bytes = static_cast<double>(alone.experts.front().segment_bytes());
  const double exposed = std::max(0.0, 1 - busy) * share_followed_late(workload, alone.split.routing_s);
  const double hidden_s = alone.split.prefill_s * (1 - 1 / static_cast<double>(layers));
  double least_s = std::numeric_limits<double>::infinity();
  for (int percent = 0; percent < 100; ++percent) {
    const double kept = percent / 100.0;
    const double room =
        static_cast<double>(alone.memory.cache_bytes) - kept * bytes * static_cast<double>(asked.size());
    if (room < (1 - kept) * bytes) break;
    const auto held = std::min(asked.size(), static_cast<size_t>(room / ((1 - kept) * bytes)));
    double missed = 0;
    for (size_t e = held; e < asked.size(); ++e) missed += asked[e] / n;
    const double copy_s = seconds(memory.switch_setup) + (1 - kept) * bytes / memory.switch_bandwidth.value;
    least_s = std::min(least_s, exposed * missed * std::max(0.0, copy_s - hidden_s));
  }
  return least_s;
}

void add_mean(runtime::LatencySplit& mean, const runtime::LatencySplit& one, double weight) {
  mean.queueing_s += weight * one.queueing_s;
  mean.routing_s += weight * one.routing_s;
  mean.switching_s += weight * one.switching_s;
  mean.prefill_s += weight * one.prefill_s;
  mean.decode_s += weight * one.decode_s;
  mean.earlier_s += weight * one.earlier_s;
}

double ratio(double whole, double part) {
  return part > 0 ? whole / part : 0;
}

}  // namespace

Spread spread_of(std::span<const double> values) {
  RDU_CHECK(!values.empty(), "a spread of nothing");
  Spread s{0, values[0], values[0]};
  for (const double v : values) {
    s.mean += v / static_cast<double>(values.size());
    s.least = std::min(s.least, v);
    s.most = std::max(s.most, v);
  }
  return s;
}

std::vector<std::string> study_columns() {
  std::vector<std::string> names;
  for (const Column& column : kColumns) names.emplace_back(column.name);
  return names;
}

Result<std::vector<runtime::Workload>> study_workloads(const runtime::Composition& composition,
                                                       const StudyRequests& requests,
                                                       const std::string& popularity) {
  std::vector<runtime::Workload> workloads;
  runtime::AssignmentOptions assignment;
  RDU_ASSIGN(assignment.popularity, runtime::parse_popularity(popularity));
  for (const uint64_t seed : requests.seeds) {
    const std::string source =
        fmt::format("synthetic:poisson,rate={},n={}", requests.rate_per_s, requests.count);
    RDU_ASSIGN(auto workload, runtime::load_workload(source, {composition.request, seed}));
    assignment.seed = seed;
    RDU_ASSIGN([[maybe_unused]] const auto summary,
               runtime::assign_experts(workload, composition, assignment));
    workloads.push_back(std::move(workload));
  }
  return workloads;
}

Result<std::vector<StudyRun>> run_study_point(const runtime::Composition& composition,
                                              std::span<const runtime::Workload> workloads,
                                              const ServingNode& node, const StudyPoint& point) {
  const double weight = 1 / static_cast<double>(workloads.size());
  const runtime::ExecutionModel& execution = *node.groups.front().execution;
  RDU_ASSIGN(const int64_t layers, node.groups.front().execution->layers(composition.experts.front().model));
  std::vector<StudyRun> runs(variants().size());
  std::vector<std::vector<double>> gains(runs.size());
  std::vector<double> bound_gains;
  double bound_s = 0;
  RDU_ASSIGN(const auto law, runtime::parse_popularity(point.popularity));
  const bool independent = law.kind != runtime::PopularityLaw::Kind::kRoundRobin && law.phase_requests == 0 &&
                           law.drift_requests == 0;
  for (const runtime::Workload& workload : workloads) {
    NodeResult alone;
    double busy = 0;
    for (size_t v = 0; v < runs.size(); ++v) {
      RDU_ASSIGN(NodeResult result, serve_variant(composition, workload, node, point, variants()[v]));
      result.records.clear();
      if (v == 0) alone = result;
      busy = std::max(busy, work_share(result));
      add_mean(runs[v].split, result.split, weight);
      gains[v].push_back(ratio(alone.split.switching_s, result.split.switching_s));
      runs[v].saturated |= result.saturated;
      runs[v].numbers.resize(std::size(kColumns));
      for (size_t c = 0; c < std::size(kColumns); ++c) runs[v].numbers[c] += weight * kColumns[c].of(result);
    }
    const double seed_bound_s = independent ? switching_bound_s(workload, alone, execution, layers, busy) : 0;
    bound_s += weight * seed_bound_s;
    bound_gains.push_back(ratio(alone.split.switching_s, seed_bound_s));
  }
  for (size_t v = 0; v < runs.size(); ++v) {
    runs[v].point = point;
    runs[v].variant = variants()[v].name;
    runs[v].gain = spread_of(gains[v]);
    runs[v].bound_s = bound_s;
    runs[v].bound_gain = spread_of(bound_gains);
  }
  return runs;
}

}  // namespace rdusim::cli
