// Placement and routes: what verify_program cannot see. That units stand where the rules allow and that
// routes are trees without deadlock it checks at the end of every compile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/program_text.h"
#include "base/program/route.h"
#include "base/random.h"
#include "compiler/compile.h"
#include "compiler/passes/ways.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;
using ::testing::HasSubstr;

Program compile_or_fail(const DecoderSpec& spec, const CompileOptions& options,
                        const ChipSpec& chip = rdusim::testing::small_chip()) {
  auto program = compile(decoder_graph(spec), chip, options);
  EXPECT_TRUE(program.ok()) << program.error().to_string();
  return program.ok() ? std::move(*program) : Program();
}

DecoderSpec prompt_of(int64_t tokens) {
  DecoderSpec spec;
  spec.query = tokens;
  spec.past = 0;
  return spec;
}

TEST(Place, EveryUnitAndEveryPmuHasATile) {
  const Program p = compile_or_fail(prompt_of(130), {});
  EXPECT_EQ(p.mesh, mesh_shape(rdusim::testing::small_chip()));
  for (const Section& section : p.sections) {
    for (const Unit& unit : section.units) {
      EXPECT_EQ(static_cast<int64_t>(unit.tiles.size()), unit.pcus + unit.pmus) << unit.name;
      EXPECT_EQ(unit.agcus.empty(), !unit.stream && !unit.exchange) << unit.name;
    }
    for (const Channel& c : section.channels)
      EXPECT_EQ(static_cast<int64_t>(c.tiles.size()), c.pmus) << c.name;
  }
}

// Stages that talk lie nearer to each other than two tiles picked at random: a third of rows plus columns.
TEST(Place, NeighboursInThePipelineAreNear) {
  const Program p = compile_or_fail(prompt_of(130), {});
  const Fabric fabric(rdusim::testing::small_chip());
  for (const Section& section : p.sections) {
    double way = 0;
    double parts = 0;
    for (const Channel& c : section.channels) {
      for (const Route& route : c.legs[0]) {
        if (c.pmus == 0) continue;
        way += static_cast<double>(fabric.distance(route.points.front().tile, route.points.back().tile));
        parts += 1;
      }
    }
    if (section.name != "layer") continue;
    EXPECT_GT(parts, 0);
    EXPECT_LT(way / parts, static_cast<double>(p.mesh.rows + p.mesh.columns) / 3);
  }
}

TEST(Route, EveryChannelOverTheMeshHasItsRoutesLatencyAndAShare) {
  const ChipSpec chip = rdusim::testing::small_chip();
  const Program p = compile_or_fail(prompt_of(130), {}, chip);
  const Fabric fabric(chip);
  for (const Section& section : p.sections) {
    EXPECT_TRUE(dependency_cycle(fabric, section).empty());
    for (const Channel& c : section.channels) {
      EXPECT_EQ(c.legs[0].empty(), c.links == 0) << c.name;
      EXPECT_EQ(c.legs[1].empty(), c.pmus == 0) << c.name;
      int64_t latency = 0;
      for (const auto& leg : c.legs) {
        int64_t longest = 0;
        for (const Route& route : leg) longest = std::max(longest, route_cycles(fabric, chip.rdn, route));
        latency += longest;
      }
      EXPECT_EQ(c.latency_cycles, latency) << c.name;
    }
  }
}

TEST(Route, WhatLeadsWestGoesWestFirst) {
  const Program p = compile_or_fail(prompt_of(130), {});
  const Fabric fabric(rdusim::testing::small_chip());
  int64_t turns = 0;
  for (const Section& section : p.sections) {
    for (const Channel& c : section.channels) {
      for (const auto& leg : c.legs) {
        for (const Route& route : leg) {
          for (size_t i = 2; i < route.points.size(); ++i) {
            const Waypoint& w = route.points[i];
            if (w.parent == 0) continue;
            const TileId before = route.points[route.points[w.parent].parent].tile;
            const TileId corner = route.points[w.parent].tile;
            const bool turned = fabric.straight(corner, w.tile) != fabric.straight(before, corner);
            EXPECT_FALSE(turned && fabric.straight(corner, w.tile) == Heading::kWest);
            turns += turned ? 1 : 0;
          }
        }
      }
    }
  }
  EXPECT_GT(turns, 0);
}

