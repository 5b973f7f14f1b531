// What holds for every mesh: flits in = flits out, no channel above its rate, nothing stuck, credits come
// home, the same seed gives the same run; and a golden subset of BookSim 2's series
// (configs/reference/mesh_latency.csv).
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "sim/noc/mesh_experiment.h"
#include "sim/noc/mesh_network.h"

namespace rdusim::sim::noc {
namespace {

MeshSpec random_mesh(Random& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
  };
  MeshSpec mesh;
  mesh.columns = pick(1, 6);
  mesh.rows = pick(1, 6);
  mesh.virtual_channels = pick(1, 9);
  mesh.buffer_flits = pick(1, 9);
  mesh.routing_delay_cycles = pick(0, 2);
  mesh.vc_allocation_delay_cycles = pick(1, 2);
  mesh.switch_allocation_delay_cycles = pick(1, 2);
  mesh.switch_traversal_delay_cycles = pick(0, 2);
  mesh.speculative = pick(0, 1) == 1;
  mesh.channel_latency_cycles = pick(1, 3);
  mesh.credit_delay_cycles = pick(0, 2);
  return mesh;
}

TEST(NocMeshProperty, EveryFlitArrivesOnceAndInOrderUnderAnyLoad) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const MeshSpec mesh = random_mesh(random);
    const auto nodes = static_cast<uint32_t>(mesh.nodes());
    MeshNetwork network(mesh);
    constexpr uint32_t kPackets = 800;
    struct Packet {
      uint32_t to, flits, arrived;
    };
    std::vector<Packet> packets;
    int64_t offered = 0;
    int64_t expected_hops = 0;
    int64_t cycle = 0;
    int64_t delivered = 0;
    while (true) {
      network.begin_cycle(cycle);
      for (const auto& d : network.deliveries()) {
        Packet& p = packets[d.packet];
        ASSERT_EQ(d.node, p.to) << "seed " << seed;
        ASSERT_EQ(++p.arrived == p.flits, d.tail) << "seed " << seed;
        ++delivered;
      }
      for (uint32_t node = 0; node < nodes && packets.size() < kPackets; ++node) {
        if (!network.source_free(node)) continue;
        const auto to = static_cast<uint32_t>(random.below(nodes));
        const auto flits = static_cast<uint32_t>(1 + random.below(6));
        network.offer(node, static_cast<uint32_t>(packets.size()), to, flits);
        packets.push_back({to, flits, 0});
        offered += flits;
        expected_hops += flits * (mesh_distance(mesh, node, to) + 1);
      }
      network.finish_cycle();
      const int64_t next = packets.size() < kPackets ? cycle + 1 : network.next_event();
      if (next == MeshNetwork::kNever) break;
      cycle = next;
      ASSERT_LT(cycle, 1'000'000) << "stuck, seed " << seed;
    }
    EXPECT_EQ(delivered, offered) << "seed " << seed;
    EXPECT_EQ(network.flits_in_network(), 0);
    EXPECT_EQ(network.flit_hops(), expected_hops);
    for (uint32_t node = 0; node < nodes; ++node) {
      for (unsigned port = 0; port < kPorts; ++port) EXPECT_LE(network.link_flits(node, port), cycle);
    }
  }
}

TEST(NocMeshProperty, SameSeedSameRunOtherSeedOther) {
  MeshLoad load;
  load.injection_rate = 0.35;
  const auto a = measure({}, load, {});
  const auto b = measure({}, load, {});
  EXPECT_EQ(a->link_flits, b->link_flits);
  EXPECT_EQ(a->mean_latency_cycles, b->mean_latency_cycles);
  load.seed = 2;
  EXPECT_NE(a->link_flits, measure({}, load, {})->link_flits);
}

