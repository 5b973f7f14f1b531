// Does time pass as the headers say? Closed forms of small handmade sections on the small chip: 1000 bytes of
// HBM a cycle, 100 cycles of latency, 32-cycle PCU pipeline.
#include <gtest/gtest.h>

#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

constexpr int64_t kHbmLatency = 100;
constexpr int64_t kPipeline = 32;

RunResult timed(const Program& program, const NodeSpec& node, Fidelity fidelity = Fidelity::kEvent) {
  auto result = run(program, node, node.stacks[0], {fidelity, nullptr, nullptr, 0});
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_string());
  return result.ok() ? *result : RunResult{};
}

NodeSpec exact_node() {
  NodeSpec node = small_node(1);
  node.chip.pcu.pipeline_latency_cycles = kPipeline;
  return node;
}

// load -> simd (neg) -> store; tokens of `rows` x 256 FP32.
Program pipe(int64_t tokens, int64_t rows, int64_t latency, int64_t capacity, int64_t pcus = 1) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", tokens * rows, 256);
  const ArgumentId y = b.symbol("y", tokens * rows, 256, DType::kFp32, {}, Tier::kHbm, Cause::kActivations);
  const ChannelId a = b.channel("a", rows, 256, capacity, latency);
  const ChannelId c = b.channel("c", rows, 256, capacity, latency);
  b.load("load", x, rows, {a});
  b.compute("neg", UnitKind::kSimd, tokens, {in(a)}, {op(TileOpKind::kNeg, {0})}, {out({c}, 1)}, pcus);
  b.store("store", y, rows, c);
  return b.finish();
}

TEST(SimTiming, OneTokenTakesTheSumOfItsStations) {
  // 25 x 256 FP32 = 25600 bytes: 25.6 cycles of HBM; 6400 elements / 32 lanes = 200 cycles of the unit.
  const RunResult r = timed(pipe(1, 25, 7, 2), exact_node());
  const int64_t arrives = 26 + kHbmLatency + 7;
  const int64_t given = arrives + 200 + kPipeline + 7;
  EXPECT_EQ(r.cycles, given + 26 + kHbmLatency);
  EXPECT_EQ(r.sections[0].units[1].busy_cycles, 200);
  EXPECT_EQ(r.sections[0].units[1].starved_cycles, arrives);
}

TEST(SimTiming, ChannelLatencyDelaysByItsCyclesAndNoMore) {
  const int64_t base = timed(pipe(1, 25, 0, 2), exact_node()).cycles;
  EXPECT_EQ(timed(pipe(1, 25, 1, 2), exact_node()).cycles, base + 2);  // two channels
  EXPECT_EQ(timed(pipe(1, 25, 50, 2), exact_node()).cycles, base + 100);
}

TEST(SimTiming, TokensCrossTheRdnAtTheRateOfTheirLinks) {
  // 25600 bytes over links of 64 bytes a cycle: 400 cycles on one, 200 on two; none: no crossing. What is
  // there goes on at once: the load gives a token in 25.6 cycles, the unit its vectors in 199 from first to
  // last.
  const auto cycles = [](int64_t tokens, int64_t links, Fidelity fidelity) {
    Program program = pipe(tokens, 25, 0, 4);
    for (Channel& channel : program.sections[0].channels) channel.links = links, channel.pmus = 0;
    return timed(program, exact_node(), fidelity).cycles;
  };
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const int64_t base = cycles(1, 0, fidelity);
    EXPECT_NEAR(static_cast<double>(cycles(1, 1, fidelity)), static_cast<double>(base + 2 * 400 - 26 - 199),
                1);
    EXPECT_NEAR(static_cast<double>(cycles(1, 2, fidelity)), static_cast<double>(base + 2 * 200 - 26 - 199),
                1);
  }
  // The unit works 200 cycles a token, so one link sets the pace of many: 400 cycles a token.
  const int64_t more = cycles(41, 1, Fidelity::kEvent) - cycles(40, 1, Fidelity::kEvent);
  EXPECT_EQ(more, 400);
  EXPECT_EQ(cycles(41, 4, Fidelity::kEvent) - cycles(40, 4, Fidelity::kEvent), 200);
}

