// tile: the sizes of tokens. An activation token is a block of rows of one sequence; a weight token is a
// block of weight rows.
//
// row_block: as many rows as a PCU has lanes, so that a block lies along the lanes and no tile of the
// systolic array is ragged; more rows make the pipeline's fill longer, fewer leave lanes idle. Prompts of
// 4096 and more take twice that: their fill is short beside the run, and more tiles a block divide more
// evenly over the PCUs. Measured on Llama-2-7B, Llama-3-8B and Llama-3-70B, 8 sockets, 128 to 4096 tokens,
// blocks of 16, 32 and 64: the rule takes the best of them or comes within 10 %. In decode all rows of the
// batch make one token.
//
// Weights of a section stay on chip for all its row blocks when they fit beside the activations; else they
// stream again for each block.
#include <algorithm>
#include <set>

#include "compiler/ops/op.h"
#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

constexpr int64_t kLongPrompt = 4096;
// 256 KiB: 256 cycles of the HBM stream, long enough that the request's latency hides behind a token in
// flight. A row times a vector is a dot product, which lies along the lanes of one PCU: a token must hold
// many rows, or PCUs beyond its rows can only share K on an array of which one row or column is used. 256 KiB
// are 32 rows of a matrix with 4096 columns. Measured on nine models' decode steps, 64 KiB to 2 MiB: shorter
// tokens lose up to a third of the rate (BLOOM), longer ones a percent for the last token's way.
constexpr int64_t kStreamTokenBytes = 256 << 10;
// One PMU (512 KiB) a token while filling a resident buffer.
constexpr int64_t kResidentTokenBytes = 512 << 10;
// Share of SRAM that resident weights may take; the rest holds activations, keys and values.
constexpr double kResidentShare = 0.85;

int64_t weight_bytes(const Graph& graph, const Group& group) {
  std::set<ValueId> gathered;
  for (const NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (op_record(node.op).gathers_weights) gathered.insert(node.inputs.begin(), node.inputs.end());
  }
  int64_t bytes = 0;
  for (const ValueId id : group.externals) {
    const Value& value = graph.value(id);
    if (value.role == SymbolRole::kWeight && !gathered.contains(id))
      bytes += value.shape.elements() * dtype_bytes(value.dtype);
  }
  return bytes;
}

}  // namespace

Status tile(Compilation& compilation) {
  const Graph& graph = compilation.graph;
  const ChipSpec& chip = *compilation.chip;
  Tiling& tiling = compilation.tiling;
  const int64_t rows_a_lane = graph.query_tokens >= kLongPrompt ? 2 : 1;
  tiling.row_block = std::min(chip.pcu.lanes * rows_a_lane, graph.query_tokens);
  tiling.stream_token_bytes = kStreamTokenBytes;
  tiling.resident_token_bytes = kResidentTokenBytes;
  const double budget = kResidentShare * static_cast<double>(chip.pmu.count * chip.pmu.capacity_bytes);
  tiling.weights_resident.assign(compilation.section_count, false);
  for (const Group& group : compilation.groups) {
    if (!group.first_of_section) continue;
    tiling.weights_resident[group.section] = static_cast<double>(weight_bytes(graph, group)) <= budget;
  }
  return {};
}

}  // namespace rdusim::compiler
