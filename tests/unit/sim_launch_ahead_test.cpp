// Launches that prefetch, by hand: which units run ahead, for how long, and what a run gains by it. Small
// chip: 1000 bytes of HBM a cycle, 100 cycles of latency, 32-cycle PCU pipeline.
#include <gtest/gtest.h>

#include "base/arch/dram_fields.h"
#include "base/program/program_text.h"
#include "base/program/run_ahead.h"
#include "base/program/verify.h"
#include "sim/critical_path.h"
#include "sim/launch_timing.h"
#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

constexpr int64_t kHbmLatency = 100;
constexpr int64_t kPipeline = 32;
// Of a token of 25 x 256 FP32: 25.6 cycles of HBM, 200 of a unit of 32 lanes.
constexpr int64_t kTransfer = 26;
constexpr int64_t kWork = 200;

NodeSpec node_with(double launch_s) {
  NodeSpec node = small_node(1);
  node.chip.pcu.pipeline_latency_cycles = kPipeline;
  node.stacks[0].hardware_launch_s = launch_s;
  return node;
}

Program prefetching(Program p) {
  for (Launch& launch : p.launches) launch.prefetch = true;
  return p;
}

// load -> simd (neg) -> store.
Program pipe(int64_t tokens, int64_t capacity, int64_t launches = 1, Cause cause = Cause::kWeights) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", tokens * 25, 256, DType::kFp32, {}, Tier::kHbm, cause);
  const ArgumentId y = b.symbol("y", tokens * 25, 256, DType::kFp32, {}, Tier::kHbm, Cause::kActivations);
  const ChannelId a = b.channel("a", 25, 256, capacity);
  const ChannelId c = b.channel("c", 25, 256, capacity);
  b.load("load", x, 25, {a});
  b.compute("neg", UnitKind::kSimd, tokens, {in(a)}, {op(TileOpKind::kNeg, {0})}, {out({c}, 1)});
  b.store("store", y, 25, c);
  return b.finish(launches);
}

RunResult timed(const Program& program, const NodeSpec& node, Fidelity fidelity = Fidelity::kEvent,
                std::vector<TraceEvent>* trace = nullptr) {
  RunOptions options;
  options.fidelity = fidelity;
  options.trace = trace;
  auto result = run(program, node, node.stacks[0], options);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_string());
  return result.ok() ? *result : RunResult{};
}

void expect_sums(const Program& p, const NodeSpec& node, const RunResult& r) {
  EXPECT_EQ(r.unit_cycles.total(), (node.chip.pcu.count + node.chip.pmu.count) * r.cycles * p.sockets);
  int64_t cycles = 0;
  for (const SectionResult& s : r.sections) cycles += s.cycles();
  EXPECT_EQ(cycles, r.cycles);
}

TEST(LaunchAhead, AStageFindsItsTokenWhenTheLaunchIsComplete) {
  const NodeSpec node = node_with(10e-6);
  const Program p = prefetching(pipe(1, 2));
  const int64_t given = kWork + kPipeline;
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const RunResult plain = timed(pipe(1, 2), node, fidelity);
    const RunResult r = timed(p, node, fidelity);
    EXPECT_NEAR(static_cast<double>(plain.cycles),
                static_cast<double>(10000 + kTransfer + kHbmLatency + given + kTransfer + kHbmLatency), 1);
    EXPECT_NEAR(static_cast<double>(r.cycles), static_cast<double>(10000 + given + kTransfer + kHbmLatency),
                1);
    const std::vector<UnitResult>& units = r.sections[0].units;
    EXPECT_EQ(units[0].ahead_cycles, kTransfer);
    EXPECT_EQ(units[0].busy_cycles, 0);
    EXPECT_EQ(units[1].ahead_cycles, 0);
    EXPECT_EQ(units[1].busy_cycles, kWork);
    if (fidelity == Fidelity::kEvent) {
      EXPECT_EQ(units[1].starved_cycles, 0);
    }
    EXPECT_EQ(r.bytes, plain.bytes);
    expect_sums(p, node, r);
  }
}

