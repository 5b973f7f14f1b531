#include "compiler/pipeline/layer_spans.h"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

bool is_carried(const Value& value) {
  return value.role == SymbolRole::kKvCache || value.role == SymbolRole::kState;
}

// One launch: nodes [begin, end) that belong to one layer, or to none.
double launch_time(const Graph& graph, size_t begin, size_t end, const StageRates& rates) {
  double flops = 0;
  double bytes = 0;
  std::set<ValueId> carried;
  for (size_t n = begin; n < end; ++n) {
    const Node& node = graph.nodes[n];
    const OpCost cost = op_record(node.op).cost(graph, node);
    flops += static_cast<double>(cost.flops);
    bytes += static_cast<double>(cost.weight_bytes);
    for (const ValueId id : node.inputs) {
      const Value& value = graph.value(id);
      if (!is_carried(value) || !carried.insert(id).second) continue;
      bytes += static_cast<double>(value.shape.elements() * dtype_bytes(value.dtype));
    }
  }
  return std::max(flops / rates.flops_per_s, bytes / rates.hbm_bytes_per_s) + rates.launch_s;
}

double span_time(const Graph& graph, const LayerSpan& span, const StageRates& rates) {
  double time_s = 0;
  for (size_t begin = span.begin; begin < span.end;) {
    size_t end = begin + 1;
    while (end < span.end && graph.nodes[end].layer == graph.nodes[begin].layer) ++end;
    time_s += launch_time(graph, begin, end, rates);
    begin = end;
  }
  return time_s;
}

// Tables over (stages made, spans used) of a cut's cost, and where its last stage begins.
struct CutTable {
  size_t spans;
  std::vector<double> cost;
  std::vector<size_t> start;
  CutTable(size_t stages, size_t spans_in)
      : spans(spans_in),
        cost((stages + 1) * (spans_in + 1), std::numeric_limits<double>::infinity()),
        start((stages + 1) * (spans_in + 1), 0) {
    cost[0] = 0;
  }
  [[nodiscard]] size_t at(size_t stages, size_t used) const { return stages * (spans + 1) + used; }
};

class Balancer {
 public:
  Balancer(std::span<const SpanCost> costs, size_t stages) : costs_(costs), stages_(stages) {
    sums_.push_back(0);
    for (const SpanCost& cost : costs) sums_.push_back(sums_.back() + cost.work_s);
  }

  std::vector<size_t> run() {
    const CutTable least = fill([](double before, double stage) { return std::max(before, stage); },
                                std::numeric_limits<double>::infinity());
    // Sums of doubles: what is equal in the numbers may differ in the last places.
    const double bottleneck = least.cost[least.at(stages_, costs_.size())] * (1 + 1e-12);
    const CutTable even =
        fill([](double before, double stage) { return before + stage * stage; }, bottleneck);
    std::vector<size_t> starts(stages_);
    size_t used = costs_.size();
    for (size_t s = stages_; s-- > 0;) {
      starts[s] = even.start[even.at(s + 1, used)];
      used = starts[s];
    }
    return starts;
  }

 private:
  // Of spans [begin, end) as a stage, and of what arrives for it: the slower of the two, which overlap.
  [[nodiscard]] double stage(size_t begin, size_t end) const {
    const double work = sums_[end] - sums_[begin];
    return begin == 0 ? work : std::max(work, costs_[begin].arrival_s);
  }

  template <typename Combine>
  CutTable fill(Combine combine, double most) const {
    CutTable table(stages_, costs_.size());
    for (size_t s = 1; s <= stages_; ++s) {
      for (size_t end = s; end <= costs_.size(); ++end) {
        double& best = table.cost[table.at(s, end)];
        for (size_t begin = s - 1; begin < end; ++begin) {
          const double one = stage(begin, end);
          const double all = combine(table.cost[table.at(s - 1, begin)], one);
          if (one > most || all >= best) continue;
          best = all;
          table.start[table.at(s, end)] = begin;
        }
      }
    }
    return table;
  }

  std::span<const SpanCost> costs_;
  size_t stages_;
  std::vector<double> sums_;
};

}  // namespace

Result<std::vector<LayerSpan>> layer_spans(const Graph& graph) {
  if (graph.phase == "train") {
    return Error{ErrorCode::kUnsupported, "graph " + graph.name,
                 "a training step goes back through its layers: stages would have to keep what they computed",
                 "a training step runs without --pipeline"};
  }
  std::vector<LayerSpan> spans;
  std::set<int64_t> seen;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::optional<int64_t> layer = graph.nodes[n].layer;
    if (!layer || (!spans.empty() && spans.back().layer == *layer)) continue;
    if (!seen.insert(*layer).second) {
      return Error{ErrorCode::kUnsupported, "graph " + graph.name,
                   fmt::format("comes back to layer {}: its layers are no pipeline", *layer),
                   "a layer's operators stand together"};
    }
    if (!spans.empty()) spans.back().end = n;
    spans.push_back({spans.empty() ? 0 : n, graph.nodes.size(), *layer});
  }
  if (!spans.empty()) return spans;
  return Error{ErrorCode::kUnsupported, "graph " + graph.name, "has no layers to cut it between",
               "run it without --pipeline"};
}

std::vector<size_t> last_uses(const Graph& graph) {
  std::vector<size_t> last(graph.values.size(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs) last[id.value] = n;
  }
  return last;
}

std::vector<ValueId> live_across(const Graph& graph, const std::vector<size_t>& last_use, size_t border) {
  std::vector<ValueId> live;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const auto& producer = graph.values[v].producer;
    if (producer && producer->value < border && last_use[v] >= border) live.emplace_back(v);
  }
  return live;
}

int64_t bytes_of(const Graph& graph, const std::vector<ValueId>& values) {
  int64_t bytes = 0;
  for (const ValueId id : values)
    bytes += graph.value(id).shape.elements() * dtype_bytes(graph.value(id).dtype);
  return bytes;
}

std::vector<SpanCost> span_costs(const Graph& graph, std::span<const LayerSpan> spans,
                                 const StageRates& rates) {
  const std::vector<size_t> last_use = last_uses(graph);
  std::vector<SpanCost> costs;
  for (const LayerSpan& span : spans) {
    const int64_t bytes = bytes_of(graph, live_across(graph, last_use, span.begin));
    costs.push_back({span_time(graph, span, rates), static_cast<double>(bytes) / rates.link_bytes_per_s});
  }
  return costs;
}

std::vector<size_t> balanced_starts(std::span<const SpanCost> costs, size_t stages) {
  RDU_CHECK(stages >= 1 && stages <= costs.size(), "{} stages of {} spans", stages, costs.size());
  return Balancer(costs, stages).run();
}

}  // namespace rdusim::compiler
