// The mesh: which tile holds what, how links are numbered, and the rules that placements and routes obey.
#include "base/arch/fabric.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/program/program_text.h"
#include "base/program/route.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::in;
using testing::op;
using testing::out;
using testing::ProgramBuilder;

TileId t(size_t n) {
  return TileId(n);
}

TEST(Fabric, EqualNumbersMakeACheckerboard) {
  const Fabric fabric({6, 8, 2, 4}, 24, 24);
  for (int64_t r = 0; r < 6; ++r) {
    for (int64_t c = 0; c < 8; ++c) {
      EXPECT_EQ(fabric.kind(fabric.tile(r, c)), (r + c) % 2 == 1 ? TileKind::kPcu : TileKind::kPmu);
    }
  }
}

TEST(Fabric, HoldsAsManyUnitsAsTheChipWhateverTheMix) {
  for (const auto& [pcus, pmus] : {std::pair{64, 96}, std::pair{1, 7}, std::pair{50, 3}, std::pair{0, 4}}) {
    ChipSpec chip = testing::small_chip();
    chip.pcu.count = pcus;
    chip.pmu.count = pmus;
    const Fabric fabric(chip);
    std::map<TileKind, int64_t> count;
    for (int64_t i = 0; i < fabric.tiles(); ++i) ++count[fabric.kind(fabric.on_snake(i))];
    EXPECT_EQ(count[TileKind::kPcu], pcus);
    EXPECT_EQ(count[TileKind::kPmu], pmus);
  }
}

TEST(Fabric, NeighboursOnTheSnakeAreNeighboursOnTheMesh) {
  const Fabric fabric({5, 7, 1, 2}, 17, 18);
  std::set<TileId> seen = {fabric.on_snake(0)};
  for (int64_t i = 1; i < fabric.tiles(); ++i) {
    EXPECT_EQ(fabric.distance(fabric.on_snake(i - 1), fabric.on_snake(i)), 1);
    seen.insert(fabric.on_snake(i));
  }
  EXPECT_EQ(static_cast<int64_t>(seen.size()), fabric.tiles());
}

TEST(Fabric, LinksLeadToNeighboursAndBack) {
  const Fabric fabric({4, 6, 2, 4}, 12, 12);
  int64_t links = 0;
  int64_t crossings = 0;
  for (size_t tile = 0; tile < 24; ++tile) {
    for (size_t h = 0; h < kHeadings; ++h) {
      const auto heading = static_cast<Heading>(h);
      const std::optional<TileId> to = fabric.neighbour(t(tile), heading);
      if (!to) continue;
      ++links;
      const LinkId link = fabric.link(t(tile), heading);
      EXPECT_EQ(fabric.from(link), t(tile));
      EXPECT_EQ(fabric.heading(link), heading);
      EXPECT_EQ(fabric.straight(t(tile), *to), heading);
      EXPECT_EQ(fabric.neighbour(*to, static_cast<Heading>((h + 2) % kHeadings)), t(tile));
      crossings += fabric.crosses_die(link) ? 1 : 0;
    }
  }
  EXPECT_EQ(links, 2 * (4 * 5 + 3 * 6));
  EXPECT_EQ(crossings, 2 * 4);  // a row, each way
}

TEST(Fabric, AgcusSitAtBothOuterBorders) {
  const Fabric fabric({8, 4, 1, 4}, 16, 16);
  std::vector<TileId> tiles;
  for (int64_t p = 0; p < fabric.agcu_ports(); ++p) tiles.push_back(fabric.agcu_tile(p));
  EXPECT_THAT(tiles, ElementsAre(fabric.tile(2, 0), fabric.tile(6, 0), fabric.tile(2, 3), fabric.tile(6, 3)));
}

