// Published results beside ours: does the command judge as it says, and do the numbers hold?
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

TEST(CliValidate, EveryJudgedRowPassesAndSaysHowToReproduceIt) {
  const CommandRun run = Scratch().run("validate --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto rows = run.json()["rows"];
  int judged = 0;
  std::set<std::string> ids;
  std::set<std::string> groups;
  for (const auto& row : rows) {
    EXPECT_TRUE(ids.insert(row["id"].get<std::string>()).second) << row.dump();
    groups.insert(row["group"].get<std::string>());
    EXPECT_FALSE(row["source"].get<std::string>().empty());
    EXPECT_EQ(row["command"].get<std::string>().rfind("rdusim ", 0), 0U);
    const double published = row["published"].get<double>();
    const double error = published == 0 ? 0 : (row["simulated"].get<double>() / published - 1) * 100;
    EXPECT_NEAR(row["error_percent"].get<double>(), error, 1e-9);
    if (row["tolerance_percent"].is_null()) continue;
    ++judged;
    EXPECT_TRUE(row["passed"].get<bool>()) << row.dump();
    EXPECT_LE(std::abs(error), row["tolerance_percent"].get<double>()) << row.dump();
  }
  EXPECT_GE(judged, 480);
  for (const char* group : {"chip", "single-model", "coe-table-5", "capacity", "dram", "gemm", "cache"})
    EXPECT_TRUE(groups.contains(group)) << group;
  EXPECT_FALSE(groups.contains("mesh")) << "slow groups are for --full";
}

TEST(CliValidateSlow, TheMeshStandsBesideBookSim) {
  const CommandRun run = Scratch().run("validate --group mesh --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json()["rows"].size(), 18U);
}

TEST(CliValidateSlow, PublishedFusionFactsHold) {
  const CommandRun run = Scratch().run("validate --group fusion --json - -q");
  // 3.35 where the published range ends with 3, at a batch that is assumed: fused gains more by its placement
  // than unfused, whose launches and collectives take as long as before.
  const std::set<std::string> known_short{"mistral-7b 2K prefill, fused over unfused"};
  int judged = 0;
  bool all_pass = true;
  const auto rows = run.json()["rows"];
  for (const auto& row : rows) {
    if (row["passed"].is_null()) continue;
    ++judged;
    const bool passed = row["passed"].get<bool>();
    all_pass = all_pass && passed;
    EXPECT_TRUE(passed || known_short.contains(row["what"].get<std::string>())) << row.dump();
  }
  EXPECT_GE(judged, 32);
  EXPECT_EQ(run.code, all_pass ? 0 : 1) << run.err;
}

TEST(CliValidate, ARangeIsGivenWithItsEnds) {
  const CommandRun run = Scratch().run("validate --group chip --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  int ranges = 0;
  const auto rows = run.json()["rows"];
  for (const auto& row : rows) {
    if (!row.contains("published_range")) continue;
    ++ranges;
    const auto& range = row["published_range"];
    ASSERT_EQ(range.size(), 2U);
    if (!range[1].is_null()) {
      EXPECT_LE(row["published"].get<double>(), range[1].get<double>());
    }
  }
  EXPECT_EQ(ranges, 2);  // the clock, the SRAM's bandwidth
}

TEST(CliValidate, ARowOutsideItsToleranceIsExitCodeOne) {
  const CommandRun run =
      Scratch().run("validate --group coe-table-5 -q --set gpu_node.layer_overhead_s=1e-3");
  EXPECT_EQ(run.code, 1) << run.err;
  EXPECT_NE(run.out.find("FALLS SHORT"), std::string::npos);
}

TEST(CliValidate, ColumnsOfPointsComeInAnyOrderAndUnknownRowsKeepTheOthers) {
  const Scratch scratch;
  scratch.write("p.csv",
                "batch,total_tokens_per_s,latency_s,model,sockets,input_and_output_tokens,vendor\n"
                "1,1280,0.2,meta-llama/Meta-Llama-3-8B,8,128,x\n"
                "1,1280,0.2,openai/gpt-2,8,128,x\n"
                "1,1280,,mistralai/Mistral-7B-v0.3,8,128,x\n"
                "1,1280,0.2,Qwen/Qwen2-7B,8,128,x\n");
  const CommandRun run = scratch.run("validate --points p.csv --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  const auto& points = json["points"];
  ASSERT_EQ(points.size(), 4U);
  EXPECT_NEAR(points[0]["simulated_s"].get<double>(), 0.22, 0.02);
  EXPECT_TRUE(points[1]["simulated_s"].is_null());
  EXPECT_NE(points[1]["failure"].get<std::string>().find("openai/gpt-2"), std::string::npos);
  EXPECT_DOUBLE_EQ(points[2]["published_s"].get<double>(), 256.0 / 1280);
  EXPECT_NE(points[2]["note"].get<std::string>().find("vocabulary"), std::string::npos);
  EXPECT_GT(points[3]["simulated_s"].get<double>(), 0.1) << "28 heads run on 4 of 8 sockets";
  double sum = 0;
  for (const size_t i : {0U, 2U, 3U}) {
    sum +=
        std::abs(std::log(points[i]["simulated_s"].get<double>() / points[i]["published_s"].get<double>()));
  }
  EXPECT_NEAR(json["geometric_mean_error_percent"].get<double>(), (std::exp(sum / 3) - 1) * 100, 1e-9);
}

TEST(CliValidate, AnUnreadablePointNamesItsLineAndTheOthersStand) {
  const Scratch scratch;
  scratch.write("p.csv",
                "sockets,model,input_and_output_tokens,batch,latency_s\n"
                "8,llama-3-8b,128,1,fast\n"
                "8,llama-3-8b,128,1,0.22\n");
  const CommandRun run = scratch.run("validate --points p.csv --json - -q");
  EXPECT_EQ(run.code, 2);
  const auto points = run.json()["points"];
  ASSERT_EQ(points.size(), 2U);
  EXPECT_NE(points[0]["failure"].get<std::string>().find("p.csv:2:1: error: latency_s is 'fast'"),
            std::string::npos);
  EXPECT_GT(points[1]["simulated_s"].get<double>(), 0.1);
}

// Decode reads a cache of the compiled length, and longer sequences take the next power of two.
TEST(CliValidate, ABucketMakesStepsAsLongAsItsSequence) {
  const Scratch scratch;
  scratch.write("p.csv", "model,input_and_output_tokens,batch,latency_s\nllama-3-8b,256,16,1\n");
  const auto seconds = [&](const std::string& bucket) {
    const auto run = scratch.run(
        "validate --points p.csv --json - -q --set node.stacks.2024-late.sequence_bucket_tokens=" + bucket);
    EXPECT_EQ(run.code, 0) << run.err;
    return run.json()["points"][0]["simulated_s"].get<double>();
  };
  const double shortest = seconds("512");
  EXPECT_NEAR(seconds("256"), shortest, 0.005 * shortest) << "all steps but the first are above 256";
  EXPECT_GT(seconds("4096"), 1.2 * shortest);
  EXPECT_NE(scratch.run("validate --points p.csv -q --set node.stacks.2024-late.sequence_bucket_tokens=4095")
                .err.find("a power of two"),
            std::string::npos);
}

// Llama-2's context is 4096 tokens, Llama-3's 8192: only the first decodes faster where buckets end there.
TEST(CliValidate, ABucketMayEndAtTheModelsContext) {
  const Scratch scratch;
  scratch.write("p.csv",
                "model,input_and_output_tokens,batch,latency_s\n"
                "llama-2-7b,128,16,1\nllama-3-8b,128,16,1\n");
  const auto seconds = [&](const std::string& within) {
    const auto run = scratch.run(
        "validate --points p.csv --json - -q --set node.stacks.2024-late.sequence_bucket_within_context=" +
        within);
    EXPECT_EQ(run.code, 0) << run.err;
    const auto points = run.json()["points"];
    return std::pair(points[0]["simulated_s"].get<double>(), points[1]["simulated_s"].get<double>());
  };
  const auto [long_2, long_3] = seconds("false");
  const auto [short_2, short_3] = seconds("true");
  EXPECT_LT(short_2, 0.7 * long_2);
  EXPECT_EQ(short_3, long_3);
}

TEST(CliValidate, FittedParametersAreListedAndFew) {
  const CommandRun run = Scratch().run("validate --group chip --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto fitted = run.json()["fitted_parameters"];
  EXPECT_EQ(fitted.size(), 5U);
  for (const auto& parameter : fitted) {
    EXPECT_GT(parameter["value"].get<double>(), 0);
    EXPECT_FALSE(parameter["unit"].get<std::string>().empty());
    EXPECT_FALSE(parameter["meaning"].get<std::string>().empty());
    EXPECT_FALSE(parameter["points"].empty());
  }
}

TEST(CliCrosscheck, TheClosedFormAgreesWithEventWithinTenPercent) {
  const CommandRun run = Scratch().run("crosscheck --skip-cycle --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  EXPECT_EQ(json["workloads"].size(), 10U);
  for (const auto& row : json["workloads"])
    EXPECT_LE(std::abs(row["difference_percent"].get<double>()), 10) << row.dump();
  EXPECT_NE(json["largest"].get<std::string>().find("section "), std::string::npos);
}

TEST(CliCrosscheckSlow, EventIsWithinFivePercentOfCycleOnEveryRow) {
  const CommandRun run = Scratch().run("crosscheck --json - -q");
  const auto json = run.json();
  const auto& rows = json["cycle"]["workloads"];
  ASSERT_EQ(rows.size(), 12U);
  for (const auto& row : rows) {
    EXPECT_TRUE(row["within"].get<bool>()) << row.dump();
    EXPECT_NEAR(row["analytic_s"].get<double>(), row["event_s"].get<double>(),
                0.1 * row["event_s"].get<double>())
        << row.dump();
  }
  EXPECT_EQ(run.code, 0);
}

// A short prompt on the whole chip, where stages that share a producer read together, beside weights on their
// way in. docs/sim.md has the figures: 8 % part the two there.
TEST(CliCrosscheckSlow, ShortPromptsOfTheWholeChipStayNearCycle) {
  const Scratch scratch;
  const std::string what = "simulate llama-3-8b --phase prefill --context 128 --json - -q --fidelity ";
  const double event = scratch.run(what + "event").json()["latency_s"].get<double>();
  const double cycle = scratch.run(what + "cycle").json()["latency_s"].get<double>();
  EXPECT_LT(event, cycle * 1.05);
  EXPECT_GT(event, cycle * 0.9);
}

TEST(CliServe, AnExpertLargerThanHbmIsBadInput) {
  const Scratch scratch;
  const CommandRun run = scratch.run(
      "serve llama2-7b-x150 --set chip.hbm.capacity_bytes=1000000000 --requests synthetic:together,n=2 "
      "--json out.json -q");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("does not fit HBM"), std::string::npos) << run.err;
  EXPECT_FALSE(std::filesystem::exists(scratch.path("out.json")));
}

}  // namespace
}  // namespace rdusim
