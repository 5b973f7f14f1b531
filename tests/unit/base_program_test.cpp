// Program: text round trip with positions of errors, shards, structural rules, service times.
#include "base/program/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "base/program/pmu_access.h"
#include "base/program/program_text.h"
#include "base/program/service.h"
#include "base/program/topology.h"
#include "base/random.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim {
namespace {

using ::testing::HasSubstr;
using testing::in;
using testing::matmul;
using testing::op;
using testing::out;
using testing::ProgramBuilder;

// Every construct of the text form.
Program sample() {
  ProgramBuilder b(2);
  const ArgumentId w = b.symbol("w \"quoted\"\n", 64, 32, DType::kBf16, {ShardKind::kRows, 2, 8});
  const ArgumentId y = b.symbol("y", 16, 32, DType::kFp32, {}, Tier::kDdr, Cause::kActivations);
  const ChannelId a = b.channel("a", 16, 32);
  const ChannelId own = b.channel("own", 16, 16, 3, 7, DType::kBf16, 2);
  const ChannelId all = b.channel("all", 16, 32);
  const ChannelId c = b.channel("c", 16, 32);
  b.load("load", w, 16, {a}, -3);
  b.exchange("send", UnitKind::kSend, 2, a, own, {9, ExchangeMode::kScatterCols, Combine::kConcatCols});
  b.exchange("receive", UnitKind::kReceive, 2, own, all,
             {9, ExchangeMode::kScatterCols, Combine::kConcatCols});
  b.compute("sum", UnitKind::kSimd, 2, {in(all, {1, 0, 1})},
            {op(TileOpKind::kMulScalar, {0}, 0, 0, 0.1F), op(TileOpKind::kSliceCols, {1}, 0, 32),
             matmul(1, 2, true, 4, 2)},
            {out({c}, 2, {2, 1, 2}, Accumulate::kSum, 2)}, 5);
  b.store("store", y, 16, c);
  Program p = b.finish(2);
  p.orchestration = Orchestration::kSoftware;
  p.flops = 123;
  p.context = 4096;
  return p;
}

TEST(ProgramText, ParsesBackToTheSameProgram) {
  const Program p = sample();
  const std::string text = print_program(p);
  auto parsed = parse_program(text, "p.txt");
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(*parsed, p);
  EXPECT_EQ(print_program(*parsed), text);
  EXPECT_EQ(program_hash(*parsed), program_hash(p));
  Program other = p;
  other.sections[0].units[3].body[0].scalar = 0.2F;
  EXPECT_NE(program_hash(other), program_hash(p));
}

TEST(ProgramText, ErrorsSayLineAndColumn) {
  const auto error = [](const std::string& text) {
    auto parsed = parse_program(text, "p.txt");
    EXPECT_FALSE(parsed.ok()) << text;
    return parsed.ok() ? std::string() : parsed.error().to_string();
  };
  const std::string head =
      "program \"p\" phase \"d\" sockets 1 batch 1 context 0 tokens 1 flops 0 orchestration hardware\n";
  EXPECT_EQ(error(""), "p.txt:1:1: error: there is no 'program' line");
  EXPECT_EQ(error("section \"s\"\n"), "p.txt:1:1: error: expected 'program' first");
  EXPECT_THAT(error(head + "tier mram 5\n"),
              HasSubstr("p.txt:2:6: error: 'mram' is not one of: sram, hbm, ddr"));
  EXPECT_THAT(error(head + "tier hbm five\n"),
              HasSubstr("p.txt:2:10: error: expected an integer, found 'five'"));
  EXPECT_THAT(error(head + "tier hbm 5 6\n"), HasSubstr("p.txt:2:12: error: unexpected '6'"));
  EXPECT_THAT(error(head + "tier hbm\n"), HasSubstr("the line ends too early"));
  EXPECT_THAT(error(head + "section \"s\n"), HasSubstr("p.txt:2:9: error: the quote is not closed"));
  EXPECT_THAT(error(head + "section \"s\"\nop add %0 %1\n"),
              HasSubstr("p.txt:3:1: error: 'op' outside a unit"));
  EXPECT_THAT(
      error(head + "section \"s\"\n unit \"u\" gemm stage \"\" firings 1 pcus 1 pmus 0\n op conv %0\n"),
      HasSubstr("p.txt:4:5: error: 'conv' is not a tile operation"));
  EXPECT_THAT(error(head + "section \"s\"\n unit \"u\" gemm stage \"\" firings 1 pcus 1 pmus 0\n op neg 0\n"),
              HasSubstr("expected a register, found '0'"));
  EXPECT_THAT(error(head + "launch 99999999999\n"),
              HasSubstr("p.txt:2:8: error: 99999999999 is not in [0, 16777216)"));
}

TEST(ProgramText, SurvivesTruncationAndNoise) {
  const std::string text = print_program(sample());
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    std::string bad = text.substr(0, random.below(text.size()));
    for (int k = 0; k < 3 && !bad.empty(); ++k)
      bad[random.below(bad.size())] = static_cast<char>(random.below(256));
    auto parsed = parse_program(bad, "p.txt");
    EXPECT_TRUE(parsed.ok() || parsed.error().where.rfind("p.txt:", 0) == 0);
  }
}

