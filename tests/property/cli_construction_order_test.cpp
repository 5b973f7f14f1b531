// Compiled programs with units, channels, routes, tiles and AGCU ports listed in another order: every
// fidelity says the same, to the cycle and to every counter. Programs that nobody compiled are in
// sim_cycle_property_test.cpp and sim_chips_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/arch/chip_fields.h"
#include "base/arch/dram_fields.h"
#include "base/arch/load.h"
#include "base/io/document.h"
#include "base/random.h"
#include "sim/simulator.h"
#include "tests/support/decoder_case.h"
#include "tests/support/run_equality.h"
#include "tests/support/shuffled_program.h"

namespace rdusim {
namespace {

using testing::by_name;
using testing::DecoderCase;
using testing::pick;

DecoderCase random_case(Random& random) {
  const bool decode = pick(random, 0, 1) == 0;
  DecoderCase c = testing::random_decoder(
      random, decode, {.width_unit = 64, .width = {2, 8}, .mlp_unit = 64, .mlp = {2, 12}, .most_query = 64});
  c.options.fusion = pick(random, 0, 2) == 0 ? compiler::Fusion::kNone : compiler::Fusion::kLayer;
  c.options.loop = c.options.prefetch = pick(random, 0, 2) == 0;
  c.decoder.layers = c.options.loop ? 3 : 1;
  c.decoder.heads = std::max(c.decoder.heads, c.options.sockets);
  return c;
}

struct Machine {
  NodeSpec node;
  sim::RunOptions options;
};

// Every chip file in a node of eight, with its memory devices.
std::vector<Machine> every_machine() {
  const std::string configs = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  ConfigContext context;
  context.config_dir = configs;
  std::vector<std::string> chips;
  for (const auto& entry : std::filesystem::directory_iterator(configs + "/chips"))
    chips.push_back(entry.path().string());
  std::sort(chips.begin(), chips.end());
  std::vector<Machine> machines;
  for (const std::string& path : chips) {
    Machine m;
    m.node = *load_node(context, "sn40l-8");
    m.node.chip = *chip_fields().parse(*read_document(path));
    m.options.devices.hbm = std::make_shared<const DramSpec>(*load_dram(context, m.node.chip.name + "-hbm"));
    m.options.devices.ddr = std::make_shared<const DramSpec>(*load_dram(context, m.node.chip.name + "-ddr"));
    machines.push_back(std::move(m));
  }
  return machines;
}

void expect_same_in_every_fidelity(const Program& a, const Program& b, Machine& m) {
  for (const Fidelity fidelity : {Fidelity::kAnalytic, Fidelity::kEvent, Fidelity::kCycle}) {
    SCOPED_TRACE(fidelity_name(fidelity));
    m.options.fidelity = fidelity;
    const auto one = sim::run(a, m.node, m.node.stacks[0], m.options);
    const auto other = sim::run(b, m.node, m.node.stacks[0], m.options);
    ASSERT_TRUE(one.ok()) << one.error().to_string();
    ASSERT_TRUE(other.ok()) << other.error().to_string();
    testing::expect_same_run(by_name(*one), by_name(*other));
  }
}

TEST(ConstructionOrder, DoesNotShowInCompiledDecoders) {
  constexpr int kPrograms = 4;  // a chip
  for (Machine& m : every_machine()) {
    Random random(51);
    for (int compared = 0; compared < kPrograms;) {
      const DecoderCase c = random_case(random);
      SCOPED_TRACE(m.node.chip.name + ": " + c.text());
      const auto program =
          compiler::compile(compiler::testing::decoder_graph(c.decoder), m.node.chip, c.options);
      if (!program.ok()) continue;  // too large, or its heads do not divide over the sockets
      expect_same_in_every_fidelity(*program, testing::shuffled(*program, random), m);
      if (HasFailure()) return;
      ++compared;
    }
  }
}

}  // namespace
}  // namespace rdusim
