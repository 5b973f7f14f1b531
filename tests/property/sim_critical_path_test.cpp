// Critical paths of random programs: their cycles are the run's, at both fidelities, and so is the run
// itself.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/critical_path.h"
#include "tests/support/random_program.h"
#include "tests/support/run_equality.h"
#include "tests/support/small_chip.h"

namespace rdusim {
namespace {

TEST(CriticalPaths, AddUpToTheRunsCycles) {
  int compared = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    const Program program = testing::ProgramGenerator(seed).make().program;
    NodeSpec node = testing::small_node(program.sockets);
    node.stacks[0].hardware_launch_s = 1.2345e-6;
    for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
      sim::RunOptions options;
      options.fidelity = fidelity;
      auto run = sim::run(program, node, node.stacks[0], options);
      if (!run.ok()) continue;  // a deadlock of a random program, say
      auto path = sim::critical_path(program, node, node.stacks[0], fidelity);
      ASSERT_TRUE(path.ok()) << path.error().to_string();
      testing::expect_same_run(*run, path->result);
      const StepCycles sum = step_cycles(*path);
      int64_t cycles = 0;
      for (const int64_t of_kind : sum.cycles) cycles += of_kind;
      EXPECT_EQ(cycles, run->cycles);
      ++compared;
    }
  }
  EXPECT_GT(compared, 200);
}

TEST(CriticalPaths, EventPathsLeadFromTheBeginToTheEnd) {
  int seen = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Program program = testing::ProgramGenerator(seed).make().program;
    const NodeSpec node = testing::small_node(program.sockets);
    auto path = sim::critical_path(program, node, node.stacks[0], Fidelity::kEvent);
    if (!path.ok()) continue;
    for (const SectionPath& section : path->sections) {
      ASSERT_FALSE(section.parts.empty());
      EXPECT_EQ(section.parts.back().last_cycle, section.cycles_per_run);
      int64_t first = section.cycles_per_run;
      for (const PathPart& part : section.parts) {
        first = std::min(first, part.first_cycle);
        EXPECT_GT(part.steps, 0);
      }
      EXPECT_EQ(first, 0);
      ++seen;
    }
  }
  EXPECT_GT(seen, 20);
}

TEST(CriticalPaths, TheCycleFidelityHasNone) {
  const Program program = testing::ProgramGenerator(1).make().program;
  const NodeSpec node = testing::small_node(program.sockets);
  auto path = sim::critical_path(program, node, node.stacks[0], Fidelity::kCycle);
  ASSERT_FALSE(path.ok());
  EXPECT_NE(path.error().to_string().find("the cycle fidelity does not remember why it waits"),
            std::string::npos);
}

}  // namespace
}  // namespace rdusim
