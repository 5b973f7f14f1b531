// The event fidelity against the cycle fidelity on programs that the compiler placed and routed: random
// decoders on the sixteenth of the chip, prompts and decode steps, fused and not. Programs that nobody placed
// are in sim_cycle_property_test.cpp.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "base/arch/dram_fields.h"
#include "base/arch/load.h"
#include "base/random.h"
#include "sim/simulator.h"
#include "tests/support/decoder_case.h"

namespace rdusim {
namespace {

using testing::DecoderCase;
using testing::pick;

DecoderCase random_case(Random& random) {
  const bool decode = pick(random, 0, 1) == 0;
  DecoderCase c = testing::random_decoder(random, decode,
                                          {.width_unit = 128,
                                           .mlp_unit = 64,
                                           .mlp = {4, 60},
                                           .most_query = 300,
                                           .most_past = 1000,
                                           .socket_doublings = 0});
  c.options.fusion = pick(random, 0, 1) == 0 ? compiler::Fusion::kNone : compiler::Fusion::kLayer;
  return c;
}

TEST(FidelitiesSlow, EventIsNearCycleOnCompiledPrograms) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto loaded = load_node(context, "sn40l-sixteenth");
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  NodeSpec node = *loaded;
  node.sockets = 1;
  node.stacks[0].hardware_launch_s = 0;  // the same in both: it would hide what is compared
  sim::RunOptions options;
  options.devices.hbm = std::make_shared<const DramSpec>(*load_dram(context, "sn40l-sixteenth-hbm"));
  options.devices.ddr = std::make_shared<const DramSpec>(*load_dram(context, "sn40l-sixteenth-ddr"));
  Random random(37);
  constexpr int kTrials = 40;
  double sum = 0;
  double worst = 0;
  std::string worst_case;
  int compared = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const DecoderCase c = random_case(random);
    SCOPED_TRACE(c.text());
    const auto program = compiler::compile(compiler::testing::decoder_graph(c.decoder), node.chip, c.options);
    if (!program.ok()) continue;  // too large for a sixteenth
    options.fidelity = Fidelity::kEvent;
    const auto event = sim::run(*program, node, node.stacks[0], options);
    options.fidelity = Fidelity::kCycle;
    const auto cycle = sim::run(*program, node, node.stacks[0], options);
    ASSERT_TRUE(event.ok() && cycle.ok());
    ++compared;
    const double off = static_cast<double>(event->cycles) / static_cast<double>(cycle->cycles) - 1;
    sum += std::abs(off);
    if (std::abs(off) <= std::abs(worst)) continue;
    worst = off;
    worst_case = c.text();
  }
  std::printf("event against cycle, %d compiled programs: mean difference %.1f %%, worst %+.1f %%: %s\n",
              compared, 100 * sum / compared, 100 * worst, worst_case.c_str());
  EXPECT_GT(compared, kTrials / 2);
  // Measured: mean 1.3 %, worst 6.7 %.
  EXPECT_LT(sum / compared, 0.03);
  EXPECT_LT(std::abs(worst), 0.10);
}

}  // namespace
}  // namespace rdusim