TEST(Shards, AreCeilSizedInGranulesAndShared) {
  const Shard rows{ShardKind::kRows, 4, 8};
  int64_t next = 0;
  for (int64_t s = 0; s < 4; ++s) {  // 100 rows = 13 granules of 8 -> 4 granules each
    const ShardRange r = shard_range(rows, 100, s, 4);
    EXPECT_EQ(r.begin, next);
    next += r.size;
  }
  EXPECT_EQ(next, 100);
  EXPECT_EQ(shard_range(rows, 100, 0, 4).size, 32);
  EXPECT_EQ(shard_range(rows, 100, 3, 4).size, 4);
  const Shard heads{ShardKind::kCols, 2, 1};  // two shards on eight sockets
  EXPECT_EQ(shard_range(heads, 10, 3, 8).begin, 0);
  EXPECT_EQ(shard_range(heads, 10, 4, 8).begin, 5);
  EXPECT_EQ(shard_range(Shard{ShardKind::kRows, 8, 1}, 3, 5, 8).size, 0);
  EXPECT_EQ(shard_range(Shard{}, 7, 3, 8).size, 7);
}

// Four experts of three rows, interleaved, on eight sockets in two groups: socket 5 is second in the group
// that holds experts 2 and 3.
TEST(Shards, OfWholeExpertsAreInterleavedLikeTheTensor) {
  const ShardPart down = shard_part({ShardKind::kExpertCols, 2, 4}, 12, 8, 5, 8);
  EXPECT_EQ(down.rows, 6);
  EXPECT_EQ(down.cols, 2);
  EXPECT_EQ(down.col_begin, 2);
  const std::vector<int64_t> rows = {2, 3, 6, 7, 10, 11};
  for (size_t r = 0; r < rows.size(); ++r) EXPECT_EQ(down.whole_row(static_cast<int64_t>(r)), rows[r]);
  const ShardPart up = shard_part({ShardKind::kExpertRows, 2, 4}, 16, 8, 5, 8);  // four rows an expert
  EXPECT_EQ(up.rows, 2);
  EXPECT_EQ(up.cols, 8);
  EXPECT_EQ(up.whole_row(0), 6);  // row 1 of experts 2 and 3
  EXPECT_EQ(up.whole_row(1), 7);
}

TEST(Shards, OfWholeExpertsMustDivide) {
  EXPECT_TRUE(shard_divides({ShardKind::kExpertRows, 2, 4}, 16, 8, 8));
  EXPECT_FALSE(shard_divides({ShardKind::kExpertRows, 3, 4}, 16, 8, 6));  // experts over groups
  EXPECT_FALSE(shard_divides({ShardKind::kExpertRows, 4, 4}, 16, 8, 6));  // sockets over groups
  EXPECT_FALSE(shard_divides({ShardKind::kExpertRows, 2, 4}, 15, 8, 4));  // rows over experts
  EXPECT_FALSE(shard_divides({ShardKind::kExpertRows, 2, 4}, 12, 8, 4));  // three rows over two sockets
  EXPECT_FALSE(shard_divides({ShardKind::kExpertCols, 2, 4}, 12, 7, 4));
  EXPECT_TRUE(shard_divides({ShardKind::kRows, 8, 3}, 7, 7, 8));
}

TEST(Verify, AcceptsTheSample) {
  const Status status = verify_program(sample(), 100, 100);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
}