// load x, held for all firings; load y, a token a firing; their sum -> store. Tokens of 8 x 256 FP32.
Program held(int64_t firings, int64_t pmus) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 8, 256);
  const ArgumentId y = b.symbol("y", 8 * firings, 256);
  const ArgumentId z = b.symbol("z", 8 * firings, 256);
  const ChannelId a = b.channel("a", 8, 256, 2, 0, DType::kFp32, pmus);
  const ChannelId c = b.channel("c", 8, 256, 4, 0, DType::kFp32, 8);
  const ChannelId d = b.channel("d", 8, 256, 4, 0, DType::kFp32, 8);
  b.load("x.load", x, 8, {a});
  b.load("y.load", y, 8, {c});
  b.compute("add", UnitKind::kSimd, firings, {in(a, {firings, 0, 1}), in(c)}, {op(TileOpKind::kAdd, {0, 1})},
            {out({d}, 2)});
  b.store("store", z, 8, d);
  Program p = b.finish();
  for (Channel& channel : p.sections[0].channels) channel.links = 16;
  return p;
}

TEST(SimTiming, AHeldTokenIsReadAgainForEveryFiring) {
  // 8192 bytes are 64 cycles of the unit; from one PMU they are 128 vectors, from eight 16 cycles.
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const auto more = [&](int64_t pmus) {
      return timed(held(41, pmus), exact_node(), fidelity).cycles -
             timed(held(40, pmus), exact_node(), fidelity).cycles;
    };
    EXPECT_EQ(more(1), 128);
    EXPECT_EQ(more(8), 64);
  }
  const RunResult r = timed(held(40, 1), exact_node());
  EXPECT_EQ(r.sections[0].units[2].busy_cycles, 40 * 64);  // waiting for operands is not work
  EXPECT_GE(r.sections[0].units[2].starved_cycles, 40 * 64);
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const std::string name = r.sections[0].units[2].name;
    EXPECT_EQ(timed(held(40, 1), exact_node(), fidelity).sections[0].bound_by, "PMU reads of " + name);
    EXPECT_EQ(timed(held(40, 8), exact_node(), fidelity).sections[0].bound_by, "unit " + name);
  }
  // The way of a token read again is on the wire again.
  const auto hops = [&](Program p) {
    for (Channel& channel : p.sections[0].channels) channel.latency_cycles = 4;
    const RunResult run = timed(p, exact_node());
    return run.rdn_byte_hops[static_cast<size_t>(Cause::kWeights)];
  };
  EXPECT_EQ(hops(held(40, 1)) - hops(held(39, 1)), 8192 * (1 + 2));  // x again, half the way; a token of y
}

TEST(SimTiming, ATransposedTokenOfFewRowsIsReadInVectorsThatAreMostlyEmpty) {
  // Tokens of `rows` x 512 FP32 turned in one PMU: a vector of 64 B a column, whether it has 16 rows or 4.
  const auto turned = [](int64_t firings, int64_t rows) {
    ProgramBuilder b;
    const ArgumentId x = b.symbol("x", rows * firings, 512);
    const ArgumentId y = b.symbol("y", 512 * firings, rows);
    const ChannelId a = b.channel("a", rows, 512, 4, 0, DType::kFp32, 8);
    const ChannelId t = b.channel("t", 512, rows, 2, 0, DType::kFp32, 0);
    const ChannelId d = b.channel("d", 512, rows, 4, 0, DType::kFp32, 8);
    b.load("load", x, rows, {a});
    b.compute("turn", UnitKind::kBuffer, firings, {in(a)}, {op(TileOpKind::kTranspose, {0})}, {out({t}, 1)},
              1);
    b.compute("neg", UnitKind::kSimd, firings, {in(t)}, {op(TileOpKind::kNeg, {0})}, {out({d}, 1)}, 4);
    b.store("store", y, 512, d);
    Program p = b.finish();
    for (Channel& channel : p.sections[0].channels) channel.links = 16;
    return p;
  };
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    for (const int64_t rows : {4, 16}) {
      const int64_t more = timed(turned(41, rows), exact_node(), fidelity).cycles -
                           timed(turned(40, rows), exact_node(), fidelity).cycles;
      EXPECT_EQ(more, 512) << rows;
    }
    const RunResult r = timed(turned(40, 4), exact_node(), fidelity);
    EXPECT_EQ(r.sections[0].bound_by, "PMU reads of neg");
  }
}