TEST(LaunchAhead, GoesAsFarAsChannelsHaveSlots) {
  const NodeSpec node = node_with(10e-6);
  for (const int64_t capacity : {1, 3, 5}) {
    const RunResult r = timed(prefetching(pipe(8, capacity)), node);
    // The stage is what takes longest, and never waits.
    EXPECT_EQ(r.sections[0].units[0].ahead_cycles, (256 * capacity + 9) / 10);
    EXPECT_EQ(r.sections[0].units[1].busy_cycles, 8 * kWork);
    if (capacity > 1) {
      EXPECT_EQ(r.sections[0].units[1].starved_cycles, 0);
    }
    EXPECT_GT(r.sections[0].units[0].busy_cycles, 0);
  }
}

// A head start of ten cycles is a load that begins ten cycles earlier; a launch shorter than what is loaded
// first leaves none.
TEST(LaunchAhead, BeginsWhenProgramAndArgumentsAreLoaded) {
  const Program p = prefetching(pipe(1, 2));
  const LaunchTiming timing = launch_timing(p, node_with(1e-3), node_with(1e-3).stacks[0]);
  const int64_t loads = timing.program_load_cycles + timing.argument_load_cycles;
  EXPECT_GT(timing.program_load_cycles, timing.argument_load_cycles);
  EXPECT_GT(timing.argument_load_cycles, 0);
  for (const auto& [more, head_start] : std::vector<std::pair<int64_t, int64_t>>{{10, 10}, {0, 0}, {-7, 0}}) {
    const NodeSpec node = node_with(static_cast<double>(loads + more) * 1e-9);
    const RunResult r = timed(p, node);
    EXPECT_EQ(r.sections[0].head_start_cycles, head_start);
    EXPECT_EQ(r.cycles, timed(pipe(1, 2), node).cycles - head_start);
    EXPECT_EQ(timed(p, node, Fidelity::kAnalytic).cycles,
              timed(pipe(1, 2), node, Fidelity::kAnalytic).cycles - head_start);
  }
}

TEST(LaunchAhead, TheSameSectionAgainNeedsNoProgram) {
  const NodeSpec node = node_with(10e-6);
  const Program p = prefetching(pipe(60, 20, 3));
  const LaunchTiming timing = launch_timing(p, node, node.stacks[0]);
  const RunResult r = timed(p, node);
  ASSERT_EQ(r.sections.size(), 2U);
  EXPECT_EQ(r.sections[0].launches, 1);
  EXPECT_EQ(r.sections[1].launches, 2);
  EXPECT_EQ(r.sections[0].head_start_cycles,
            10000 - timing.program_load_cycles - timing.argument_load_cycles);
  EXPECT_EQ(r.sections[1].head_start_cycles, 10000 - timing.argument_load_cycles);
  expect_sums(p, node, r);
}

TEST(LaunchAhead, ActivationsAndWhatAnEarlierLaunchStoresWait) {
  const NodeSpec node = node_with(10e-6);
  EXPECT_EQ(timed(prefetching(pipe(4, 2, 1, Cause::kActivations)), node).cycles,
            timed(pipe(4, 2, 1, Cause::kActivations), node).cycles);
  // The second launch reads what the first stores.
  Program p = prefetching(pipe(4, 2, 2));
  EXPECT_EQ(units_ahead(p)[1], (std::vector<bool>{true, false, false}));
  std::swap(p.launches[1].bindings[0], p.launches[1].bindings[1]);
  const auto ahead = units_ahead(p);
  EXPECT_EQ(ahead[0], (std::vector<bool>{true, false, false}));
  EXPECT_EQ(ahead[1], (std::vector<bool>{false, false, false}));
  p.launches[0].prefetch = false;
  EXPECT_TRUE(units_ahead(p)[0].empty());
  // A cache that the launch itself appends to is not stored before.
  Program appends = prefetching(pipe(4, 2));
  appends.launches[0].bindings[1] = appends.launches[0].bindings[0];
  EXPECT_TRUE(units_ahead(appends)[0][0]);
}

// A store takes its token straight from a load; it still waits for the launch.
TEST(LaunchAhead, NothingIsStoredBeforeTheLaunchIsComplete) {
  ProgramBuilder b;
  const auto x = b.symbol("x", 25, 256);
  const auto y = b.symbol("y", 25, 256);
  const auto c = b.channel("c", 25, 256);
  b.load("load", x, 25, {c});
  b.store("store", y, 25, c);
  const NodeSpec node = node_with(10e-6);
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const RunResult r = timed(prefetching(b.finish()), node, fidelity);
    EXPECT_NEAR(static_cast<double>(r.cycles), static_cast<double>(10000 + kTransfer + kHbmLatency), 1);
  }
}

