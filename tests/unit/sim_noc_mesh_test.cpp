// The mesh by hand: paths in an empty mesh, credits that throttle, arbiters that take turns, and what bad
// input says.
#include "sim/noc/mesh_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/noc/geometric.h"
#include "sim/noc/mesh_experiment.h"
#include "sim/noc/round_robin.h"

namespace rdusim::sim::noc {
namespace {

using ::testing::HasSubstr;

// Cycle in which the tail of one packet of `flits` reaches `to`, offered in cycle 0.
int64_t latency_of_one(const MeshSpec& mesh, uint32_t from, uint32_t to, uint32_t flits) {
  MeshNetwork network(mesh);
  network.begin_cycle(0);
  network.offer(from, 7, to, flits);
  network.finish_cycle();
  for (int64_t cycle = network.next_event(); cycle != MeshNetwork::kNever; cycle = network.next_event()) {
    network.begin_cycle(cycle);
    for (const auto& d : network.deliveries()) {
      EXPECT_EQ(d.packet, 7U);
      EXPECT_EQ(d.node, to);
      if (d.tail) return cycle;
    }
    network.finish_cycle();
  }
  return -1;
}

TEST(NocMesh, ZeroLoadPathByHand) {
  const MeshSpec mesh;  // 2 VCs, VA + SA + ST
  // Written at 0, carried in 1, at the router in 2: VA 2, SA 3, ST 4, carried 5, at the node in 6.
  EXPECT_EQ(latency_of_one(mesh, 9, 9, 1), 6);
  EXPECT_EQ(latency_of_one(mesh, 0, 1, 1), 10);
  EXPECT_EQ(latency_of_one(mesh, 0, 63, 1), 2 + 15 * 4);
  EXPECT_EQ(latency_of_one(mesh, 0, 63, 4), 2 + 15 * 4 + 3);
}

TEST(NocMesh, ZeroLoadOfEveryPipelineIsItsClosedForm) {
  for (int64_t routing : {0, 1, 3}) {
    for (int64_t va : {1, 2}) {
      for (int64_t sa : {1, 3}) {
        for (int64_t st : {0, 1, 2}) {
          for (int64_t channel : {1, 5}) {
            for (bool speculative : {false, true}) {
              MeshSpec mesh;
              mesh.columns = 5;
              mesh.rows = 3;
              mesh.virtual_channels = 3;
              mesh.buffer_flits = 32;
              mesh.routing_delay_cycles = routing;
              mesh.vc_allocation_delay_cycles = va;
              mesh.switch_allocation_delay_cycles = sa;
              mesh.switch_traversal_delay_cycles = st;
              mesh.channel_latency_cycles = channel;
              mesh.speculative = speculative;
              EXPECT_EQ(latency_of_one(mesh, 1, 13, 5), mesh.zero_load_latency_cycles(4, 5))
                  << routing << va << sa << st << channel << speculative;
            }
          }
        }
      }
    }
  }
}

// Cycles between the tails of two packets of many flits over one hop: what a flit costs when credits bind.
int64_t cycles_per_100_flits(const MeshSpec& mesh) {
  return (latency_of_one(mesh, 0, 1, 400) - latency_of_one(mesh, 0, 1, 300));
}

TEST(NocMesh, OneBufferSlotWaitsForTheCreditRoundTrip) {
  MeshSpec mesh;
  mesh.columns = 2;
  mesh.rows = 1;
  // Into the ejecting router: granted at s, in its buffer at s + 3, granted there at s + 3, credit usable at
  // s + 6.
  mesh.buffer_flits = 1;
  EXPECT_EQ(cycles_per_100_flits(mesh), 600);
  mesh.buffer_flits = 5;
  EXPECT_EQ(cycles_per_100_flits(mesh), 120);
  mesh.buffer_flits = 6;
  EXPECT_EQ(cycles_per_100_flits(mesh), 100);
  mesh.credit_delay_cycles = 3;
  EXPECT_EQ(cycles_per_100_flits(mesh), 134);  // 8 cycles for 6 flits
  mesh.credit_delay_cycles = 1;
  mesh.channel_latency_cycles = 2;
  EXPECT_EQ(cycles_per_100_flits(mesh), 134);
}

TEST(NocMesh, RoundRobinTakesTheFirstAtOrAfterThePointer) {
  EXPECT_EQ(round_robin_pick(0b1011, 0), 0U);
  EXPECT_EQ(round_robin_pick(0b1011, 2), 3U);
  EXPECT_EQ(round_robin_pick(0b0011, 2), 0U);
  EXPECT_EQ(round_robin_next(4, 5), 0);
}

TEST(NocMesh, TwoFlowsShareALinkEvenly) {
  // A row of three: nodes 0 and 1 send to 2 without end; both cross the link 1 -> 2.
  MeshSpec mesh;
  mesh.columns = 3;
  mesh.rows = 1;
  MeshNetwork network(mesh);
  int64_t from[2] = {0, 0};
  for (int64_t cycle = 0; cycle < 4000; ++cycle) {
    network.begin_cycle(cycle);
    for (const auto& d : network.deliveries()) ++from[d.packet];
    for (uint32_t node : {0U, 1U}) {
      if (network.source_free(node)) network.offer(node, node, 2, 1);
    }
    network.finish_cycle();
  }
  EXPECT_NEAR(static_cast<double>(from[0]) / static_cast<double>(from[1]), 1, 0.01);
  EXPECT_GT(from[0] + from[1], 3900);                                          // the link is full
  EXPECT_LE(network.link_flits(1, kEast) - network.link_flits(2, kLocal), 4);  // on their way into router 2
}

TEST(NocMesh, GeometricWaitsHaveTheirMeanAndNeverEndAtCertainty) {
  Random random(5);
  EXPECT_EQ(Geometric(1).draw(random), 0);
  const Geometric rare(0.01);
  int64_t sum = 0;
  for (int i = 0; i < 20'000; ++i) sum += rare.draw(random);
  EXPECT_NEAR(static_cast<double>(sum) / 20'000, 99, 2);  // standard error 0.7
}

TEST(NocMesh, PatternsByHand) {
  const MeshSpec mesh;
  Random random(1);
  const auto to = [&](Traffic t, uint32_t source) { return destination(t, mesh, source, random); };
  EXPECT_EQ(to(Traffic::k_transpose, 3 * 8 + 5), 5U * 8 + 3);
  EXPECT_EQ(to(Traffic::k_bitcomp, 3 * 8 + 5), 4U * 8 + 2);
  EXPECT_EQ(to(Traffic::k_bitrev, 0b000011), 0b110000U);
  EXPECT_EQ(to(Traffic::k_shuffle, 0b100010), 0b000101U);
  EXPECT_EQ(to(Traffic::k_tornado, 0), 3U * 8 + 3);
  EXPECT_EQ(to(Traffic::k_neighbor, 7 * 8 + 7), 0U);
  EXPECT_DOUBLE_EQ(zero_load_latency_cycles(Traffic::k_uniform, mesh, 1), 2 + 6.25 * 4);
}

TEST(NocMesh, BadInputSaysWhatWouldBeRight) {
  MeshSpec mesh;
  mesh.virtual_channels = 13;
  EXPECT_THAT(measure(mesh, {}, {}).error().what, HasSubstr("virtual channels is 13, must be 1 to 12"));
  mesh = {};
  mesh.columns = 6;
  MeshLoad load;
  load.traffic = Traffic::k_transpose;
  EXPECT_THAT(measure(mesh, load, {}).error().what,
              HasSubstr("needs an even power of two of nodes, the mesh is 6 x 8"));
  load = {};
  load.injection_rate = 0;
  EXPECT_THAT(measure({}, load, {}).error().what, HasSubstr("injection rate"));
  load.injection_rate = 0.1;
  load.packet_flits = 0;
  EXPECT_THAT(measure({}, load, {}).error().what, HasSubstr("flits"));
  MeasureRules rules;
  rules.max_samples = 2;
  EXPECT_THAT(measure({}, {}, rules).error().what, HasSubstr("samples"));
  EXPECT_THAT(parse_traffic("transpos").error().hint, HasSubstr("transpose"));
}

}  // namespace
}  // namespace rdusim::sim::noc