TEST(SimTiming, ThreeUnitPipelineRunsAtItsSlowestStage) {
  const int64_t tokens = 40;
  const RunResult r = timed(pipe(tokens, 25, 0, 2), exact_node());
  const int64_t first = 26 + kHbmLatency;
  EXPECT_EQ(r.cycles, first + tokens * 200 + kPipeline + 26 + kHbmLatency);
  EXPECT_EQ(r.sections[0].units[1].busy_cycles, tokens * 200);
  EXPECT_EQ(r.sections[0].bound_by, "unit neg");
}

TEST(SimTiming, MemoryBandwidthIsExactOverManyTokens) {
  // Two streams of 200 tokens of 1600 bytes: 1.6 cycles each, reads and writes share the channel.
  const int64_t tokens = 200;
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", tokens, 400);
  const ChannelId a = b.channel("a", 1, 400, 4096);
  b.load("load", x, 1, {a});
  b.compute("sum", UnitKind::kBuffer, tokens, {in(a)}, {},
            {out({b.channel("s", 1, 400)}, 0, {tokens, tokens - 1, tokens}, Accumulate::kSum, tokens)}, 64);
  const ArgumentId y = b.symbol("y", 1, 400);
  b.store("store", y, 1, ChannelId(1));
  const RunResult r = timed(b.finish(), exact_node());
  EXPECT_EQ(r.sections[0].units[0].busy_cycles, 320);  // 200 x 1.6, no rounding per token
  EXPECT_EQ(r.bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)], 201 * 1600);
}

TEST(SimTiming, BurstsRoundUpColumnSlices) {
  // 100 rows of 65 of 130 FP32 columns: 260 bytes a run, 320 with bursts of 64.
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 100, 130);
  const ChannelId a = b.channel("a", 100, 65);
  Unit& u = b.load("load", x, 100, {a});
  u.stream->cols = 65;
  const ArgumentId y = b.symbol("y", 100, 65);
  b.store("store", y, 100, a);
  const RunResult r = timed(b.finish(), exact_node());
  EXPECT_EQ(r.sections[0].units[0].busy_cycles, 32);
  EXPECT_EQ(r.sections[0].bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)],
            2 * 26000);
}

// Two loads of 64 tokens of 6400 bytes (6.4 cycles each) compete.
Program rivals(int priority_a, int priority_b) {
  ProgramBuilder b;
  for (const char* name : {"a", "b"}) {
    const ArgumentId x = b.symbol(std::string("x") + name, 64, 1600);
    const ChannelId c = b.channel(std::string("c") + name, 1, 1600, 64);
    const ChannelId d = b.channel(std::string("d") + name, 1, 1600);
    b.load(std::string("load.") + name, x, 1, {c}, name[0] == 'a' ? priority_a : priority_b);
    b.compute(std::string("sum.") + name, UnitKind::kBuffer, 64, {in(c)}, {},
              {out({d}, 0, {64, 63, 64}, Accumulate::kSum, 64)}, 40);
    b.store(std::string("store.") + name, b.symbol(std::string("y") + name, 1, 1600), 1, d);
  }
  return b.finish();
}

TEST(SimTiming, PriorityServesOneStreamFirst) {
  const auto last_of = [](const RunResult& r, size_t unit) {
    const UnitResult& u = r.sections[0].units[unit];
    return r.sections[0].cycles_per_launch - u.done_cycles;
  };
  const RunResult ab = timed(rivals(0, 1), exact_node());
  EXPECT_EQ(last_of(ab, 0), 410);  // 64 x 6.4 = 409.6; load.a has the channel to itself
  EXPECT_EQ(last_of(ab, 3), 826);  // 129 x 6.4: the store of load.a's sum goes between
  const RunResult ba = timed(rivals(1, 0), exact_node());
  EXPECT_EQ(last_of(ba, 3), 410);
  EXPECT_EQ(last_of(ba, 0), 826);
  const RunResult tie = timed(rivals(0, 0), exact_node());
  EXPECT_EQ(last_of(tie, 0), 410);  // ties by unit
}

