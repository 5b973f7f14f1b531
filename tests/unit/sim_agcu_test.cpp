// The AGCU and top-level network by hand: bursts, segments, credit windows, collectives against their closed
// forms, the launch sequence as a sum.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "sim/agcu/coalescer.h"
#include "sim/agcu/collective.h"
#include "sim/agcu/launch.h"
#include "sim/agcu/peer_link.h"
#include "sim/agcu/translation.h"

namespace rdusim::sim::agcu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Agcu, AdjacentAccessesShareBursts) {
  Coalescer coalescer({64, 2});
  std::vector<int64_t> bursts;
  for (int64_t address = 96; address < 256; address += 4) coalescer.access(address, 4, bursts);
  EXPECT_THAT(bursts, ElementsAre(64, 128, 192));
  EXPECT_EQ(coalescer.useful_bytes(), 160);
  EXPECT_EQ(coalescer.moved_bytes(), 192);
  coalescer.access(60, 200, bursts);  // 0, 64, 128 and 192, 256: the window holds two bursts, 128 and 192
  EXPECT_EQ(coalescer.bursts(), 3 + 5);
}

TEST(Agcu, GathersOfNeighboursCostLess) {
  const CoalescerSpec spec{64, 4};
  EXPECT_THAT(gather_bursts(spec, 0, 2, 64, {5, 3, 5}), ElementsAre(320, 192));
  EXPECT_THAT(gather_bursts(spec, 0, 2, 2, {0, 31, 32, 1}), ElementsAre(0, 64));
  // A row of 128 B at a stride is its two bursts, wherever it starts.
  EXPECT_THAT(gather_bursts(spec, 32, 128, 4096, {1}), ElementsAre(4096, 4160, 4224));
}

TEST(Agcu, SegmentsTranslateAndTheLeastRecentlyUsedIsDropped) {
  TranslationSpec spec;
  spec.entries = 2;
  auto t = std::move(Translation::make(spec, {{4096, 100, 7}, {0, 50, 1000}, {8192, 1, 0}})).value();
  EXPECT_EQ(t.translate(4100, 8)->physical, 11);
  EXPECT_EQ(t.translate(49, 1)->cycles, spec.miss_cycles);
  EXPECT_TRUE(t.translate(4096, 100)->hit);
  EXPECT_FALSE(t.translate(8192, 1)->hit);  // drops the segment at 0
  EXPECT_TRUE(t.translate(4096, 1)->hit);
  EXPECT_FALSE(t.translate(0, 1)->hit);
  EXPECT_EQ(t.hits(), 2);
  EXPECT_EQ(t.misses(), 4);
  EXPECT_THAT(t.translate(49, 2).error().what, HasSubstr("no segment holds 2 bytes at 49"));
  EXPECT_THAT(t.translate(60, 1).error().what, HasSubstr("no segment"));
  EXPECT_THAT(Translation::make(spec, {{0, 10, 0}, {9, 10, 0}}).error().what, HasSubstr("overlap"));
  spec.entries = 0;
  auto flat = std::move(Translation::make(spec, {})).value();
  EXPECT_EQ(flat.translate(77, 1)->physical, 77);
  EXPECT_EQ(flat.translate(77, 1)->cycles, 0);
}