TEST(NocMeshProperty, SkippingIdleCyclesChangesNothing) {
  // The same packets, once visiting every cycle, once only where something can happen.
  std::vector<std::pair<int64_t, uint32_t>> arrivals[2];
  for (int mode = 0; mode < 2; ++mode) {
    MeshNetwork network({});
    Random random(9);
    int64_t cycle = 0;
    uint32_t packet = 0;
    int64_t next_offer = 0;
    while (cycle < 20'000) {
      network.begin_cycle(cycle);
      for (const auto& d : network.deliveries()) arrivals[mode].emplace_back(cycle, d.packet);
      if (cycle == next_offer) {
        const auto node = static_cast<uint32_t>(random.below(64));
        const auto to = static_cast<uint32_t>(random.below(64));
        if (network.source_free(node)) network.offer(node, packet++, to, 3);
        next_offer += 1 + static_cast<int64_t>(random.below(60));
      }
      network.finish_cycle();
      cycle = mode == 0 ? cycle + 1 : std::min(network.next_event(), next_offer);
    }
  }
  ASSERT_GT(arrivals[0].size(), 1000U);
  EXPECT_EQ(arrivals[0], arrivals[1]);
}

struct Golden {
  int64_t vcs, routing, flits;
  double rate, latency, accepted;
};

// Rows of the reference below 90 % of saturation, two a router; tolerance: 1.5 % is what the seeds of both
// leave.
TEST(NocMeshProperty, GoldenPointsOfTheReference) {
  const Golden rows[] = {
      {2, 0, 1, 0.1, 27.1376, 0.0990469}, {2, 0, 1, 0.3, 29.7811, 0.298526},
      {2, 0, 4, 0.2, 33.8222, 0.196557},  {1, 0, 1, 0.1, 28.5801, 0.0990521},
      {1, 0, 4, 0.1, 31.8579, 0.0987604}, {2, 1, 1, 0.2, 37.066, 0.198453},
      {2, 1, 4, 0.2, 40.2888, 0.196573},
  };
  for (const Golden& row : rows) {
    MeshSpec mesh;
    mesh.virtual_channels = row.vcs;
    mesh.routing_delay_cycles = row.routing;
    MeshLoad load;
    load.packet_flits = row.flits;
    load.injection_rate = row.rate;
    const auto m = measure(mesh, load, {});
    ASSERT_TRUE(m.ok());
    EXPECT_TRUE(m->stable);
    EXPECT_NEAR(m->mean_latency_cycles, row.latency, 0.015 * row.latency);
    EXPECT_NEAR(m->accepted_flits_per_node_cycle, row.accepted, 0.02 * row.accepted);
  }
}

TEST(NocMeshProperty, SaturationOfTheReference) {
  // Config C, one flit: the cheapest series; 0.1906 in the reference.
  MeshSpec mesh;
  mesh.virtual_channels = 1;
  const auto s = find_saturation(mesh, {}, {}, 0.01);
  ASSERT_TRUE(s.ok());
  EXPECT_NEAR(s->rate, 0.1906, 0.05 * 0.1906);
  EXPECT_NEAR(s->zero_load_latency_cycles, 27.0175, 0.03 * 27.0175);
}

TEST(NocMeshProperty, MoreBuffersChannelsOrSpeedNeverCostThroughput) {
  // At an injection above every saturation, what is accepted is the network's own rate; 2 % for the noise of
  // a run.
  const auto accepted = [](const MeshSpec& mesh) {
    MeshLoad load;
    load.injection_rate = 0.9;
    load.packet_flits = 2;
    MeasureRules rules;
    rules.fixed_warmup_cycles = 500;
    rules.fixed_measure_cycles = 1500;
    return measure(mesh, load, rules)->accepted_flits_per_node_cycle;
  };
  MeshSpec mesh;
  mesh.buffer_flits = 4;
  const double before = accepted(mesh);
  MeshSpec better = mesh;
  better.buffer_flits = 8;
  EXPECT_GE(accepted(better), 0.98 * before);
  better = mesh;
  better.virtual_channels = 4;
  EXPECT_GE(accepted(better), 0.98 * before);
  better = mesh;
  better.speculative = true;
  EXPECT_GE(accepted(better), 0.98 * before);
  better = mesh;
  better.credit_delay_cycles = 0;
  EXPECT_GE(accepted(better), 0.98 * before);
}

}  // namespace
}  // namespace rdusim::sim::noc
