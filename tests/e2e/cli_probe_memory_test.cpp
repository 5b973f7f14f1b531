// rdusim probe memory: the JSON keys others rely on, the reference table, and errors of its flags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/e2e/cli_run.h"

namespace rdusim::cli {
namespace {

using ::testing::HasSubstr;

TEST(ProbeMemory, JsonHasTheContractsKeys) {
  const test::Scratch scratch;
  const auto run =
      scratch.run("probe memory --memory HBM3_6400 --pattern random_64B --requests 4000 --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  for (const char* key :
       {"bandwidth_bytes_per_s", "fraction_of_peak", "latency_ns", "latency_p50_ns", "latency_p99_ns",
        "row_hits", "row_misses", "row_conflicts", "commands", "bound_by"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["memory"], "hbm3-6400");
  EXPECT_EQ(json["bound_by"], "activate_window");
  EXPECT_EQ(json["commands"]["reads"], 4000);
}

TEST(ProbeMemory, FlagsGoBeforeThePatternsName) {
  const test::Scratch scratch;
  const auto run = scratch.run(
      "probe memory --memory ddr4-3200 --channels 4 --pattern sequential_read_win2048 "
      "--window-bytes 512 --direction write --requests 2000 --refresh NoRefresh --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  EXPECT_EQ(json["channels"], 4);
  EXPECT_EQ(json["mapping"], "bg2 ch2 co7 ba2 ra1 ro16");
  EXPECT_EQ(json["window_bytes"], 512);
  EXPECT_EQ(json["commands"]["refreshes"], 0);
  EXPECT_TRUE(json["latency_ns"].is_null());
}

TEST(ProbeMemory, ReferenceRowsPassAndFallShort) {
  const test::Scratch scratch;
  const std::string head =
      "dram,config,channels_simulated,peak_GBps_simulated,tx_bytes,address_mapping,scheduler,refresh,read_"
      "queue,"
      "write_queue,row_policy,pattern,direction,granule_bytes,window_bytes_per_channel,n_transactions,"
      "achieved_GBps,avg_read_latency_ns_incl_source_queue\n";
  const auto row = [](const std::string& bandwidth) {
    return "DDR5_4800AN,x,1,19.23,64,LSB-first bg3 co6 ba2 ro16 +XOR(row),FRFCFSRowHit,AllBank,128,64,Open,"
           "sequential_read_win512,read,,512,20000," +
           bandwidth + ",28.89\n";
  };
  scratch.write("good.csv", head + row("17.468"));
  scratch.write("bad.csv", head + row("16.5"));
  scratch.write("other.csv",
                head + "DDR9,x,1,1,64,y,FRFCFS,AllBank,1,1,Open,random_64B,read,64,64,2000,1,1\n");
  EXPECT_EQ(scratch.run("probe memory --reference good.csv").code, 0);
  const auto bad = scratch.run("probe memory --reference bad.csv");
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.out, HasSubstr("FALLS SHORT"));
  const auto other = scratch.run("probe memory --reference other.csv");
  EXPECT_EQ(other.code, 1);  // nothing was compared
  EXPECT_THAT(other.out, HasSubstr("no configuration called `DDR9`"));
}

TEST(ProbeMemory, Errors) {
  const test::Scratch scratch;
  const auto error = [&](const std::string& flags) {
    const auto run = scratch.run("probe memory " + flags);
    EXPECT_EQ(run.code, 2) << flags;
    return run.err;
  };
  EXPECT_THAT(error("--pattern rondom"), HasSubstr("unknown pattern `rondom`"));
  EXPECT_THAT(error("--memory hbm9"), HasSubstr("no configuration called `hbm9`"));
  EXPECT_THAT(error("--mapping co5"), HasSubstr("the device needs"));
  EXPECT_THAT(error("--refresh sometimes"), HasSubstr("unknown value `sometimes`"));
  EXPECT_THAT(error("--window-bytes 8"), HasSubstr("the window is below one burst"));
  EXPECT_THAT(error("--channels 3"), HasSubstr("power of two"));
  EXPECT_THAT(error("--requests 1"), HasSubstr("measure nothing"));
}

}  // namespace
}  // namespace rdusim::cli