TEST(Agcu, PeerLinkByHand) {
  PeerLinkSpec link;
  link.bandwidth_bytes_per_s = 1e9;  // a byte a nanosecond
  link.latency_ns = 1000;
  link.packet_bytes = 90;
  link.header_bytes = 10;
  link.window_bytes = 90 * 1000;
  // Ten packets of 100 ns, then the wire.
  EXPECT_EQ(transfer(link, 900).finish_ps, 2'000'000);
  EXPECT_EQ(transfer(link, 900).first_byte_ps, 1'010'000);
  EXPECT_EQ(transfer(link, 901).finish_ps, 2'011'000);
  // A window of two packets: two every 100 + 2000 ns.
  link.window_bytes = 180;
  const auto slow = transfer(link, 900);
  EXPECT_EQ(slow.finish_ps, 4 * 2'100'000 + 200'000 + 1'000'000);
  EXPECT_EQ(slow.stalled_ps, 4 * 1'900'000);
  EXPECT_NEAR(steady_bytes_per_s(link), 180 / 2100e-9, 1);
  EXPECT_NEAR(9e6 / (static_cast<double>(transfer(link, 9'000'000).finish_ps) * 1e-12),
              steady_bytes_per_s(link), 1e4);
  link.window_bytes = 1 << 20;
  EXPECT_NEAR(steady_bytes_per_s(link), 0.9e9, 1);
  link.window_bytes = 10;
  EXPECT_THAT(validate(link).error().what, HasSubstr("window"));
}

CollectiveSpec spec_of(CollectiveKind kind, CollectiveAlgorithm algorithm, int64_t sockets) {
  CollectiveSpec spec;
  spec.kind = kind;
  spec.algorithm = algorithm;
  spec.sockets = sockets;
  spec.bytes = 1 << 20;
  if (sockets == 3) spec.bytes = 3 << 18;
  return spec;
}

// shard / rate, rounded to picoseconds as the model does.
int64_t shard_ps(const CollectiveSpec& s) {
  return std::llround(static_cast<double>(s.bytes) / static_cast<double>(s.sockets * s.chunks) /
                      s.bandwidth_bytes_per_s * 1e12);
}

TEST(Agcu, CollectivesOfOneChunkAreTheirClosedForms) {
  using K = CollectiveKind;
  using A = CollectiveAlgorithm;
  for (int64_t n : {2, 3, 4, 8, 16}) {
    const int64_t L = 500'000;
    const int64_t R = 37'500;
    auto s = spec_of(K::kAllReduce, A::kRing, n);
    EXPECT_EQ(run_collective(s).finish_ps, 2 * (n - 1) * (shard_ps(s) + L) + (n - 1) * R) << n;
    s.kind = K::kAllGather;
    EXPECT_EQ(run_collective(s).finish_ps, (n - 1) * (shard_ps(s) + L)) << n;
    s.kind = K::kReduceScatter;
    EXPECT_EQ(run_collective(s).finish_ps, (n - 1) * (shard_ps(s) + L) + (n - 2) * R) << n;
    s.algorithm = A::kDirect;
    EXPECT_EQ(run_collective(s).finish_ps, (n - 1) * shard_ps(s) + L) << n;
    s.kind = K::kAllToAll;
    EXPECT_EQ(run_collective(s).finish_ps, (n - 1) * shard_ps(s) + L) << n;
    EXPECT_EQ(run_collective(s).bytes_per_link, (n - 1) * s.bytes / n);
    s.kind = K::kAllReduce;
    EXPECT_EQ(run_collective(s).finish_ps, 2 * ((n - 1) * shard_ps(s) + L) + R) << n;
    EXPECT_EQ(run_collective(s).bytes_per_link, 2 * (n - 1) * s.bytes / n);
  }
}

TEST(Agcu, OneSocketHasNothingToSend) {
  const auto r = run_collective(spec_of(CollectiveKind::kAllReduce, CollectiveAlgorithm::kRing, 1));
  EXPECT_EQ(r.finish_ps, 0);
  EXPECT_EQ(r.bytes_per_link, 0);
}

TEST(Agcu, CollectivesNeverBeatTheLinkAndApproachItWithChunks) {
  for (auto algorithm : {CollectiveAlgorithm::kRing, CollectiveAlgorithm::kDirect}) {
    auto s = spec_of(CollectiveKind::kAllReduce, algorithm, 8);
    s.bytes = 64 << 20;
    int64_t last = INT64_MAX;
    for (int64_t chunks : {1, 4, 16, 64}) {
      s.chunks = chunks;
      const auto r = run_collective(s);
      EXPECT_GE(r.finish_ps, r.lower_bound_ps);
      EXPECT_LE(r.finish_ps, last);
      last = r.finish_ps;
    }
    EXPECT_LT(static_cast<double>(last), 1.05 * static_cast<double>(run_collective(s).lower_bound_ps));
    s.bandwidth_bytes_per_s *= 2;
    EXPECT_LE(run_collective(s).finish_ps, last);
  }
}

TEST(Agcu, FusedIntoAProducerOnlyTheLastChunkShows) {
  auto s = spec_of(CollectiveKind::kAllReduce, CollectiveAlgorithm::kRing, 8);
  s.bytes = 8 << 20;
  s.producer_s = 200e-6;  // the links need 37 us
  EXPECT_EQ(run_collective(s).exposed_ps, run_collective(spec_of(s.kind, s.algorithm, 8)).finish_ps +
                                              14 * (shard_ps(s) - shard_ps(spec_of(s.kind, s.algorithm, 8))));
  s.chunks = 8;
  auto alone = s;
  alone.bytes /= 8;
  alone.chunks = 1;
  alone.producer_s = 0;
  EXPECT_EQ(run_collective(s).exposed_ps, run_collective(alone).finish_ps);
}

TEST(Agcu, CollectivesThatCannotBe) {
  auto s = spec_of(CollectiveKind::kAllToAll, CollectiveAlgorithm::kRing, 8);
  EXPECT_THAT(validate(s).error().what, HasSubstr("direct"));
  s.algorithm = CollectiveAlgorithm::kDirect;
  s.chunks = 3;
  EXPECT_THAT(validate(s).error().what, HasSubstr("do not divide over 8 sockets and 3 chunks"));
  EXPECT_THAT(parse_collective_kind("allreduce").error().hint, HasSubstr("all_reduce"));
  EXPECT_THAT(parse_collective_algorithm("tree").error().what, HasSubstr("ring, direct"));
}

TEST(Agcu, LaunchIsTheSumOfItsParts) {
  LaunchSpec spec;
  spec.pcus = 100;
  spec.pmus = 60;
  spec.switches = 200;
  spec.agcus = 4;
  spec.tiles = 2;
  spec.chunk_bits = 64;
  spec.network_bits_per_cycle = 64;
  spec.memory_latency_ns = 100;  // 160 cycles
  spec.argument_tuples = 80;
  spec.tuple_bits = 64;
  spec.control_hops = 10;
  const auto t = launch_time(spec);
  // A tile: 100 switches of 2 chunks, 50 PCUs of 3, 30 PMUs of 5, 2 AGCUs of 6; a round is at least 64
  // cycles.
  EXPECT_EQ(t.rounds, 6);
  EXPECT_EQ(t.program_load_cycles, 160 + (182 + 182 + 82 + 64 + 64 + 64) + 182);
  EXPECT_EQ(t.argument_load_cycles, 160 + 40);
  EXPECT_EQ(t.execute_cycles, 20 + 2 * 800);
  EXPECT_EQ(t.configuration_bits, 64 * (400 + 300 + 300 + 24));
  spec.network_bits_per_cycle = 32;
  EXPECT_EQ(launch_time(spec).program_load_cycles, 160 + (364 + 364 + 164 + 64 + 64 + 64) + 182);
  EXPECT_EQ(launch_time(spec).argument_load_cycles, 160 + 80);
  spec.sockets = 1;
  EXPECT_EQ(launch_time(spec).execute_cycles, 20);
  spec.tiles = 0;
  EXPECT_THAT(validate(spec).error().what, HasSubstr("tile"));
}

TEST(Agcu, MoreNetworkOrTilesNeverSlowALaunch) {
  LaunchSpec spec;
  int64_t last = INT64_MAX;
  for (int64_t bits : {64, 128, 256, 512, 1024}) {
    spec.network_bits_per_cycle = bits;
    EXPECT_LE(launch_time(spec).program_load_cycles, last);
    last = launch_time(spec).program_load_cycles;
  }
  for (int64_t tiles : {8, 16, 32}) {
    spec.tiles = tiles;
    EXPECT_LE(launch_time(spec).program_load_cycles, last);
    last = launch_time(spec).program_load_cycles;
  }
}

}  // namespace
}  // namespace rdusim::sim::agcu