// A buffer is filled during the launch; its PMUs are at work then, not launching.
TEST(LaunchAhead, BuffersAreFilled) {
  ProgramBuilder b;
  const auto w = b.symbol("w", 100, 256);
  const auto y = b.symbol("y", 100, 256, DType::kFp32, {}, Tier::kHbm, Cause::kActivations);
  const auto a = b.channel("a", 25, 256, 1);
  const auto view = b.channel("view", 100, 256, 1, 0, DType::kFp32, 0);
  const auto c = b.channel("c", 100, 256);
  b.load("load", w, 25, {a});
  b.compute("hold", UnitKind::kBuffer, 4, {in(a)}, {},
            {out({view}, 0, {4, 3, 4}, Accumulate::kConcatRows, 4)});
  b.compute("neg", UnitKind::kSimd, 1, {in(view)}, {op(TileOpKind::kNeg, {0})}, {out({c}, 1)});
  b.store("store", y, 100, c);
  const Program p = b.finish();
  const NodeSpec node = node_with(10e-6);
  EXPECT_EQ(units_ahead(prefetching(p))[0], (std::vector<bool>{true, true, false, false}));
  const RunResult plain = timed(p, node);
  const RunResult r = timed(prefetching(p), node);
  const std::vector<UnitResult>& units = r.sections[0].units;
  EXPECT_EQ(units[0].ahead_cycles, 4 * kTransfer);  // all four tokens through a channel of one
  EXPECT_EQ(units[1].busy_cycles, 0);
  EXPECT_EQ(units[1].ahead_cycles, plain.sections[0].units[1].busy_cycles);
  EXPECT_EQ(units[2].starved_cycles, 0);
  EXPECT_EQ(r.unit_cycles.busy, plain.unit_cycles.busy);
  // PMUs of the buffer and of the channel that it reads.
  EXPECT_EQ(plain.unit_cycles.launching - r.unit_cycles.launching, 2 * units[1].ahead_cycles);
  expect_sums(prefetching(p), node, r);
}

TEST(LaunchAhead, TheTimelineShowsLoadsWithinTheLaunch) {
  const NodeSpec node = node_with(10e-6);
  std::vector<TraceEvent> trace;
  const RunResult r = timed(prefetching(pipe(2, 4)), node, Fidelity::kEvent, &trace);
  const int64_t begin = 10000 - r.sections[0].head_start_cycles;
  int64_t loads = 0;
  for (const TraceEvent& e : trace) {
    if (e.track == "socket 0 / unit load") {
      ++loads;
      EXPECT_EQ(e.begin_cycles, begin);
      EXPECT_LT(e.begin_cycles + e.duration_cycles, 10000);
    }
    if (e.track == "socket 0 / unit neg") {
      EXPECT_GE(e.begin_cycles, 10000);
    }
  }
  EXPECT_EQ(loads, 1);  // neighbours are one
}

TEST(LaunchAhead, APathPassesTheLaunchsEndOrWhatIsLoadedFirst) {
  const NodeSpec node = node_with(10e-6);
  const auto part = [](const CriticalPath& path, StepKind kind) {
    return step_cycles(path).cycles[static_cast<size_t>(kind)];
  };
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    // The token is there: the stage waits for the launch.
    const auto idle = critical_path(prefetching(pipe(1, 2)), node, node.stacks[0], fidelity);
    ASSERT_TRUE(idle.ok());
    EXPECT_EQ(part(*idle, StepKind::kLaunch), 10000);
    EXPECT_EQ(part(*idle, StepKind::kProgramLoad), 0);
    // 2000 tokens take 51200 cycles of HBM, however long the launch goes on: a PCU of 64 each.
    Program p = pipe(2000, 2000);
    p.sections[0].units[1].pcus = 60;
    const auto bound = critical_path(prefetching(p), node, node.stacks[0], fidelity);
    ASSERT_TRUE(bound.ok());
    EXPECT_LT(part(*bound, StepKind::kLaunch), 100);
    const LaunchTiming timing = launch_timing(prefetching(p), node, node.stacks[0]);
    EXPECT_NEAR(static_cast<double>(part(*bound, StepKind::kProgramLoad)),
                static_cast<double>(timing.load_cycles(true) - 2 * kHbmLatency), 100);
  }
}