TEST(SimTiming, FullChannelBlocksTheProducer) {
  // fast (1 row) -> slow (200 cycles a token): with capacity 1 the fast unit is blocked, with room for all it
  // is not.
  const auto blocked = [](int64_t capacity) {
    ProgramBuilder b;
    const ArgumentId x = b.symbol("x", 8, 64);
    const ChannelId a = b.channel("a", 1, 64, 8);
    const ChannelId c = b.channel("c", 1, 64, capacity);
    const ChannelId d = b.channel("d", 1, 64);
    b.load("load", x, 1, {a});
    b.compute("fast", UnitKind::kSimd, 8, {in(a)}, {op(TileOpKind::kNeg, {0})}, {out({c}, 1)}, 2);
    b.compute(
        "slow", UnitKind::kSimd, 8, {in(c)},
        {op(TileOpKind::kRepeatRows, {0}, 100), op(TileOpKind::kNeg, {1}), op(TileOpKind::kColSum, {2})},
        {out({d}, 3)});
    b.store("store", b.symbol("y", 8, 64), 1, d);
    return timed(b.finish(), exact_node()).sections[0].units[1].blocked_cycles;
  };
  EXPECT_GT(blocked(1), 200);
  EXPECT_EQ(blocked(8), 0);
}

TEST(SimTiming, HeldTokenIsReleasedAfterItsLastUse) {
  // x is held for 4 firings; the second x may only arrive in its slot (capacity 1) after the fourth firing
  // has ended.
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 2, 64);
  const ArgumentId w = b.symbol("w", 8, 64);
  const ChannelId cx = b.channel("cx", 1, 64, 1);
  const ChannelId cw = b.channel("cw", 1, 64, 8);
  const ChannelId d = b.channel("d", 1, 64, 8);
  b.load("load.x", x, 1, {cx});
  b.load("load.w", w, 1, {cw}, 1);
  b.compute("add", UnitKind::kSimd, 8, {in(cx, {4, 0, 1}), in(cw)}, {op(TileOpKind::kAdd, {0, 1})},
            {out({d}, 2)});
  b.store("store", b.symbol("y", 8, 64), 1, d);
  const RunResult r = timed(b.finish(), exact_node());
  // Firings take 2 cycles; the second x leaves HBM after the release, one latency before firing 4.
  const int64_t start =
      1 + kHbmLatency;  // w's first token is one 0.256-cycle transfer behind x's: same cycle
  const UnitResult& add = r.sections[0].units[2];
  EXPECT_EQ(add.busy_cycles, 16);
  EXPECT_EQ(add.starved_cycles, start + 1 + kHbmLatency);
}

TEST(SimTiming, LaunchesCostTheStacksTime) {
  NodeSpec node = exact_node();
  node.stacks[0].hardware_launch_s = 1e-6;
  node.stacks[0].software_launch_s = 20e-6;
  Program p = pipe(1, 25, 0, 2);
  p.launches.assign(3, p.launches[0]);
  for (Symbol& s : p.symbols) s.last_step = 2;
  const int64_t bare = timed(pipe(1, 25, 0, 2), exact_node()).cycles;
  EXPECT_EQ(timed(p, node).cycles, 3 * (bare + 1000));
  p.orchestration = Orchestration::kSoftware;
  const RunResult r = timed(p, node);
  EXPECT_EQ(r.cycles, 3 * (bare + 20000));
  EXPECT_EQ(r.sections[0].launches, 3);
  EXPECT_EQ(r.sections[0].launch_cycles_per_launch, 20000);
}

// One token of 8 x 1000 FP32 (32000 bytes) broadcast between sockets at 100 bytes a cycle, 200 cycles
// latency.
Program gather_columns(int64_t sockets, int64_t tokens) {
  ProgramBuilder b(sockets);
  const ArgumentId x =
      b.symbol("x", 8 * tokens, 1000 * sockets, DType::kFp32, {ShardKind::kCols, sockets, 1});
  const ArgumentId y = b.symbol("y", 8 * tokens, 1000 * sockets);
  const ChannelId a = b.channel("a", 8, 1000);
  const ChannelId own = b.channel("own", 8, 1000);
  const ChannelId all = b.channel("all", 8, 1000 * sockets);
  const Exchange e{1, ExchangeMode::kBroadcast, Combine::kConcatCols};
  b.load("load", x, 8, {a});
  b.exchange("send", UnitKind::kSend, tokens, a, own, e);
  b.exchange("receive", UnitKind::kReceive, tokens, own, all, e);
  b.store("store", y, 8, all);
  return b.finish();
}

