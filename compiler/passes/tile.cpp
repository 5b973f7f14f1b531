// tile: the sizes of tokens. An activation token is a block of rows of one sequence; a weight token is a
// block of weight rows.
//
// row blocks: as many rows as a PCU has lanes, so that a block lies along the lanes and no tile of the
// systolic array is ragged; prompts of 4096 and more take twice that, since more tiles a block divide more
// evenly over the PCUs. From there the cost of a section decides (row_blocks.h): more rows make the fill
// longer, but what is held is read, and operands are brought over the mesh, for fewer blocks. A graph without
// attention starts with more rows (kBlocks). In decode all rows of the batch make one token.
//
// Values that are no prompt's rows are one token, except in sections in which every operator works row by
// row: there blocks of as many rows as a PCU has lanes let load, work and store overlap.
//
// Weights of a section stay on chip for all its row blocks when they fit beside the activations; else they
// stream again for each block.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "compiler/ops/op.h"
#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/row_blocks.h"

namespace rdusim::compiler {
namespace {

constexpr int64_t kLongPrompt = 4096;
// Without attention, blocks that a run has at least before they grow: a fill of some twenty stages is then
// below a third of it. Measured on FlashFFTConv, 512 to 64 blocks: the fewer, the faster, by 2.3 in all.
constexpr int64_t kBlocks = 64;
// assumed: beyond 256 rows reading weights takes less than a tenth of the PMUs' ports.
constexpr int64_t kMostRowsALane = 8;
// 256 KiB: 256 cycles of the HBM stream, long enough that the request's latency hides behind a token in
// flight. A row times a vector is a dot product, which lies along the lanes of one PCU: a token must hold
// many rows, or PCUs beyond its rows can only share K on an array of which one row or column is used. 256 KiB
// are 32 rows of a matrix with 4096 columns. Measured on nine models' decode steps, 64 KiB to 2 MiB: shorter
// tokens lose up to a third of the rate (BLOOM), longer ones a percent for the last token's way.
constexpr int64_t kStreamTokenBytes = 256 << 10;
// One PMU (512 KiB) a token while filling a resident buffer.
constexpr int64_t kResidentTokenBytes = 512 << 10;
// Attention goes by blocks of keys (attention_blocks.cpp) beyond this many positions, on so many rows of
// queries at once, with as many keys as make a token of weights of so many bytes. Measured on Llama-3 1.6B,
// Llama-3-8B and Llama-2-7B, 8 sockets, 16K to 128K tokens, blocks of 64 to 256 rows and of 2048 to 16384
// keys: these gain 1.3 to 1.7 on all of them; others gain more on one and lose on another.
constexpr int64_t kWholeScoreRows = 16384;
constexpr int64_t kQueryBlock = 128;
constexpr int64_t kWeightBlockBytes = 16 << 20;
// Share of SRAM that resident weights may take; the rest holds activations, keys and values.
constexpr double kResidentShare = 0.85;

bool has_attention(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.op == OpKind::kAttention || node.op == OpKind::kCrossAttention;
  });
}

int64_t row_block(const Graph& graph, int64_t lanes) {
  int64_t rows = graph.query_tokens >= kLongPrompt ? 2 * lanes : lanes;
  if (!has_attention(graph)) {
    const int64_t all = graph.batch * graph.query_tokens;
    while (rows < lanes * kMostRowsALane && all >= 2 * rows * kBlocks) rows *= 2;
  }
  return std::min(rows, graph.query_tokens);
}

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

// Every operator of the group works row by row, on rows that all its values have.
bool is_row_wise(const Graph& graph, const Group& group) {
  for (const NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (!op_record(node.op).row_wise) return false;
    const int64_t rows = graph.value(node.outputs[0]).shape.rows();
    for (const ValueId input : node.inputs) {
      const Value& x = graph.value(input);
      const bool constant = x.shape.rows() == 1 && !x.producer;
      if (x.shape.rows() != rows && !constant) return false;
    }
  }
  return true;
}

// The rule's row blocks, and larger ones where a section is done sooner with them.
Status choose_row_blocks(Compilation& compilation) {
  RowBlockSearch search(compilation);
  std::vector<int64_t> chosen = compilation.tiling.row_blocks;
  for (const Group& group : compilation.groups) {
    if (!group.first_of_section) continue;
    chosen[group.section] = group.row_block;
    if (group.row_block == 0) {
      RDU_ASSIGN(chosen[group.section], search.cheapest(group));
    }
  }
  compilation.tiling.row_blocks = std::move(chosen);
  return {};
}

}  // namespace

Status tile(Compilation& compilation) {
  const Graph& graph = compilation.graph;
  const ChipSpec& chip = *compilation.chip;
  Tiling& tiling = compilation.tiling;
  tiling.moe_load = compilation.options.moe_load;
  tiling.query_block = kQueryBlock;
  tiling.key_block = compilation.options.key_block;
  tiling.weight_block_bytes = kWeightBlockBytes;
  tiling.whole_score_rows = tiling.key_block > 0 ? tiling.key_block : kWholeScoreRows;
  tiling.stream_token_bytes = kStreamTokenBytes;
  tiling.resident_token_bytes = kResidentTokenBytes;
  const double budget = kResidentShare * static_cast<double>(chip.pmu.count * chip.pmu.capacity_bytes);
  tiling.weights_resident.assign(compilation.section_count, false);
  tiling.plain_blocks.assign(compilation.section_count, 0);
  tiling.row_blocks.assign(compilation.section_count, row_block(graph, chip.pcu.lanes));
  for (const Group& group : compilation.groups) {
    if (!group.first_of_section) continue;
    tiling.weights_resident[group.section] = static_cast<double>(weight_bytes(graph, group)) <= budget;
    if (is_row_wise(graph, group)) tiling.plain_blocks[group.section] = chip.pcu.lanes;
  }
  // Prices are asked for by the hundred, and a larger block moves them little.
  return compilation.effort == Effort::kProgram ? choose_row_blocks(compilation) : Status();
}

}  // namespace rdusim::compiler
