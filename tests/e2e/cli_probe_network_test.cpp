// The probes of the networks as a user calls them: keys of the JSON, exit codes, what bad input says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cli_run.h"

namespace rdusim::test {
namespace {

using ::testing::HasSubstr;

TEST(CliProbeNetwork, MeshSaysLatencyAndThroughput) {
  const Scratch scratch;
  const auto run =
      scratch.run("probe mesh --config C --packet-flits 4 --injection-rate 0.1 --links --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  EXPECT_NEAR(json["mean_latency_cycles"].get<double>(), 31.86, 0.5);
  EXPECT_NEAR(json["accepted_flits_per_node_cycle"].get<double>(), 0.1, 0.003);
  EXPECT_EQ(json["zero_load_latency_cycles"], 30.0);
  EXPECT_FALSE(json["saturated"].get<bool>());
  int64_t hops = 0;
  for (const auto& link : json["links"]) hops += link["flits"].get<int64_t>();
  EXPECT_EQ(hops, json["flit_hops"].get<int64_t>());
  EXPECT_TRUE(scratch.run("probe mesh --injection-rate 0.9 --json -").json()["saturated"].get<bool>());
}

TEST(CliProbeNetwork, MeshSearchesSaturation) {
  const Scratch scratch;
  const auto json = scratch.run("probe mesh --traffic transpose --k 4 --saturation --json -").json();
  EXPECT_NEAR(json["saturation_rate_flits_node_cycle"].get<double>(), 1.0 / 3,
              0.02);  // the worst link carries 3 nodes
}

constexpr const char* kHeader =
    "k,traffic,packet_size_flits,num_vcs,vc_buf_size_flits,router_pipeline_cycles,credit_delay,channel_"
    "latency,"
    "injection_rate_flits_node_cycle,stable,avg_packet_latency_cycles,accepted_flits_node_cycle,"
    "zero_load_latency_cycles,saturation_rate_flits_node_cycle,config_id\n";

TEST(CliProbeNetwork, ReferenceThatIsFarOffFallsShort) {
  const Scratch scratch;
  scratch.write("far.csv", std::string(kHeader) + "4,uniform,1,2,8,3,1,1,0.1,1,99,0.1,16.1,0.6,A\n");
  const auto far = scratch.run("probe mesh --reference far.csv");
  EXPECT_EQ(far.code, 1) << far.err;
  EXPECT_THAT(far.out, HasSubstr("0 of 1 series within"));
  scratch.write("odd.csv", std::string(kHeader) + "4,uniform,1,2,8,4,1,1,0.1,1,99,0.1,16.1,0.6,A\n");
  const auto odd = scratch.run("probe mesh --reference odd.csv");
  EXPECT_EQ(odd.code, 2);
  EXPECT_THAT(odd.err, HasSubstr("odd.csv:2: error: router_pipeline_cycles is 4, config A has 3"));
  scratch.write("text.csv", std::string(kHeader) + "four,uniform,1,2,8,3,1,1,0.1,1,99,0.1,16.1,0.6,A\n");
  EXPECT_THAT(scratch.run("probe mesh --reference text.csv").err, HasSubstr("k is 'four', not a number"));
  scratch.write("half.csv", std::string(kHeader) + "4.5,uniform,1,2,8,3,1,1,0.1,1,99,0.1,16.1,0.6,A\n");
  EXPECT_THAT(scratch.run("probe mesh --reference half.csv").err, HasSubstr("k is 4.5, not a whole number"));
}

TEST(CliProbeNetwork, BadMeshSaysWhatWouldBeRight) {
  const Scratch scratch;
  EXPECT_THAT(scratch.run("probe mesh --traffic transpos").err, HasSubstr("did you mean transpose?"));
  EXPECT_THAT(scratch.run("probe mesh --config F").err, HasSubstr("known are A, B, C, D, E"));
  EXPECT_EQ(scratch.run("probe mesh --vcs 40").code, 2);
  EXPECT_EQ(scratch.run("probe mesh --set chip.clock_hz=1e9").code, 2);  // nothing answers to it
}

TEST(CliProbeNetwork, LinkCollectiveAndLaunch) {
  const Scratch scratch;
  const auto link = scratch.run("probe link --bytes 1048576 --json -").json();
  EXPECT_GT(link["fraction_of_peak"].get<double>(), 0.8);
  EXPECT_NEAR(link["latency_ns"].get<double>(), 500, 1);
  EXPECT_NEAR(link["bandwidth_bytes_per_s"].get<double>(), 1048576 / link["time_s"].get<double>(), 1);
  const auto reduce =
      scratch.run("probe collective --kind all_reduce --bytes 1048576 --chunks 4 --json -").json();
  EXPECT_GE(reduce["cycles"].get<int64_t>(), reduce["lower_bound_cycles"].get<int64_t>());
  EXPECT_EQ(reduce["bytes_per_link"], 2 * 7 * 1048576 / 8);
  const auto launch = scratch.run("probe launch --json -").json();
  EXPECT_EQ(launch["stacks"].size(), 2U);
  EXPECT_EQ(scratch.run("probe collective --bytes 7").code, 2);
  EXPECT_EQ(scratch.run("probe link --window-bytes 5").code, 2);
  EXPECT_EQ(scratch.run("probe launch --tiles 0").code, 2);
}

}  // namespace
}  // namespace rdusim::test