TEST(SimTiming, LinkSerialisesMessagesAndAddsItsLatency) {
  const auto received = [](const RunResult& r) { return r.sections[0].units[2].starved_cycles; };
  const int64_t token = 32 + kHbmLatency;  // at the send unit
  EXPECT_EQ(received(timed(gather_columns(2, 1), small_node(2))), token + 320 + 200);
  EXPECT_EQ(received(timed(gather_columns(4, 1), small_node(4))), token + 3 * 320 + 200);
  const RunResult r = timed(gather_columns(4, 1), small_node(4));
  EXPECT_EQ(r.bytes[static_cast<size_t>(Wire::kLink)][static_cast<size_t>(Cause::kCollective)],
            4 * 3 * 32000);
}

TEST(SimTiming, LinkStreamsAtItsBandwidth) {
  const RunResult r = timed(gather_columns(2, 50), small_node(2));
  EXPECT_EQ(r.sections[0].bound_by, "link");
  EXPECT_NEAR(static_cast<double>(r.cycles), 50 * 320.0, 0.05 * 50 * 320);
}

TEST(SimTiming, DistinctSectionsOnceEqualsEveryLaunch) {
  Program p = pipe(5, 25, 3, 2);
  const int64_t once = timed(p, exact_node()).cycles;
  p.launches.assign(7, p.launches[0]);
  for (Symbol& s : p.symbols) s.last_step = 6;
  const RunResult reused = timed(p, exact_node());
  EXPECT_EQ(reused.cycles, 7 * once);
  EXPECT_EQ(reused.firings_simulated, 15);
  MemoryImage image(p);  // a functional run simulates every launch
  auto each = run(p, exact_node(), exact_node().stacks[0], {Fidelity::kEvent, &image, nullptr, 0});
  ASSERT_TRUE(each.ok()) << each.error().to_string();
  EXPECT_EQ(each->cycles, reused.cycles);
  EXPECT_EQ(each->firings_simulated, 7 * 15);
  EXPECT_EQ(each->unit_cycles.busy, reused.unit_cycles.busy);
  EXPECT_EQ(each->bytes, reused.bytes);
}

TEST(SimTiming, SymmetricRunEqualsRunOfEverySocket) {
  const Program p = gather_columns(4, 6);
  const RunResult one = timed(p, small_node(4));
  MemoryImage image(p);
  auto all = run(p, small_node(4), small_node(4).stacks[0], {Fidelity::kEvent, &image, nullptr, 0});
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_EQ(one.cycles, all->cycles);
  EXPECT_EQ(one.bytes, all->bytes);
  EXPECT_EQ(one.unit_cycles.busy, all->unit_cycles.busy);
  EXPECT_EQ(one.unit_cycles.total(), all->unit_cycles.total());
}

TEST(SimTiming, TraceCoversUnitsMemoryAndSchedule) {
  std::vector<TraceEvent> events;
  Program p = pipe(3, 25, 0, 2);
  p.launches.assign(2, p.launches[0]);
  for (Symbol& s : p.symbols) s.last_step = 1;
  auto r = run(p, exact_node(), exact_node().stacks[0], {Fidelity::kEvent, nullptr, &events, 1000});
  ASSERT_TRUE(r.ok());
  int64_t unit_cycles = 0;
  int64_t schedule_cycles = 0;
  bool memory = false;
  for (const TraceEvent& e : events) {
    if (e.track == "socket 0 / unit neg") unit_cycles += e.duration_cycles;
    if (e.track == "schedule") schedule_cycles += e.duration_cycles;
    memory = memory || e.track == "socket 0 / hbm";
  }
  EXPECT_EQ(unit_cycles, 2 * r->sections[0].units[1].busy_cycles);
  EXPECT_EQ(schedule_cycles, r->cycles);
  EXPECT_TRUE(memory);
  std::vector<TraceEvent> few;
  ASSERT_TRUE(run(p, exact_node(), exact_node().stacks[0], {Fidelity::kEvent, nullptr, &few, 4}).ok());
  EXPECT_EQ(few.size(), 4U);
}

}  // namespace
}  // namespace rdusim::sim
