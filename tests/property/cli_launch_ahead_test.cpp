// Launches of compiled decoders that prefetch: fast-forward against SystemC, closed form against event, and
// against launches that do not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "base/arch/load.h"
#include "base/random.h"
#include "models/model.h"
#include "sim/simulator.h"
#include "tests/support/decoder_case.h"
#include "tests/support/run_equality.h"
#include "tests/support/small_chip.h"

namespace rdusim {
namespace {

using testing::DecoderCase;
using testing::pick;

DecoderCase random_case(Random& random) {
  DecoderCase c;
  const bool decode = pick(random, 0, 2) > 0;
  c.decoder.layers = pick(random, 1, 4);
  c.decoder.kv_heads = int64_t{1} << pick(random, 0, 2);
  c.decoder.heads = std::max<int64_t>(4, c.decoder.kv_heads << pick(random, 0, 1));
  c.decoder.width = 16 * pick(random, 2, 12);
  c.decoder.mlp = pick(random, 8, 200);
  c.decoder.batch = pick(random, 1, 3);
  c.decoder.query = decode ? 1 : pick(random, 2, 200);
  c.decoder.past = decode ? pick(random, 1, 300) : 0;
  c.options.sockets = int64_t{1} << pick(random, 0, 2);
  c.options.fusion = pick(random, 0, 2) == 0 ? compiler::Fusion::kNone : compiler::Fusion::kLayer;
  c.options.loop = pick(random, 0, 2) == 0;
  c.options.prefetch = true;
  return c;
}

struct Pair {
  Program plain;  // launches do not prefetch, nor iterations
  Program ahead;
  NodeSpec node;
  std::string text;
};

std::vector<Pair> pairs(uint64_t seed, int count) {
  Random random(seed);
  std::vector<Pair> all;
  while (static_cast<int>(all.size()) < count) {
    const DecoderCase c = random_case(random);
    auto ahead =
        compiler::compile(compiler::testing::decoder_graph(c.decoder), testing::small_chip(), c.options);
    if (!ahead.ok()) continue;  // too large for the small chip
    Pair p{*ahead, *ahead, testing::small_node(c.options.sockets), c.text()};
    for (Launch& launch : p.plain.launches) launch.prefetch = false;
    p.node.stacks[0].hardware_launch_s = 1e-6 * static_cast<double>(pick(random, 2, 12));
    all.push_back(std::move(p));
  }
  return all;
}

Result<RunResult> timed(const Program& program, const NodeSpec& node, Fidelity fidelity,
                        bool fast_forward = true) {
  sim::RunOptions options;
  options.fidelity = fidelity;
  options.fast_forward = fast_forward;
  return sim::run(program, node, node.stacks[0], options);
}

TEST(LaunchAheadOfDecoders, FastForwardIsExact) {
  for (const Pair& p : pairs(61, 60)) {
    SCOPED_TRACE(p.text);
    auto fast = timed(p.ahead, p.node, Fidelity::kEvent);
    auto full = timed(p.ahead, p.node, Fidelity::kEvent, false);
    ASSERT_TRUE(fast.ok()) << fast.error().to_string();
    ASSERT_TRUE(full.ok()) << full.error().to_string();
    testing::expect_same_run(*full, *fast);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(LaunchAheadOfDecoders, TakesNoLongerAndMovesTheSame) {
  double gain = 0;
  double difference = 0;
  for (const Pair& p : pairs(62, 120)) {
    SCOPED_TRACE(p.text);
    auto plain = timed(p.plain, p.node, Fidelity::kEvent);
    auto ahead = timed(p.ahead, p.node, Fidelity::kEvent);
    auto closed = timed(p.ahead, p.node, Fidelity::kAnalytic);
    ASSERT_TRUE(plain.ok() && ahead.ok() && closed.ok());
    EXPECT_EQ(plain->bytes, ahead->bytes);
    EXPECT_EQ(plain->operand_bytes, ahead->operand_bytes);
    EXPECT_LE(static_cast<double>(ahead->cycles), 1.01 * static_cast<double>(plain->cycles));
    const auto cycles = static_cast<double>(ahead->cycles);
    gain += static_cast<double>(plain->cycles) / cycles;
    difference += std::abs(std::log(static_cast<double>(closed->cycles) / cycles));
    EXPECT_EQ(ahead->unit_cycles.total(),
              (p.node.chip.pcu.count + p.node.chip.pmu.count) * ahead->cycles * p.ahead.sockets);
  }
  std::printf("mean gain of running ahead %.3f; closed form against event: mean difference %.1f %%\n",
              gain / 120, 100 * (std::exp(difference / 120) - 1));
  // Measured: 1.0005. On the small chip stages take nearly all the time.
  EXPECT_GT(gain / 120, 1.0002);
  // As for single sections of such toys (cli_fidelities_test.cpp).
  EXPECT_LT(difference / 120, std::log(1.05));
}

// Where memory binds, a launch's head start is nearly all gained as far as there are slots.
TEST(LaunchAheadOfDecoders, ALayerOfARealModelGainsItsHeadStart) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  const NodeSpec node = *load_node(context, "sn40l-8");
  models::GraphRequest request;
  request.phase = models::Phase::kDecode;
  request.query_tokens = 1;
  request.past_tokens = 4096;
  const auto model = models::load_model(context.config_dir, "llama-3.2-1b");
  const auto graph = (*model)->build(request);
  compiler::CompileOptions options;
  options.sockets = node.sockets;
  const auto cycles = [&](bool prefetch, Fidelity fidelity) {
    options.prefetch = prefetch;
    const auto program = compiler::compile(*graph, node.chip, options);
    return static_cast<double>(timed(*program, node, fidelity)->cycles);
  };
  const double event = cycles(true, Fidelity::kEvent);
  std::printf("launches %.0f cycles, with head starts %.0f\n", cycles(false, Fidelity::kEvent), event);
  EXPECT_GT(cycles(false, Fidelity::kEvent) / event, 1.1);
  EXPECT_NEAR(cycles(true, Fidelity::kAnalytic) / event, 1, 0.03);
}

}  // namespace
}  // namespace rdusim