TEST(Verify, EveryRuleHasItsMessage) {
  const auto error = [](auto&& change) {
    Program p = sample();
    change(p);
    const Status status = verify_program(p, 100, 100);
    EXPECT_FALSE(status.ok());
    return status.ok() ? std::string() : status.error().to_string();
  };
  using P = Program&;
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].inputs[0].channel = ChannelId(99); }),
              HasSubstr("section main, unit sum: error: input 0 names channel 99 of 4"));
  EXPECT_THAT(error([](P p) {
                p.symbols[0].shard = {ShardKind::kExpertRows, 3, 7};
              }),
              HasSubstr("7 experts do not divide over 3 parts"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[4].inputs[0].channel = ChannelId(2); }),
              HasSubstr("second consumer"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[0].outputs[0].channels.emplace_back(3U); }),
              HasSubstr("second producer"));
  EXPECT_THAT(error([](P p) { p.sections[0].channels.push_back(p.sections[0].channels[0]); }),
              HasSubstr("no unit writes it"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].body[0].operands[0] = 2; }),
              HasSubstr("operation 0 (mul_scalar) reads register %2 before it is defined"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].outputs[0].source = 9; }),
              HasSubstr("register %9 of 4"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].outputs[0].phases = {}; }),
              HasSubstr("channel c: error: unit sum gives 2 tokens, unit store takes 1"));
  EXPECT_THAT(error([](P p) {
                p.sections[0].units[3].inputs[0].phases = {2, 2, 2};
              }),
              HasSubstr("0 <= begin < end <= period"));
  EXPECT_THAT(error([](P p) {
                p.sections[0].units[3].inputs[0].phases = {2, 1, 2};
              }),
              HasSubstr("before its first token"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[0].stream.reset(); }), HasSubstr("have a stream"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].exchange.reset(); }), HasSubstr("have an exchange"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].exchange->id = 8; }), HasSubstr("has no receive unit"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[0].stream->rows = 40; }),
              HasSubstr("fires 2 times, its stream has 3 tokens"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[0].stream->begin = 1; }),
              HasSubstr("the stream reaches row 33"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].outputs[0].accumulate = Accumulate::kSum; }),
              HasSubstr("without accumulating"));
  EXPECT_THAT(error([](P p) { p.sections[0].channels[0].capacity_tokens = int64_t{1} << 40; }),
              HasSubstr("absurd"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].pcus = 0; }), HasSubstr("needs a PCU"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].pcus = 101; }),
              HasSubstr("section main: error: needs 101 PCUs"));
  EXPECT_THAT(error([](P p) { p.sections[0].channels[0].pmus = 200; }),
              HasSubstr("PMUs, a socket has 100 and 100"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].name = "store"; }),
              HasSubstr("a second unit has this name"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[3].kind = UnitKind::kBuffer; }),
              HasSubstr("a buffer cannot compute"));
  EXPECT_THAT(error([](P p) { p.symbols[0].offset_bytes = 1; }), HasSubstr("are outside the hbm"));
  EXPECT_THAT(error([](P p) { p.symbols[0].rows = 31; }),
              HasSubstr("socket 0's shard of 64 x 32 is 32 x 32"));
  EXPECT_THAT(error([](P p) { p.symbols.push_back(p.symbols[0]); }), HasSubstr("shares bytes with symbol"));
  EXPECT_THAT(error([](P p) { p.launches[0].bindings.pop_back(); }), HasSubstr("binds 1 symbols"));
  EXPECT_THAT(error([](P p) { p.launches[0].section = SectionId(7); }),
              HasSubstr("launch 0: error: section 7 of 1"));
  EXPECT_THAT(error([](P p) { p.symbols[1].last_step = 0; }),
              HasSubstr("launch 1: error: uses symbol y outside its life"));
}

TEST(Verify, DeadSymbolsMayShareBytes) {
  Program p = sample();
  p.symbols.push_back(p.symbols[0]);
  p.symbols[0].last_step = 0;
  p.symbols[2].first_step = 1;
  p.launches[1].bindings[0] = SymbolId(2);
  EXPECT_TRUE(verify_program(p, 100, 100).ok());
}

TEST(Topology, ActiveFiringsEqualsCounting) {
  for (const Phases phases : {Phases{1, 0, 1}, Phases{4, 0, 1}, Phases{4, 3, 4}, Phases{5, 1, 4}}) {
    for (int64_t n = 0; n < 23; ++n) {
      int64_t count = 0;
      for (int64_t f = 0; f < n; ++f) count += phases.active(f) ? 1 : 0;
      EXPECT_EQ(active_firings(phases, n), count);
    }
  }
}

