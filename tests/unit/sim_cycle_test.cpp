// The cycle fidelity: small sections whose times are derived by hand, what it counts against event, deadlock.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/arch/dram_fields.h"
#include "sim/cycle/pmu_ports.h"
#include "sim/pmu/pmu_model.h"
#include "sim/simulator.h"
#include "tests/support/program_builder.h"

namespace rdusim::sim {
namespace {

using testing::ProgramBuilder;

struct Chip {
  NodeSpec node;
  MemoryDevices devices;
};

Chip sixteenth() {
  ConfigContext context;
  context.config_dir = RDUSIM_SOURCE_DIR "/configs";
  Chip chip;
  auto node = load_node(context, "sn40l-sixteenth");
  EXPECT_TRUE(node.ok());
  chip.node = *node;
  auto hbm = load_dram(context, "sn40l-sixteenth-hbm");
  auto ddr = load_dram(context, "sn40l-sixteenth-ddr");
  EXPECT_TRUE(hbm.ok() && ddr.ok());
  chip.devices.hbm = std::make_shared<const DramSpec>(*hbm);
  chip.devices.ddr = std::make_shared<const DramSpec>(*ddr);
  return chip;
}

Result<RunResult> timed(const Program& program, const Chip& chip, Fidelity fidelity) {
  RunOptions options;
  options.fidelity = fidelity;
  options.devices = chip.devices;
  return run(program, chip.node, chip.node.stacks[0], options);
}

// Copies `rows` rows of 2 KiB from one symbol to another.
Program copy_program(int64_t rows, int64_t per_token, Tier from = Tier::kHbm) {
  ProgramBuilder b;
  const auto x = b.symbol("x", rows, 1024, DType::kBf16, {}, from);
  const auto y = b.symbol("y", rows, 1024, DType::kBf16);
  const auto c = b.channel("c", per_token, 1024, 4, 6, DType::kBf16, 4);
  b.section().channels[c.value].links = 2;
  b.load("load", x, per_token, {c});
  b.store("store", y, per_token, c);
  return b.finish();
}

TEST(CycleFidelity, CopyIsBoundByTheMemoryInBothFidelities) {
  const Chip chip = sixteenth();
  const Program p = copy_program(2048, 16);
  auto event = timed(p, chip, Fidelity::kEvent);
  auto cycle = timed(p, chip, Fidelity::kCycle);
  ASSERT_TRUE(event.ok()) << event.error().to_string();
  ASSERT_TRUE(cycle.ok()) << cycle.error().to_string();
  // 8 MiB over 112.5 GB/s at 1.6 GHz: 119'305 cycles if nothing were lost; refresh takes 9 %, turnarounds
  // between reads and writes some more, which event does not know.
  EXPECT_GT(cycle->cycles, 119'305);
  EXPECT_LT(cycle->cycles, 2 * 119'305);
  EXPECT_EQ(event->bytes, cycle->bytes);
}

TEST(CycleFidelity, RunsAreEqual) {
  const Chip chip = sixteenth();
  const Program p = copy_program(256, 16);
  auto a = timed(p, chip, Fidelity::kCycle);
  auto b = timed(p, chip, Fidelity::kCycle);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->cycles, b->cycles);
  EXPECT_EQ(a->bytes, b->bytes);
}

// x [rows, 512] times w [64, 512]^T, eight rows of w a token.
Program gemm_program(int64_t rows) {
  ProgramBuilder b;
  const auto x = b.symbol("x", rows, 512, DType::kBf16);
  const auto w = b.symbol("w", 64, 512, DType::kBf16);
  const auto y = b.symbol("y", rows, 64, DType::kBf16);
  const auto cx = b.channel("cx", rows, 512, 1, 6, DType::kBf16, 2);
  const auto cw = b.channel("cw", 8, 512, 2, 6, DType::kBf16, 2);
  const auto cy = b.channel("cy", rows, 64, 1, 6, DType::kBf16, 1);
  for (const auto c : {cx, cw, cy}) b.section().channels[c.value].links = 2;
  b.load("load_x", x, rows, {cx});
  b.load("load_w", w, 8, {cw});
  b.compute("gemm", UnitKind::kGemm, 8, {testing::in(cx, {8, 0, 1}), testing::in(cw)},
            {testing::matmul(0, 1, true)}, {testing::out({cy}, 2, {8, 7, 8}, Accumulate::kConcatCols, 8)}, 2);
  b.store("store", y, rows, cy);
  return b.finish();
}

TEST(CycleFidelity, GemmBetweenMemoryAndMemory) {
  const Chip chip = sixteenth();
  const Program p = gemm_program(4);
  auto event = timed(p, chip, Fidelity::kEvent);
  auto cycle = timed(p, chip, Fidelity::kCycle);
  ASSERT_TRUE(event.ok()) << event.error().to_string();
  ASSERT_TRUE(cycle.ok()) << cycle.error().to_string();
  EXPECT_EQ(event->bytes, cycle->bytes);
  // A weight token (8 KiB) keeps its slot for the HBM latency (240 cycles), its bytes at 112.5 GB/s and 1.6
  // GHz (70.3 B a cycle: 116) and its 128 vectors' reading over two PMUs (64): 420 cycles; eight tokens
  // through two slots are four such rounds. At most what event says, which moves whole tokens one step after
  // the other.
  EXPECT_GE(cycle->sections[0].cycles_per_launch, 4 * 420);
  EXPECT_LE(cycle->sections[0].cycles_per_launch, event->sections[0].cycles_per_launch);
}

// x [4, 512], held, times 64 tokens of eight rows of w, all of which have room on chip; each product is
// stored.
Program storing_program(int64_t tokens) {
  ProgramBuilder b;
  const auto x = b.symbol("x", 4, 512, DType::kBf16);
  const auto w = b.symbol("w", tokens * 8, 512, DType::kBf16);
  const auto y = b.symbol("y", tokens * 4, 8, DType::kBf16);
  const auto cx = b.channel("cx", 4, 512, 1, 6, DType::kBf16, 2);
  const auto cw = b.channel("cw", 8, 512, tokens, 6, DType::kBf16, 2);
  const auto cy = b.channel("cy", 4, 8, 1, 6, DType::kBf16, 1);
  for (const auto c : {cx, cw, cy}) b.section().channels[c.value].links = 2;
  b.load("load_x", x, 4, {cx});
  b.load("load_w", w, 8, {cw});
  b.compute("gemm", UnitKind::kGemm, tokens, {testing::in(cx, {tokens, 0, 1}), testing::in(cw)},
            {testing::matmul(0, 1, true)}, {testing::out({cy}, 2)}, 2);
  b.store("store", y, 4, cy);
  return b.finish();
}

// The memory serves reads first while few writes wait: they are written when the weights are there. What
// makes them goes on meanwhile.
TEST(CycleFidelity, StoresDoNotWaitUntilTheyAreWritten) {
  const Chip chip = sixteenth();
  const Program p = storing_program(64);
  auto event = timed(p, chip, Fidelity::kEvent);
  auto cycle = timed(p, chip, Fidelity::kCycle);
  ASSERT_TRUE(event.ok()) << event.error().to_string();
  ASSERT_TRUE(cycle.ok()) << cycle.error().to_string();
  EXPECT_EQ(event->bytes, cycle->bytes);
  const SectionResult& launch = cycle->sections[0];
  const auto gemm = std::find_if(launch.units.begin(), launch.units.end(),
                                 [](const UnitResult& u) { return u.name == "gemm"; });
  ASSERT_NE(gemm, launch.units.end());
  // It works without a pause, apart from the first token's way and the last one's.
  EXPECT_LT(gemm->starved_cycles + gemm->blocked_cycles, launch.cycles_per_launch / 10);
}

// Weights ask the memory first, all of them; meanwhile the rows that are to be stored gather in their
// channel.
Program gathering_program(int64_t rows, int64_t rows_per_token) {
  ProgramBuilder b;
  const auto w = b.symbol("w", 512, 512, DType::kBf16);
  const auto kept = b.symbol("kept", 512, 512, DType::kBf16, {}, Tier::kSram);
  const auto x = b.symbol("x", rows, 32, DType::kBf16, {}, Tier::kSram);
  const auto y = b.symbol("y", rows, 32, DType::kBf16);
  const auto cw = b.channel("cw", 8, 512, 64, 6, DType::kBf16, 2);
  const auto cx = b.channel("cx", rows_per_token, 32, rows / rows_per_token, 6, DType::kBf16, 1);
  for (const auto c : {cw, cx}) b.section().channels[c.value].links = 2;
  b.load("load_w", w, 8, {cw});
  b.store("keep", kept, 8, cw);
  b.load("load_x", x, rows_per_token, {cx});
  b.store("store", y, rows_per_token, cx).stream->priority = 1;
  return b.finish();
}

// What the memory has in its queues makes room for the next token of a store, also when all tokens are in its
// channel and none comes any more: many small ones are done about as soon as one large one.
TEST(CycleFidelity, AStoreTakesTokensThatWaitAsItPostsThoseBefore) {
  const Chip chip = sixteenth();
  const auto one = timed(gathering_program(64, 64), chip, Fidelity::kCycle);
  const auto many = timed(gathering_program(64, 1), chip, Fidelity::kCycle);
  ASSERT_TRUE(one.ok()) << one.error().to_string();
  ASSERT_TRUE(many.ok()) << many.error().to_string();
  EXPECT_EQ(one->bytes, many->bytes);
  EXPECT_LE(many->cycles, one->cycles + 64) << "a cycle a token";
}

// load gives each token to both; `first` needs two tokens before `join` may use the other copy of the first,
// for which there is one place only.
TEST(CycleFidelity, DeadlockNamesWhoWaits) {
  ProgramBuilder b;
  const auto x = b.symbol("x", 2, 64, DType::kBf16);
  const auto y = b.symbol("y", 2, 64, DType::kBf16);
  const auto c1 = b.channel("c1", 1, 64, 2, 0, DType::kBf16);
  const auto c2 = b.channel("c2", 1, 64, 1, 0, DType::kBf16);
  const auto c3 = b.channel("c3", 2, 64, 1, 0, DType::kBf16);
  const auto c4 = b.channel("c4", 1, 64, 2, 0, DType::kBf16);
  b.load("load", x, 1, {c1, c2});
  b.compute("first", UnitKind::kSimd, 2, {testing::in(c1)}, {},
            {testing::out({c3}, 0, {2, 1, 2}, Accumulate::kConcatRows, 2)});
  b.compute("join", UnitKind::kSimd, 2, {testing::in(c3, {2, 0, 1}), testing::in(c2)}, {},
            {testing::out({c4}, 1)});
  b.store("store", y, 1, c4);
  auto result = timed(b.finish(), sixteenth(), Fidelity::kCycle);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlock) << result.error().to_string();
  for (const char* name : {"load", "first", "join"})
    EXPECT_NE(result.error().what.find(name), std::string::npos) << name;
}

TEST(CycleFidelity, NeedsADevice) {
  Chip chip = sixteenth();
  chip.devices.hbm = nullptr;
  auto result = timed(copy_program(16, 16), chip, Fidelity::kCycle);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().what.find("no device"), std::string::npos);
}

// Lines of random bursts on both ports, equal to the model that knows columns and addresses.
TEST(CyclePmuPorts, EqualToTheModelOfColumns) {
  const Chip chip = sixteenth();
  auto geometry = pmu_geometry(chip.node.chip.pmu, {});
  ASSERT_TRUE(geometry.ok());
  PmuModel model(*geometry);
  cycle::PmuPorts ports(chip.node.chip.pmu);
  int64_t at = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    const bool write = i % 3 == 0;
    const int64_t line = i * 37 % (ports.lines() - 8);
    const auto grant = ports.access(write, at, line, 1);
    const auto expected = model.access_bytes(write ? PmuModel::Port::kWrite : PmuModel::Port::kRead, at,
                                             line * geometry->line_bytes, geometry->line_bytes);
    ASSERT_EQ(grant.last_cycle, expected.last_cycle) << i;
    at += i % 2;
  }
}

}  // namespace
}  // namespace rdusim::sim