// AGCU port 0 -> a -> sum on tiles 1 and 3 -> c in a PMU on tile 2 -> AGCU port 1, on this mesh:
//     PMU 0 | PCU 1 | PMU 2 | PCU 3
//     PCU 4 | PMU 5 | PCU 6 | PMU 7        ports: 0 at tile 4, 1 at tile 7; dies meet between columns 1 and 2
Program routed() {
  ProgramBuilder b(1);
  const ArgumentId w = b.symbol("w", 32, 32, DType::kBf16, {});
  const ArgumentId y = b.symbol("y", 32, 32, DType::kBf16, {}, Tier::kDdr, Cause::kActivations);
  const ChannelId a = b.channel("a", 16, 32, 2, 0, DType::kBf16, 0);
  const ChannelId c = b.channel("c", 16, 32, 2, 0, DType::kBf16, 1);
  b.load("load", w, 16, {a});
  b.compute("scale", UnitKind::kSimd, 2, {in(a)}, {op(TileOpKind::kMulScalar, {0}, 0, 0, 0.5F)},
            {out({c}, 1)}, 2);
  b.store("store", y, 16, c);
  Program p = b.finish();
  p.mesh = {2, 4, 2, 2};
  Section& s = p.sections[0];
  s.units[0].agcus = {0};
  s.units[1].tiles = {t(1), t(3)};
  s.units[2].agcus = {1};
  s.channels[0].share_permille = 870;
  s.channels[0].legs[0] = {{{{t(4)}, {t(5), 0}, {t(1), 1, true}, {t(3), 2, true}}}};
  s.channels[1].pmus = 1;
  s.channels[1].tiles = {t(2)};
  s.channels[1].legs[0] = {{{{t(1)}, {t(2), 0, true}}}, {{{t(3)}, {t(2), 0, true}}}};
  s.channels[1].legs[1] = {{{{t(2)}, {t(6), 0}, {t(7), 1, true}}}};
  return p;
}

TEST(Route, HopsAndCycles) {
  const Program p = routed();
  const Fabric fabric(p.mesh, 4, 4);
  const Route& multicast = p.sections[0].channels[0].legs[0][0];
  std::vector<LinkId> links;
  visit_links(fabric, multicast, [&](LinkId l) { links.push_back(l); });
  EXPECT_THAT(links, ElementsAre(fabric.link(t(4), Heading::kEast), fabric.link(t(5), Heading::kNorth),
                                 fabric.link(t(1), Heading::kEast), fabric.link(t(2), Heading::kEast)));
  RdnSpec rdn = testing::small_chip().rdn;
  rdn.hop_latency_cycles = 2;
  rdn.die_hop_latency_cycles = 9;
  EXPECT_EQ(route_cycles(fabric, rdn, multicast), 3 * 2 + 9);
}

TEST(Route, PlacedProgramsPrintAndParseBack) {
  const Program p = routed();
  ASSERT_TRUE(verify_program(p, 4, 4).ok()) << verify_program(p, 4, 4).error().to_string();
  const std::string text = print_program(p);
  EXPECT_THAT(text, HasSubstr("mesh 2 x 4 dies 2 agcus 2\n"));
  EXPECT_THAT(text, HasSubstr("    route 0 4 5 1! 3!\n"));
  auto parsed = parse_program(text, "p.txt");
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(*parsed, p);
}

TEST(Route, BranchesPrintAndParseBack) {
  Program p = routed();
  p.sections[0].channels[0].legs[0][0] = {{{t(4)}, {t(5), 0}, {t(1), 1, true}, {t(7), 1}, {t(3), 3, true}}};
  ASSERT_TRUE(verify_program(p, 4, 4).ok()) << verify_program(p, 4, 4).error().to_string();
  const std::string text = print_program(p);
  EXPECT_THAT(text, HasSubstr("    route 0 4 5 1! 7<1 3!\n"));
  auto parsed = parse_program(text, "p.txt");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, p);
}

