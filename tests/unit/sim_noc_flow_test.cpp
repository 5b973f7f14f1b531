// The flow network by hand: latencies, copies, throttles, room of consumers, order of sequence ids, routes
// that are none.
#include "sim/noc/flow_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/noc/rdn.h"

namespace rdusim::sim::noc {
namespace {

using ::testing::HasSubstr;

FlowNetworkSpec small_spec() {
  FlowNetworkSpec spec;
  spec.columns = 4;
  spec.rows = 4;
  return spec;
}

FlowNetwork network_of(const FlowNetworkSpec& spec, std::vector<Flow> flows) {
  auto made = FlowNetwork::make(spec, std::move(flows));
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().to_string());
  return std::move(made).value();
}

std::vector<int64_t> cycles_of(const FlowNetwork& network) {
  std::vector<int64_t> cycles;
  for (const auto& d : network.deliveries()) cycles.push_back(d.cycle);
  return cycles;
}

TEST(FlowNetworkUnit, ZeroLoadPathByHand) {
  const auto spec = small_spec();
  // Tile 0 to tile 15: six hops of 2 cycles, one cycle into the first switch, one out of the last.
  auto network = network_of(spec, {multicast_flow(spec, 0, {15})});
  network.inject(0, 42, 64, 10);
  network.run_until_idle();
  ASSERT_EQ(network.deliveries().size(), 1U);
  EXPECT_EQ(network.deliveries()[0].token, 42);
  EXPECT_EQ(network.deliveries()[0].cycle, 10 + 1 + 6 * 2 + 1);
  network.clear_deliveries();
  network.inject(0, 43, 640, 100);  // ten flits: nine cycles more for the last
  network.run_until_idle();
  EXPECT_EQ(cycles_of(network), (std::vector<int64_t>{100 + 14 + 9}));
  EXPECT_EQ(network.flit_hops(), 6 * 11);
}

TEST(FlowNetworkUnit, OwnTileNeedsNoLink) {
  const auto spec = small_spec();
  auto network = network_of(spec, {multicast_flow(spec, 5, {5})});
  network.inject(0, 0, 1, 0);
  network.run_until_idle();
  EXPECT_EQ(cycles_of(network), (std::vector<int64_t>{2}));
}

TEST(FlowNetworkUnit, MulticastDuplicatesAtBranches) {
  const auto spec = small_spec();
  // From 0 along the first row to 3, with copies down columns 1 and 3 and one on the way at tile 2.
  const Flow flow = multicast_flow(spec, 0, {5, 2, 11, 3});
  EXPECT_EQ(flow.links.size(), 3U + 1 + 2);
  auto network = network_of(spec, {flow});
  network.inject(0, 0, 64 * 100, 0);
  network.run_until_idle();
  EXPECT_EQ(network.flits_injected(), 100);
  EXPECT_EQ(network.flits_delivered(), 400);
  EXPECT_EQ(network.flit_hops(), 600);
  for (const int64_t link : flow.links) EXPECT_EQ(network.link_flits(link), 100);
  // A branch costs no time: each copy comes as if it were alone.
  EXPECT_EQ(network.deliveries().size(), 4U);
  for (const auto& d : network.deliveries()) {
    const int64_t hops = std::vector<int64_t>{2, 2, 5, 3}[d.destination];
    EXPECT_EQ(d.cycle, 2 + 2 * hops + 99);
  }
}

TEST(FlowNetworkUnit, OneLinkIsSharedInTurns) {
  FlowNetworkSpec spec = small_spec();
  std::vector<Flow> flows{multicast_flow(spec, 0, {3}), multicast_flow(spec, 1, {3})};
  for (int64_t vc : {0, 1}) {
    flows[1].virtual_channel = vc;  // in one FIFO behind each other, or in two
    auto network = network_of(spec, flows);
    network.inject(0, 0, 64 * 500, 0);
    network.inject(1, 1, 64 * 500, 0);
    network.run_until_idle();
    const auto cycles = cycles_of(network);
    ASSERT_EQ(cycles.size(), 2U);
    EXPECT_NEAR(static_cast<double>(cycles[1]), 1000, 10);
    EXPECT_LE(cycles[1] - cycles[0], 8);
  }
}

TEST(FlowNetworkUnit, ShallowBuffersWaitForTheirCredits) {
  FlowNetworkSpec spec = small_spec();
  spec.hop_latency_cycles = 3;
  // A slot is free again a hop there and a hop back after it was taken: 6 cycles.
  for (const auto& [slots, cycles] :
       {std::pair<int64_t, int64_t>{1, 720}, {2, 360}, {3, 240}, {6, 120}, {8, 120}}) {
    spec.buffer_flits = slots;
    auto network = network_of(spec, {multicast_flow(spec, 0, {3})});
    network.inject(0, 0, 64 * 1200, 0);
    network.inject(0, 1, 64 * 120, 0);
    network.run_until_idle();
    const auto arrivals = cycles_of(network);
    EXPECT_EQ(arrivals[1] - arrivals[0], cycles) << slots;
  }
}

TEST(FlowNetworkUnit, ThrottleSpacesFlits) {
  const auto spec = small_spec();
  Flow flow = multicast_flow(spec, 0, {1});
  flow.flits_per_cycle = 0.25;
  auto network = network_of(spec, {flow});
  network.inject(0, 0, 64 * 101, 0);
  network.run_until_idle();
  EXPECT_EQ(cycles_of(network), (std::vector<int64_t>{4 + 4 * 100}));
}

TEST(FlowNetworkUnit, DieBorderHasItsOwnRateAndLatency) {
  FlowNetworkSpec spec = small_spec();
  spec.dies = 2;
  spec.die_link_bytes_per_cycle = 16;
  spec.die_hop_latency_cycles = 10;
  spec.die_buffer_flits = 32;
  auto network = network_of(spec, {multicast_flow(spec, 0, {3}), multicast_flow(spec, 4, {5})});
  network.inject(0, 0, 64, 0);
  network.inject(1, 0, 64 * 101, 0);
  network.run_until_idle();
  EXPECT_EQ(cycles_of(network), (std::vector<int64_t>{2 + 2 + 10 + 2, 4 + 100}));
  network.clear_deliveries();
  network.inject(0, 1, 64 * 101, 1000);  // a flit every 4 cycles over the border
  network.run_until_idle();
  EXPECT_EQ(cycles_of(network), (std::vector<int64_t>{1000 + 16 + 400}));
}

TEST(FlowNetworkUnit, ConsumerWithoutRoomHoldsBackTheSource) {
  const auto spec = small_spec();
  Flow flow = multicast_flow(spec, 0, {1});
  flow.consumer_flits = 3;
  auto network = network_of(spec, {flow});
  for (int64_t token = 0; token < 40; ++token) network.inject(0, token, 64, 0);
  network.run_until_idle();
  EXPECT_EQ(network.deliveries().size(), 3U);
  EXPECT_EQ(network.flits_injected(), 3 + 2 * spec.buffer_flits);  // the FIFOs of two switches are full
  network.consume(0, 0, 1);
  network.run_until_idle();
  EXPECT_EQ(network.deliveries().size(), 4U);
  network.consume(0, 0, 100);
  network.run_until_idle();
  EXPECT_EQ(network.deliveries().size(), 40U);
}

TEST(FlowNetworkUnit, SequenceIdsRestoreTheOrderOfManyProducers) {
  const auto spec = small_spec();
  // Producers at 0, 3 and 14 take turns; the nearest is far ahead of the farthest.
  auto network = network_of(
      spec, {multicast_flow(spec, 0, {15}), multicast_flow(spec, 3, {15}), multicast_flow(spec, 14, {15})});
  for (int64_t id = 0; id < 300; ++id) network.inject(static_cast<uint32_t>(id % 3), id, 64, id / 3);
  network.run_until_idle();
  SequenceOrder order;
  int64_t in_order = 0;
  bool ever_early = false;
  for (const auto& d : network.deliveries()) {
    ever_early = ever_early || d.token != in_order;
    in_order += order.arrive(d.token);
    EXPECT_EQ(order.released(), in_order);
  }
  EXPECT_TRUE(ever_early);
  EXPECT_EQ(in_order, 300);
  EXPECT_GT(order.most_held(), 0);
}

TEST(FlowNetworkUnit, SequenceOrderReleasesRuns) {
  SequenceOrder order;
  EXPECT_EQ(order.arrive(2), 0);
  EXPECT_EQ(order.arrive(1), 0);
  EXPECT_EQ(order.arrive(0), 3);
  EXPECT_EQ(order.arrive(100), 0);
  for (int64_t id = 99; id > 3; --id) EXPECT_EQ(order.arrive(id), 0);
  EXPECT_EQ(order.arrive(3), 98);
  EXPECT_EQ(order.most_held(), 97);
}

TEST(FlowNetworkUnit, ControlTakesACycleASwitch) {
  RdnShape shape;
  const auto rdn = rdn_networks(shape);
  const Flow flow = multicast_flow(rdn.vector, 0, {3, 52 * 4});
  EXPECT_EQ(control_latency_cycles(rdn, flow), 1 + 4 + 1);
  EXPECT_TRUE(check_circuits(rdn.vector, std::vector<Flow>(16, flow), rdn.control_wires_per_link).ok());
  EXPECT_THAT(
      check_circuits(rdn.vector, std::vector<Flow>(17, flow), rdn.control_wires_per_link).error().what,
      HasSubstr("17 control flows, 16 wires"));
}

TEST(FlowNetworkUnit, RoutesThatAreNone) {
  const auto spec = small_spec();
  const auto what = [&](const Flow& flow) {
    const auto made = FlowNetwork::make(spec, {flow});
    return made.ok() ? std::string("accepted") : made.error().what;
  };
  Flow flow = multicast_flow(spec, 0, {2});
  EXPECT_EQ(what(flow), "accepted");
  flow.links = {0};
  EXPECT_THAT(what(flow), HasSubstr("no link leads to tile 2"));
  flow.links = {0, 4, 8};
  EXPECT_THAT(what(flow), HasSubstr("the branch to tile 3 ends there"));
  flow.links = {0, 4, 40};
  EXPECT_THAT(what(flow), HasSubstr("do not hang together"));
  flow.links = {3};
  EXPECT_THAT(what(flow), HasSubstr("leaves the mesh"));
  flow.links = {0, 6};
  EXPECT_THAT(what(flow), HasSubstr("a second time"));
  flow = multicast_flow(spec, 0, {2});
  flow.virtual_channel = 4;
  EXPECT_THAT(what(flow), HasSubstr("virtual channel 4 of 4"));
  flow = multicast_flow(spec, 0, {2});
  flow.flits_per_cycle = 2;
  EXPECT_THAT(what(flow), HasSubstr("flits a cycle"));
  flow = multicast_flow(spec, 0, {2});
  flow.destinations = {2, 2};
  EXPECT_THAT(what(flow), HasSubstr("twice"));
}

TEST(FlowNetworkUnit, CirclesOfBuffersAreFound) {
  const auto spec = small_spec();
  // Four flows around a square, each turning right: the classic circle. Links of tiles 0, 1, 5, 4.
  const std::vector<Flow> flows{{0, {5}, {0 * 4 + 0, 1 * 4 + 1}},
                                {1, {4}, {1 * 4 + 1, 5 * 4 + 2}},
                                {5, {0}, {5 * 4 + 2, 4 * 4 + 3}},
                                {4, {1}, {4 * 4 + 3, 0 * 4 + 0}}};
  EXPECT_THAT(check_no_cycle(spec, flows).error().what, HasSubstr("around the links 0, 5, 22, 19"));
  auto apart = flows;
  apart[3].virtual_channel = 1;
  EXPECT_TRUE(check_no_cycle(spec, apart).ok());
}

}  // namespace
}  // namespace rdusim::sim::noc
