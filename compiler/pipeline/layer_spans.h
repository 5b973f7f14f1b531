// Where a graph may be cut into pipeline stages, and what each part is estimated to take.
//
// Parts are layers (Node::layer): the first has what stands before it too (embedding), the last what stands
// after it (final norm, head). A border between two layers is crossed by every value that is made before it
// and read behind it, whatever it is; where much is live, the border is dear, and balancing avoids it.
//
// Costs are a roofline of the operators' own counts (OpRecord::cost): FLOPs over the peak or bytes of
// weights, caches and states over the HBM's rate, whichever is longer, and a launch a layer. So weights
// decide in decode, FLOPs in prefill. Left out: mapping, fusion borders, collectives. The times of a run come
// from the simulator; only the choice of cuts hangs on this.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

// Nodes [begin, end) of a graph.
struct LayerSpan {
  size_t begin = 0;
  size_t end = 0;
  int64_t layer = 0;
};

// All nodes, in order, a span a layer. Fails with kUnsupported when the graph has no layers, comes back to
// one, or is a training step, whose backward pass needs what the forward pass left in each layer.
Result<std::vector<LayerSpan>> layer_spans(const Graph& graph);

// Index of the last node that reads each value; 0 where none does.
std::vector<size_t> last_uses(const Graph& graph);
// Values made before node `border` and read at it or behind it, in the order of their ids.
std::vector<ValueId> live_across(const Graph& graph, const std::vector<size_t>& last_use, size_t border);
int64_t bytes_of(const Graph& graph, const std::vector<ValueId>& values);

// What a stage's sockets do together, and one of its links.
struct StageRates {
  double flops_per_s = 0;
  double hbm_bytes_per_s = 0;
  double link_bytes_per_s = 0;
  double launch_s = 0;
};
struct SpanCost {
  double work_s = 0;     // of its operators
  double arrival_s = 0;  // of the values that cross the border before it
  SpanCost& operator+=(const SpanCost& other) {
    work_s += other.work_s;
    arrival_s += other.arrival_s;
    return *this;
  }
};
std::vector<SpanCost> span_costs(const Graph& graph, std::span<const LayerSpan> spans,
                                 const StageRates& rates);

// First span of each of `stages` stages: the slowest stage or border is as fast as can be; of these cuts the
// most even one (least sum of squares). 1 <= stages <= costs.size(). Exact, in O(stages x spans^2).
std::vector<size_t> balanced_starts(std::span<const SpanCost> costs, size_t stages);

}  // namespace rdusim::compiler