TEST(Route, VerifyNamesTheBrokenRule) {
  const auto error = [](auto change) {
    Program p = routed();
    change(p);
    const Status status = verify_program(p, 4, 4);
    EXPECT_FALSE(status.ok());
    return status.ok() ? std::string() : status.error().to_string();
  };
  const auto leg = [](Program& p, size_t c, size_t l) -> std::vector<Route>& {
    return p.sections[0].channels[c].legs[l];
  };
  using P = Program&;
  EXPECT_THAT(error([](P p) { p.mesh = {}; }), HasSubstr("placed on no mesh"));
  EXPECT_THAT(error([](P p) { p.mesh.columns = 3; }), HasSubstr("no room for 4 PCUs and 4 PMUs"));
  EXPECT_THAT(error([](P p) { p.mesh.dies = 9; }), HasSubstr("absurd"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].tiles.pop_back(); }),
              HasSubstr("has 2 PCUs on 1 tiles"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].tiles[0] = t(2); }),
              HasSubstr("tile 2 holds a PMU, not a PCU"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].tiles[0] = t(3); }), HasSubstr("tile 3 is used twice"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].tiles[0] = t(8); }), HasSubstr("tile 8 of 8"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[0].agcus = {2}; }), HasSubstr("AGCU port 2 of 2"));
  EXPECT_THAT(error([](P p) { p.sections[0].units[1].agcus = {0}; }),
              HasSubstr("only streams and exchanges"));
  EXPECT_THAT(error([&](P p) { leg(p, 1, 1).clear(); }), HasSubstr("to its PMUs and from them"));
  EXPECT_THAT(error([&](P p) { leg(p, 1, 0).pop_back(); }), HasSubstr("no route starts at tile 3"));
  EXPECT_THAT(error([&](P p) { leg(p, 0, 0)[0].points.pop_back(); }), HasSubstr("no route reaches tile 3"));
  EXPECT_THAT(error([&](P p) { leg(p, 0, 0)[0].points[3].delivers = false; }),
              HasSubstr("ends at tile 3 without delivering"));
  EXPECT_THAT(error([&](P p) { leg(p, 0, 0)[0].points[1].delivers = true; }),
              HasSubstr("delivers at tile 5, which is no end"));
  EXPECT_THAT(error([&](P p) { leg(p, 0, 0)[0].points[0].tile = t(6); }),
              HasSubstr("starts at tile 6, which is no end"));
  EXPECT_THAT(error([&](P p) { leg(p, 0, 0)[0].points[3].tile = t(7); }),
              HasSubstr("no straight way from tile 1 to tile 7"));
  EXPECT_THAT(error([&](P p) {
                leg(p, 0, 0)[0].points.push_back({t(1), 3, true});
              }),
              HasSubstr("meets tile 2 twice"));
  EXPECT_THAT(error([&](P p) { leg(p, 0, 0)[0].points[2].parent = 3; }), HasSubstr("hangs on a later one"));
  EXPECT_THAT(error([](P p) { p.sections[0].channels[0].share_permille = 0; }), HasSubstr("1 to 1000"));
}

// Four routes around the inner square of a mesh, each turning left: every one can hold the link that the next
// one waits for.
TEST(Route, RoutesThatWaitInACircleAreFound) {
  const Fabric fabric({2, 2, 1, 1}, 2, 2);
  Section section;
  section.channels.resize(1);
  auto& leg = section.channels[0].legs[0];
  leg = {{{{t(0)}, {t(1), 0}, {t(3), 1, true}}},
         {{{t(1)}, {t(3), 0}, {t(2), 1, true}}},
         {{{t(3)}, {t(2), 0}, {t(0), 1, true}}},
         {{{t(2)}, {t(0), 0}, {t(1), 1, true}}}};
  EXPECT_EQ(dependency_cycle(fabric, section).size(), 4U);
  leg.pop_back();
  EXPECT_TRUE(dependency_cycle(fabric, section).empty());
}

TEST(Verify, LaunchesThatLoopBindARowAnIteration) {
  Program p = routed();
  Launch& launch = p.launches[0];
  launch.iterations = 3;
  EXPECT_THAT(verify_program(p, 4, 4).error().to_string(),
              HasSubstr("binds 2 symbols, section main has 2 arguments, 3 times"));
  launch.bindings = {SymbolId(0), SymbolId(1), SymbolId(0), SymbolId(1), SymbolId(0), SymbolId(1)};
  EXPECT_THAT(verify_program(p, 4, 4).error().to_string(), HasSubstr("outside its life"));
  for (Symbol& s : p.symbols) s.last_step = 2;
  ASSERT_TRUE(verify_program(p, 4, 4).ok());
  EXPECT_EQ(program_steps(p), 3);
  auto parsed = parse_program(print_program(p), "p.txt");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, p);
}

}  // namespace
}  // namespace rdusim
