// Is the lower bound of a piece one? Random decoders on chips of random shape: every run of a layer's
// operators is built as a section of its own, with small and large blocks of rows, and its launch followed
// token by token. Then no cut that is made of such pieces can cost less than the sum of their bounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "compiler/passes/fuse_cost.h"
#include "compiler/passes/launch_course.h"
#include "compiler/passes/piece_bounds.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;

int64_t pick(Random& random, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(random.below(static_cast<uint64_t>(most - least + 1)));
}

DecoderSpec random_spec(Random& random) {
  DecoderSpec spec;
  spec.layers = 1;
  spec.kv_heads = 2 * pick(random, 1, 2);
  spec.heads = spec.kv_heads * pick(random, 1, 2);
  spec.head_dim = 8 * pick(random, 1, 4);
  spec.width = 32 * pick(random, 1, 6);
  spec.mlp = 32 * pick(random, 1, 12);
  spec.batch = pick(random, 1, 3);
  const bool decode = pick(random, 0, 1) == 0;
  spec.query = decode ? 1 : pick(random, 2, 150);
  spec.past = decode || pick(random, 0, 2) == 0 ? pick(random, 1, 200) : 0;
  spec.window = spec.past > 0 && pick(random, 0, 2) == 0 ? pick(random, 2, 64) : 0;
  return spec;
}

ChipSpec random_chip(Random& random) {
  ChipSpec chip = rdusim::testing::small_chip();
  chip.hbm.bandwidth_bytes_per_s = 1e10 * static_cast<double>(pick(random, 1, 200));
  chip.pcu.count = pick(random, 24, 200);
  chip.pmu.count = pick(random, 60, 400);
  return chip;
}

// Cycles of a launch of the nodes as a section; none if it does not fit, or never ends.
std::optional<int64_t> built_cycles(Compilation& trial, const std::vector<NodeId>& nodes, int64_t row_factor,
                                    const std::vector<std::optional<size_t>>& last) {
  Group group;
  group.name = "piece";
  group.nodes = nodes;
  group.first_of_section = true;
  bind_externals(trial.graph, group, last);
  trial.groups.assign(1, group);
  trial.section_count = 1;
  trial.program = Program();
  trial.traffic.clear();
  EXPECT_TRUE(tile(trial).ok());
  trial.tiling.row_blocks[0] *= row_factor;
  EXPECT_TRUE(lower(trial).ok());
  if (!allocate(trial).ok()) return std::nullopt;
  const int64_t cycles = launch_cycles(trial.program.sections[0], *trial.traffic[0].launch, *trial.chip);
  return cycles >= kNeverEnds ? std::nullopt : std::optional(cycles);
}

TEST(PieceBounds, NoSectionOfTheseOperatorsIsSooner) {
  Random random(5);
  int64_t built = 0;
  for (int i = 0; i < 12; ++i) {
    const ChipSpec chip = random_chip(random);
    Compilation trial;
    trial.chip = &chip;
    trial.effort = Effort::kRoughPrice;
    trial.options.sockets = pick(random, 1, 2);
    trial.graph = decoder_graph(random_spec(random));
    ASSERT_TRUE(shard(trial).ok());
    const Graph& graph = trial.graph;
    const auto last = last_readers(graph);
    std::vector<NodeId> layer;
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      if (graph.nodes[n].layer) layer.emplace_back(n);
    }
    const PieceBounds bounds(graph, layer, last, chip, MoeLoad::kWorst);
    for (size_t begin = 0; begin < layer.size(); ++begin) {
      const auto end =
          begin + static_cast<size_t>(pick(random, 1, static_cast<int64_t>(layer.size() - begin)));
      const std::vector<NodeId> nodes(layer.begin() + static_cast<std::ptrdiff_t>(begin),
                                      layer.begin() + static_cast<std::ptrdiff_t>(end));
      for (const int64_t rows : {1, 4}) {
        const auto cycles = built_cycles(trial, nodes, rows, last);
        if (!cycles) continue;
        ++built;
        EXPECT_LE(bounds.cycles(begin, end), *cycles) << i << " " << begin << " " << end;
      }
    }
  }
  EXPECT_GT(built, 200);
}

// By hand: a product of 4 rows with 256 x 64 BF16 weights, its operand and its result across its borders.
TEST(PieceBounds, AProductIsItsBytesOrItsWork) {
  Graph header;
  header.phase = "decode";
  header.batch = 4;
  GraphBuilder b(header);
  b.set_activation_dtype(DType::kBf16);
  const auto product = [&](ValueId x, int64_t rows, int64_t cols, const std::string& name) {
    const ValueId w =
        b.add_source(name + ".w", {{rows, cols}}, DType::kBf16, SymbolRole::kWeight, name + ".w");
    auto y = b.add(OpKind::kLinear, name, {x, w});
    RDU_CHECK(y.ok(), "{}", y.error().to_string());
    return *y;
  };
  const ValueId x = b.add_source("x", {{4, 32}}, DType::kBf16, SymbolRole::kInput, "x");
  const ValueId first = product(x, 64, 32, "first");
  const ValueId second = product(first, 256, 64, "second");
  b.set_role(product(second, 32, 256, "third"), SymbolRole::kOutput);
  const Graph graph = std::move(b).take();

  ChipSpec chip = rdusim::testing::small_chip();
  const std::vector<NodeId> nodes = {NodeId(0), NodeId(1), NodeId(2)};
  const auto bound = [&] {
    return PieceBounds(graph, nodes, last_readers(graph), chip, MoeLoad::kWorst).cycles(1, 2);
  };
  const auto bytes = static_cast<double>(256 * 64 * 2 + 4 * 64 * 2 + 4 * 256 * 2);
  EXPECT_EQ(bound(), static_cast<int64_t>(bytes / (chip.hbm.achieved_bytes_per_s() / chip.clock_hz)));
  chip.pcu.count = 1;  // 32 lanes, 6 stages
  EXPECT_EQ(bound(), 4 * 256 * 64 / (32 * 6));
}

}  // namespace
}  // namespace rdusim::compiler