TEST(LaunchAhead, PrintsParsesAndVerifies) {
  const Program p = prefetching(pipe(3, 2, 2));
  EXPECT_TRUE(verify_program(p, 64, 96).ok());
  const std::string text = print_program(p);
  EXPECT_NE(text.find("launch 0 prefetch 0 1\n"), std::string::npos);
  auto back = parse_program(text, "program");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(*back, p);
  // Ports that do not end a run in their rhythm keep launches from looping so, not from prefetching.
  Program uneven = prefetching(pipe(3, 2));
  uneven.sections[0].units[1].inputs[0].phases = {2, 0, 2};
  EXPECT_FALSE(verify_prefetch(uneven.sections[0], "launch 0").ok());
  EXPECT_TRUE(verify_structure(uneven, 64, 96).ok());
}

// A looping launch has the head start for its first iteration, beside what it prefetches between iterations.
TEST(LaunchAhead, ALoopHasItOnce) {
  const NodeSpec node = node_with(10e-6);
  Program p = pipe(8, 4);
  Launch& launch = p.launches[0];
  const std::vector<SymbolId> row = launch.bindings;
  for (int i = 0; i < 4; ++i) launch.bindings.insert(launch.bindings.end(), row.begin(), row.end());
  launch.iterations = 5;
  for (Symbol& s : p.symbols) s.last_step = 4;
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const Program loop = prefetching(p);
    const RunResult r = timed(loop, node, fidelity);
    EXPECT_EQ(r.sections[0].launches, 1);
    EXPECT_GT(r.sections[0].head_start_cycles, 0);
    EXPECT_NEAR(static_cast<double>(r.sections[0].units[0].ahead_cycles), 102.4, 0.7);
    expect_sums(loop, node, r);
    // It gains the first token's way once.
    NodeSpec bare = node_with(0);
    const int64_t without = timed(loop, bare, fidelity).cycles + 10000;
    EXPECT_NEAR(static_cast<double>(without - r.cycles), static_cast<double>(kTransfer + kHbmLatency), 2);
  }
}

// On the placed chip, command by command: the same gain as in event.
TEST(LaunchAhead, CycleGainsWhatEventGains) {
  ConfigContext context;
  context.config_dir = RDUSIM_SOURCE_DIR "/configs";
  auto node = load_node(context, "sn40l-sixteenth");
  auto hbm = load_dram(context, "sn40l-sixteenth-hbm");
  auto ddr = load_dram(context, "sn40l-sixteenth-ddr");
  ASSERT_TRUE(node.ok() && hbm.ok() && ddr.ok());
  node->stacks[0].hardware_launch_s = 10e-6;
  ProgramBuilder b;
  const auto x = b.symbol("x", 512, 1024, DType::kBf16);
  const auto y = b.symbol("y", 512, 1024, DType::kBf16, {}, Tier::kHbm, Cause::kActivations);
  const auto c = b.channel("c", 16, 1024, 16, 6, DType::kBf16, 8);
  b.section().channels[c.value].links = 4;
  b.load("load", x, 16, {c});
  b.store("store", y, 16, c);
  const Program p = b.finish();
  const auto gain = [&](Fidelity fidelity) {
    RunOptions options;
    options.fidelity = fidelity;
    options.devices = {std::make_shared<const DramSpec>(*hbm), std::make_shared<const DramSpec>(*ddr)};
    auto plain = run(p, *node, node->stacks[0], options);
    auto ahead = run(prefetching(p), *node, node->stacks[0], options);
    EXPECT_TRUE(plain.ok() && ahead.ok());
    expect_sums(p, *node, *ahead);
    EXPECT_EQ(plain->bytes, ahead->bytes);
    EXPECT_GT(ahead->sections[0].units[0].ahead_cycles, 0);
    return static_cast<double>(plain->cycles - ahead->cycles);
  };
  const double event = gain(Fidelity::kEvent);
  EXPECT_GT(event, 1000);  // 16 of 32 tokens
  EXPECT_NEAR(gain(Fidelity::kCycle) / event, 1, 0.15);
}

}  // namespace
}  // namespace rdusim::sim
