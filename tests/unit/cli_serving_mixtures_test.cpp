// What serving is charged for mixtures of experts: the time and the bytes of the program that the compiler
// makes with the same cut of the experts and the same load, and of a dense model what it always is.
#include <gtest/gtest.h>

#include <string>

#include "cli/chip_execution.h"
#include "models/fixture.h"
#include "sim/simulator.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

using compiler::MoeLoad;
using compiler::MoeParallel;

constexpr int64_t kSockets = 4;

// Fixtures by name.
ModelLibrary fixtures() {
  return ModelLibrary([](const std::string& name) {
    return models::load_model("", std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/" + name);
  });
}

runtime::PassCost charged(ModelLibrary& library, const std::string& model, ChipExecution::Mixtures mixtures) {
  const NodeSpec node = testing::small_node(kSockets);
  ChipExecution execution(node, node.stacks[0], Fidelity::kEvent, library, {});
  execution.set_mixtures(mixtures);
  auto cost = execution.decode(model, 2, 8, 1);
  EXPECT_TRUE(cost.ok()) << cost.error().to_string();
  return cost.ok() ? *cost : runtime::PassCost();
}

RunResult simulated(ModelLibrary& library, const std::string& name, ChipExecution::Mixtures mixtures) {
  models::GraphRequest request;
  request.phase = models::Phase::kDecode;
  request.batch = 2;
  request.past_tokens = 8;
  const auto graph = (*library.get(name))->build(request);
  compiler::CompileOptions options;
  options.sockets = kSockets;
  options.moe_parallel = mixtures.parallel;
  options.expert_groups = mixtures.groups;
  options.moe_load = mixtures.load;
  const NodeSpec node = testing::small_node(kSockets);
  auto program = compiler::compile(*graph, node.chip, options);
  EXPECT_TRUE(program.ok()) << program.error().to_string();
  return *sim::run(*program, node, node.stacks[0], {Fidelity::kEvent, nullptr, nullptr, 0});
}

TEST(ServingMixtures, AreChargedAsTheirPrograms) {
  ModelLibrary library = fixtures();
  const ChipExecution::Mixtures cuts[] = {{},
                                          {MoeParallel::kExpert, 0, MoeLoad::kWorst},
                                          {MoeParallel::kExpert, 2, MoeLoad::kWorst},
                                          {MoeParallel::kExpert, 2, MoeLoad::kUniform}};
  Picoseconds before(0);
  for (const auto& cut : cuts) {
    const runtime::PassCost cost = charged(library, "mixtral-2", cut);
    const RunResult run = simulated(library, "mixtral-2", cut);
    EXPECT_EQ(cost.time, picoseconds_from_seconds(run.latency_s()));
    EXPECT_EQ(cost.bytes, run.bytes);
    EXPECT_NE(cost.time, before) << "the cut shows";
    before = cost.time;
  }
}

TEST(ServingMixtures, WholeExpertsTakeNoMoreRoom) {
  ModelLibrary library = fixtures();
  const NodeSpec node = testing::small_node(kSockets);
  ChipExecution execution(node, node.stacks[0], Fidelity::kAnalytic, library, {});
  const auto by_width = execution.weight_bytes("mixtral-2");
  ChipExecution whole(node, node.stacks[0], Fidelity::kAnalytic, library, {});
  whole.set_mixtures({MoeParallel::kExpert, 0, MoeLoad::kWorst});
  const auto by_expert = whole.weight_bytes("mixtral-2");
  ASSERT_TRUE(by_width.ok() && by_expert.ok());
  EXPECT_EQ(*by_width, *by_expert);
}

TEST(ServingMixtures, DenseModelsAreNotAsked) {
  ModelLibrary library = fixtures();
  const auto plain = charged(library, "llama-1", {});
  const auto asked = charged(library, "llama-1", {MoeParallel::kExpert, 2, MoeLoad::kUniform});
  EXPECT_EQ(plain.time, asked.time);
  EXPECT_FALSE(*is_mixture(**library.get("llama-1")));
  EXPECT_TRUE(*is_mixture(**library.get("mixtral-2")));
}

// Three groups of eight experts: tensor parallelism would use fewer sockets, whole experts say so.
TEST(ServingMixtures, GroupsThatDoNotDivideAreAnError) {
  ModelLibrary library = fixtures();
  const NodeSpec node = testing::small_node(kSockets);
  ChipExecution execution(node, node.stacks[0], Fidelity::kAnalytic, library, {});
  execution.set_mixtures({MoeParallel::kExpert, 3, MoeLoad::kWorst});
  const auto cost = execution.decode("mixtral-2", 1, 8, 1);
  ASSERT_FALSE(cost.ok());
  EXPECT_EQ(cost.error().what, "8 experts do not divide over 3 groups of sockets");
}

}  // namespace
}  // namespace rdusim::cli