// Multicasts are weighed by stretches and made as routes: both must be the same links, each once.
TEST(Route, AMulticastsStretchesAreItsLinks) {
  const Fabric fabric(MeshShape{12, 17, 1, 4}, 100, 100);
  Random random(7);
  const auto any_tile = [&] { return TileId(static_cast<size_t>(random.below(12 * 17))); };
  for (int round = 0; round < 300; ++round) {
    std::set<TileId> to;
    for (uint64_t n = 1 + random.below(20); n > 0; --n) to.insert(any_tile());
    const std::vector<TileId> tiles(to.begin(), to.end());
    const TileId from = any_tile();
    const MulticastTo multicast(fabric, tiles);
    const auto trunk = static_cast<int64_t>(random.below(12));
    std::vector<size_t> made;
    std::set<TileId> reached;
    const Route route = multicast.way(from, trunk);
    visit_links(fabric, route, [&](LinkId l) { made.push_back(l.value); });
    for (const Waypoint& w : route.points) {
      if (w.delivers) reached.insert(w.tile);
    }
    std::vector<size_t> weighed;
    multicast.visit_stretches(from, trunk, [&](TileId at, Heading heading, int64_t hops) {
      for (; hops > 0; --hops, at = fabric.step(at, heading))
        weighed.push_back(fabric.link(at, heading).value);
      return true;
    });
    std::sort(made.begin(), made.end());
    std::sort(weighed.begin(), weighed.end());
    EXPECT_EQ(made, weighed) << round;
    EXPECT_EQ(std::adjacent_find(made.begin(), made.end()), made.end()) << round;
    EXPECT_EQ(reached, to) << round;
  }
}

// A mesh whose links are ten times narrower leaves each channel less, and never more.
TEST(Route, NarrowLinksLeaveSmallerShares) {
  ChipSpec chip = rdusim::testing::small_chip();
  const Program wide = compile_or_fail(prompt_of(130), {}, chip);
  int64_t shared = 0;
  for (const Section& section : wide.sections) {
    for (const Channel& c : section.channels) {
      EXPECT_GE(c.share_permille, 1);
      EXPECT_LE(c.share_permille, 1000);
      shared += c.share_permille < 1000 ? 1 : 0;
    }
  }
  EXPECT_GT(shared, 0);
}

TEST(Route, PlacedProgramsOfEveryFusionParseBack) {
  for (const Fusion fusion : {Fusion::kNone, Fusion::kLayer, Fusion::kAuto}) {
    CompileOptions options;
    options.fusion = fusion;
    const Program p = compile_or_fail(DecoderSpec{}, options);
    auto parsed = parse_program(print_program(p), "p.txt");
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    EXPECT_EQ(*parsed, p);
    const Program again = compile_or_fail(DecoderSpec{}, options);
    EXPECT_EQ(again, p);
  }
}

TEST(Skip, WithoutRoutesEveryChannelHasTheAverageLatency) {
  const ChipSpec chip = rdusim::testing::small_chip();
  CompileOptions options;
  options.skip = {"route"};
  const Program placed = compile_or_fail(DecoderSpec{}, options);
  options.skip = {"place", "route", "simplify", "loop"};
  const Program plain = compile_or_fail(DecoderSpec{}, options);
  EXPECT_EQ(plain.mesh, MeshShape{});
  for (const Program* p : {&placed, &plain}) {
    for (const Section& section : p->sections) {
      for (const Channel& c : section.channels)
        EXPECT_EQ(c.latency_cycles, chip.rdn.hop_latency_cycles * chip.rdn.average_hops);
    }
  }
}

TEST(Skip, PassesThatOthersNeedOrThatDoNotExistAreRefused) {
  const auto error = [](std::string name) {
    CompileOptions options;
    options.skip = {std::move(name)};
    auto program = compile(decoder_graph(DecoderSpec{}), rdusim::testing::small_chip(), options);
    EXPECT_FALSE(program.ok());
    return program.ok() ? std::string() : program.error().to_string();
  };
  EXPECT_EQ(error("place"), "--skip place: error: pass route needs its result\n  hint: skip route too");
  EXPECT_THAT(error("plan_memory"), HasSubstr("a program needs this pass"));
  EXPECT_THAT(error("plaice"), HasSubstr("the passes are absorb, simplify, shard"));
}

}  // namespace
}  // namespace rdusim::compiler
