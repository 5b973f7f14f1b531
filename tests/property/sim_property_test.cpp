// What must hold for every program: counters add up, no run beats its lower bounds, more bandwidth never
// hurts, a run repeats, values do not change time, and the closed form stays near the event engine.
#include <gtest/gtest.h>

#include <cmath>

#include "base/program/program_text.h"
#include "sim/simulator.h"
#include "tests/support/random_program.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

Result<RunResult> timed(const Program& p, const NodeSpec& node, Fidelity fidelity = Fidelity::kEvent) {
  return run(p, node, node.stacks[0], {fidelity, nullptr, nullptr, 0});
}

NodeSpec node_of(const Program& p) {
  NodeSpec node = small_node(p.sockets);
  node.stacks[0].hardware_launch_s = 0.5e-6;
  return node;
}

int64_t total(const ByteCounts& bytes, Wire wire) {
  int64_t sum = 0;
  for (const int64_t n : bytes[static_cast<size_t>(wire)]) sum += n;
  return sum;
}

void check_accounting(const Program& p, const NodeSpec& node, const RunResult& r) {
  EXPECT_EQ(r.unit_cycles.total(), (node.chip.pcu.count + node.chip.pmu.count) * r.cycles * p.sockets);
  int64_t cycles = 0;
  ByteCounts bytes{};
  for (const SectionResult& s : r.sections) {
    cycles += s.launches * (s.cycles_per_launch + s.launch_cycles_per_launch);
    for (size_t w = 0; w < kWireCount; ++w) {
      for (size_t c = 0; c < kCauseCount; ++c) bytes[w][c] += s.bytes[w][c] * s.launches * p.sockets;
    }
    for (const UnitResult& u : s.units) {
      EXPECT_EQ(u.busy_cycles + u.starved_cycles + u.blocked_cycles + u.done_cycles, s.cycles_per_launch)
          << u.name;
      EXPECT_GE(std::min({u.busy_cycles, u.starved_cycles, u.blocked_cycles, u.done_cycles}), 0) << u.name;
    }
  }
  EXPECT_EQ(cycles, r.cycles);
  EXPECT_EQ(bytes, r.bytes);
}

void check_lower_bounds(const RandomProgram& x, const NodeSpec& node, const RunResult& r) {
  const double rate = node.chip.hbm.achieved_bytes_per_s() / node.chip.clock_hz;
  const int64_t section = r.sections[0].cycles_per_launch;
  EXPECT_GE(static_cast<double>(section), static_cast<double>(x.hbm_bytes) / rate);
  for (const UnitResult& u : r.sections[0].units) EXPECT_GE(section, u.busy_cycles) << u.name;
}

TEST(SimProperty, RandomProgramsAddUpRepeatAndRespectTheirBounds) {
  ProgramGenerator generator(2024);
  for (int trial = 0; trial < 120; ++trial) {
    const RandomProgram x = generator.make();
    const Program& p = x.program;
    SCOPED_TRACE(::testing::Message() << "trial " << trial << "\n" << print_program(p));
    const NodeSpec node = node_of(p);
    auto r = timed(p, node);
    ASSERT_TRUE(r.ok()) << r.error().to_string();
    check_accounting(p, node, *r);
    check_lower_bounds(x, node, *r);
    EXPECT_EQ(timed(p, node)->cycles, r->cycles);

    auto parsed = parse_program(print_program(p), "p");
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    EXPECT_EQ(*parsed, p);

    MemoryImage image(p);
    auto values = run(p, node, node.stacks[0], {Fidelity::kEvent, &image, nullptr, 0});
    ASSERT_TRUE(values.ok()) << values.error().to_string();
    check_accounting(p, node, *values);
    EXPECT_EQ(values->cycles, r->cycles) << "values or the other sockets change the time";
    EXPECT_EQ(total(values->bytes, Wire::kHbm), total(r->bytes, Wire::kHbm));
  }
}

TEST(SimProperty, TwiceTheBandwidthIsNeverSlower) {
  ProgramGenerator generator(7);
  for (int trial = 0; trial < 60; ++trial) {
    const Program p = generator.make().program;
    SCOPED_TRACE(::testing::Message() << "trial " << trial << "\n" << print_program(p));
    NodeSpec node = node_of(p);
    node.chip.agcu_ports = 64;
    const int64_t slow = timed(p, node)->cycles;
    NodeSpec fast = node;
    fast.chip.hbm.bandwidth_bytes_per_s *= 2;
    EXPECT_LE(timed(p, fast)->cycles, slow);
    fast = node;
    fast.link.bandwidth_bytes_per_s *= 2;
    EXPECT_LE(timed(p, fast)->cycles, slow);
  }
}

TEST(SimProperty, ClosedFormStaysNearTheEventEngine) {
  ProgramGenerator generator(99);
  double worst = 1;
  double sum = 0;
  constexpr int kTrials = 120;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Program p = generator.make().program;
    const NodeSpec node = node_of(p);
    auto closed = timed(p, node, Fidelity::kAnalytic);
    ASSERT_TRUE(closed.ok()) << closed.error().to_string();
    check_accounting(p, node, *closed);
    auto event = timed(p, node);
    const double ratio = static_cast<double>(closed->cycles) / static_cast<double>(event->cycles);
    sum += std::abs(std::log(ratio));
    if (std::abs(std::log(ratio)) > std::abs(std::log(worst))) worst = ratio;
    EXPECT_EQ(total(closed->bytes, Wire::kLink) == 0, total(event->bytes, Wire::kLink) == 0);
  }
  const double mean = std::exp(sum / kTrials) - 1;
  std::printf("closed form against event: mean difference %.1f %%, worst ratio %.3f\n", 100 * mean, worst);
  // Tiny random programs with channels of one token are the worst case: the closed form knows no
  // back-pressure there.
  EXPECT_LT(mean, 0.10);
  EXPECT_LT(std::abs(std::log(worst)), std::log(1.6));
}

}  // namespace
}  // namespace rdusim::sim
