// A graph cut into pipeline stages: each a graph of its own, which the passes compile for the sockets of its
// stage. Weights, constants, caches and states go to the stages that read them; inputs too (the host gives
// them to each). What is live across a border leaves the stage before it as an output and comes to the stage
// that reads it as an input of the same name; values that stages in between do not read pass through them
// (they are in the borders' lists, not in the stages' graphs).
//
//   whole:   ids ─ embed ─ layer 0 ─ layer 1 ─ layer 2 ─ layer 3 ─ norm ─ head ─► logits
//   stages:  ids ─ embed ─ layer 0 ─ layer 1 ─►x   x─► layer 2 ─ layer 3 ─ norm ─ head ─► logits
//
// Run one after the other the stages give the whole graph's outputs, to the bit: a value that crosses a
// border is stored in the type that it has anyway.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "compiler/graph/graph.h"
#include "compiler/pipeline/layer_spans.h"

namespace rdusim::compiler {

struct Stage {
  Graph graph;  // "<name>.stage0of2"
  int64_t first_layer = 0;
  int64_t last_layer = 0;
};
struct Border {
  std::vector<std::string> values;  // names of what crosses
  int64_t bytes = 0;                // of all of it
};
struct StagedGraph {
  std::vector<Stage> stages;
  std::vector<Border> borders;  // borders[i] is between stages i and i + 1
};

// `starts`: first span of each stage, the first of them 0. Fails with kUnsupported when two stages would use
// one cache or state.
Result<StagedGraph> cut_graph(const Graph& graph, std::span<const LayerSpan> spans,
                              std::span<const size_t> starts);

// The same graph without what stands behind the last layer; what is live there becomes an output. For chunks
// of a prompt of which nobody asks for logits.
Graph without_head(const Graph& graph);

}  // namespace rdusim::compiler