// PCU of the small chip: 32 lanes, 6 stages.
TEST(Service, SystolicArrayAndVectorForms) {
  const PcuSpec pcu = testing::small_chip().pcu;
  const auto cycles = [&](int64_t m, int64_t n, int64_t k, int64_t pcus, int64_t groups = 1) {
    return matmul_cycles(pcu, matmul(0, 1, true, groups, 1), {m * n * k, m, n, k}, pcus);
  };
  EXPECT_EQ(cycles(6, 32, 100, 1), 100);  // one tile
  EXPECT_EQ(cycles(32, 6, 100, 1), 100);  // the same, turned
  EXPECT_EQ(cycles(7, 32, 100, 1), 200);  // one row too many
  EXPECT_EQ(cycles(60, 320, 4096, 10), 10 * 4096);
  EXPECT_EQ(cycles(60, 320, 4096, 100), 4096);
  EXPECT_EQ(cycles(60, 320, 4096, 400), 1024);   // four PCUs a tile split K
  EXPECT_EQ(cycles(60, 320, 4096, 100'000), 6);  // but its rows must drain
  EXPECT_EQ(cycles(6, 32, 100, 1000), 4);        // or a dot product a PCU, K in the lanes
  EXPECT_EQ(cycles(1, 256, 128, 8), 128);        // gemv: a weight vector a cycle and PCU
  EXPECT_EQ(cycles(1, 1, 4096, 1), 128);
  EXPECT_EQ(cycles(24, 32, 64, 4, 4), 64);  // four groups of six rows
  EXPECT_EQ(cycles(0, 32, 64, 4), 0);
}

// 100 tiles: whole ones would take 70 PCUs two rounds, of which the second uses 30.
TEST(Service, TilesThatDoNotDivideAreCutAlongTheReduction) {
  const PcuSpec pcu = testing::small_chip().pcu;
  const auto cycles = [&](int64_t k, int64_t pcus) {
    return matmul_cycles(pcu, matmul(0, 1, true), {60 * 320 * k, 60, 320, k}, pcus);
  };
  EXPECT_EQ(cycles(4096, 70), 10 * 586);  // seven parts: 700 of them on 70 PCUs
  EXPECT_EQ(cycles(4096, 50), 2 * 4096);
  EXPECT_EQ(cycles(12, 70), 3 * 6);  // a part lasts as long as its results take to leave
  int64_t before = cycles(4096, 1);
  for (int64_t pcus = 2; pcus <= 300; ++pcus) {
    const int64_t now = cycles(4096, pcus);
    const double ideal = 100.0 * 4096 / static_cast<double>(pcus);
    EXPECT_LE(now, before) << pcus;
    EXPECT_GE(static_cast<double>(now), ideal) << pcus;
    EXPECT_LE(static_cast<double>(now), 1.2 * ideal) << pcus;  // eight parts a tile at most
    before = now;
  }
}

TEST(Service, ChainsOfMapsPassInGroupsOfStages) {
  const PcuSpec pcu = testing::small_chip().pcu;
  const auto cycles = [&](size_t ops, TileOpKind kind, UnitKind unit_kind = UnitKind::kSimd) {
    Unit u;
    u.kind = unit_kind;
    u.pcus = 2;
    u.inputs.resize(1);
    for (size_t i = 0; i < ops; ++i) u.body.push_back(op(kind, {static_cast<Register>(i)}, 64));
    std::vector<Extent> registers = {{64, 64, 0, 0}};
    const std::vector<bool> needed(ops + 1, true);
    EXPECT_TRUE(firing_extents(u, needed, 0, registers).ok());
    return compute_service(u, pcu, needed, registers);
  };
  EXPECT_EQ(cycles(1, TileOpKind::kNeg), 64);  // 4096 elements / (32 lanes x 2)
  EXPECT_EQ(cycles(6, TileOpKind::kNeg), 64);
  EXPECT_EQ(cycles(7, TileOpKind::kNeg), 128);
  EXPECT_EQ(cycles(1, TileOpKind::kExp), 64);
  EXPECT_EQ(cycles(2, TileOpKind::kExp), 128);
  EXPECT_EQ(cycles(3, TileOpKind::kReshape), 1);
}

TEST(Service, UnneededOperationsCostNothing) {
  Unit u;
  u.inputs.resize(1);
  u.body = {op(TileOpKind::kNeg, {0}), op(TileOpKind::kExp, {1})};
  u.outputs.resize(2);
  u.outputs[0].source = 1;
  u.outputs[1].source = 2;
  EXPECT_EQ(needed_registers(u, {true, false}), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(needed_registers(u, {false, true}), (std::vector<bool>{true, true, true}));
  EXPECT_EQ(needed_registers(u, {false, false}), (std::vector<bool>{false, false, false}));
}

// A buffer whose body is these operations, one after the other.
Unit buffer_of(std::initializer_list<TileOpKind> body) {
  Unit unit;
  unit.kind = UnitKind::kBuffer;
  unit.inputs.resize(1);
  for (const TileOpKind kind : body) {
    TileOp& op = unit.body.emplace_back();
    op.kind = kind;
    op.operands[0] = static_cast<Register>(unit.body.size() - 1);
  }
  return unit;
}

TEST(PmuAccess, IsThatOfTheLastOperationThatRearranges) {
  EXPECT_EQ(pmu_access(buffer_of({}), 0), PmuAccess::kStream);
  EXPECT_EQ(pmu_access(buffer_of({TileOpKind::kSliceCols}), 1), PmuAccess::kStream);
  const Unit turned = buffer_of({TileOpKind::kSliceCols, TileOpKind::kTranspose, TileOpKind::kReshape});
  EXPECT_EQ(pmu_access(turned, 3), PmuAccess::kColumns);
  EXPECT_EQ(pmu_access(turned, 1), PmuAccess::kStream);
  EXPECT_EQ(pmu_access(buffer_of({TileOpKind::kGatherRows}), 1), PmuAccess::kGather);
}

TEST(PmuAccess, PortsMoveLines) {
  const PmuSpec pmu = testing::small_chip().pmu;
  ASSERT_EQ(pmu.port_bytes_per_cycle, 64);
  const auto read = [&](PmuAccess access, int64_t pmus, int64_t rows, int64_t cols) {
    return pmu_read_cycles(pmu, pmus, access, {rows, cols, 0, 0}, 2);
  };
  EXPECT_EQ(read(PmuAccess::kStream, 4, 1, 1280), 10);
  EXPECT_EQ(read(PmuAccess::kStream, 4, 1, 1281), 11);
  EXPECT_EQ(read(PmuAccess::kStream, 0, 0, 0), 0);
  EXPECT_EQ(read(PmuAccess::kColumns, 1, 100, 32), 100);  // a column of 32 rows fills a vector
  EXPECT_EQ(read(PmuAccess::kColumns, 1, 100, 4), 100);   // one of 4 takes one as well
  EXPECT_EQ(read(PmuAccess::kColumns, 1, 100, 33), 200);
  EXPECT_EQ(read(PmuAccess::kColumns, 8, 100, 4), 13);
  EXPECT_EQ(read(PmuAccess::kGather, 1, 10, 100), 40);  // 200 B of a row are four vectors
  EXPECT_EQ(read(PmuAccess::kGather, 1, 10, 24), 10);   // more than half a line: none shares a vector
  EXPECT_EQ(read(PmuAccess::kGather, 1, 64, 1), 2);     // no table: the port's rate
  EXPECT_EQ(pmu_write_cycles(pmu, 1, PmuAccess::kColumns, {4, 40, 0, 0}, 2), 8);  // rows padded to lines
  EXPECT_EQ(pmu_write_cycles(pmu, 1, PmuAccess::kStream, {4, 40, 0, 0}, 2), 5);
}

TEST(PmuAccess, NarrowGathersTakeTheTable) {
  PmuSpec pmu = testing::small_chip().pmu;
  PmuService table;
  table.row_bytes = {2, 8, 32};
  table.efficiency = {0.125, 0.25, 0.5};
  pmu.service = std::make_shared<const PmuService>(table);
  const auto cycles = [&](int64_t rows, int64_t cols) {
    return pmu_read_cycles(pmu, 1, PmuAccess::kGather, {rows, cols, 0, 0}, 2);
  };
  EXPECT_EQ(cycles(64, 1), 16);  // 128 B at 8 B a cycle
  EXPECT_EQ(cycles(64, 2), static_cast<int64_t>(std::ceil(256 / (64 * 0.1875))));
  EXPECT_EQ(cycles(64, 16), 64);
  EXPECT_EQ(cycles(64, 32), 64);  // whole lines need no table
}

}  // namespace
}  // namespace rdusim
