// plan, workload, cache and study as a user calls them: what they print, and how they refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

TEST(CliPlan, FindsTheFewestNodesAndSaysWhatToBuyNext) {
  const CommandRun run = Scratch().run(
      "plan --composition llama2-7b-x150 --requests synthetic:poisson,n=100,rate=20,popularity=zipf:0.9 "
      "--objective 'p95 ttft < 0.5 s' --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto tried = run.json()["tried"];
  ASSERT_GE(tried.size(), 2U);
  // One node misses by far (twenty requests a second against some ten that it serves), the last one meets.
  EXPECT_FALSE(tried.front()["met"].get<bool>());
  EXPECT_GT(tried.front()["clauses"][0]["value_s"].get<double>(), 0.5);
  EXPECT_TRUE(
      std::any_of(tried.begin(), tried.end(), [](const auto& t) { return t["met"].template get<bool>(); }));
}

TEST(CliPlan, AnUnknownMetricIsRefusedWithItsPlace) {
  const CommandRun run = Scratch().run(
      "plan --composition llama2-7b-x150 --requests synthetic:poisson,n=10 --objective 'p95 ttfx < 0.5 s'");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("objective:1:5: error: 'ttfx' is no metric"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("did you mean 'ttft'?"), std::string::npos) << run.err;
}

TEST(CliWorkload, WhatIsGeneratedIsReadBackAsTheSameRequests) {
  const Scratch scratch;
  const CommandRun made =
      scratch.run("workload generate synthetic:gamma,n=100,rate=2,cv=3 --output requests.csv");
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string csv = test::read_all(scratch.path("requests.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 101);
  ASSERT_EQ(scratch.run("workload generate synthetic:gamma,n=100,rate=2,cv=3 --output again.csv").code, 0);
  EXPECT_EQ(csv, test::read_all(scratch.path("again.csv")));
  const CommandRun shown = scratch.run("workload show requests.csv --json -");
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.out.find("100"), std::string::npos) << shown.out;
}

TEST(CliCache, ReplayCountsALoopThatNeverFits) {
  // 48 experts in turn through room for four: LRU misses every time. The manifest names the trace.
  const CommandRun run = Scratch().run(std::string("cache replay --trace ") + RDUSIM_SOURCE_DIR +
                                       "/configs/reference/cache/traces/loop48_eq.csv.gz --policy lru "
                                       "--capacity-bytes 54000000000 --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  EXPECT_EQ(json["requests"], 20000);
  EXPECT_EQ(json["misses"], 20000);
  EXPECT_EQ(json["hits"], 0);
  EXPECT_EQ(json["bytes_missed"], json["bytes_requested"]);
  EXPECT_NE(json["manifest"]["command"].get<std::string>().find("--trace"), std::string::npos);
}

TEST(CliStudy, SwitchingWritesOneRowAMechanism) {
  const Scratch scratch;
  const CommandRun run = scratch.run(
      "study switching --experts 60 --batch 1 --popularity zipf:0.9 --requests 200 -o study.csv -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string csv = test::read_all(scratch.path("study.csv"));
  EXPECT_GE(std::count(csv.begin(), csv.end(), '\n'), 4) << csv;
  EXPECT_NE(csv.find("layerwise"), std::string::npos) << csv;
  EXPECT_NE(test::read_all(scratch.path("study.html")).find("<svg"), std::string::npos);
}

// A light and a heavy load, popular and equal experts: no way of serving goes below the bound, and where
// memory is scarce the best comes near it.
TEST(CliStudy, ItsFolderIsMadeOrAskedForBeforeTheRun) {
  const Scratch scratch;
  const CommandRun made = scratch.run("study medusa --context 128 --fidelity analytic -q");
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(std::filesystem::exists(scratch.path("out/study-medusa.csv")));
  const CommandRun missing = scratch.run("study medusa --context 128 -o nowhere/a.csv");
  EXPECT_EQ(missing.code, 2);
  EXPECT_NE(missing.err.find("there is no folder nowhere"), std::string::npos) << missing.err;
  EXPECT_EQ(missing.err.find("simulating"), std::string::npos) << missing.err;
}

TEST(CliStudy, NothingSwitchesForLessThanTheBound) {
  const Scratch scratch;
  for (const char* load : {"--rate 1 --popularity zipf:0.9", "--rate 9 --popularity zipf:0.9",
                           "--rate 5 --popularity uniform"}) {
    const CommandRun run = scratch.run(
        std::string(
            "study switching --stack 2024-late --batch 1 --requests 2000 --seeds 2 -o s.csv -q --json - ") +
        load);
    ASSERT_EQ(run.code, 0) << run.err;
    const auto json = run.json();
    const auto column = [&](const char* name) {
      const auto columns = json["columns"].get<std::vector<std::string>>();
      return static_cast<size_t>(std::find(columns.begin(), columns.end(), name) - columns.begin());
    };
    const size_t time = column("switching_mean_s");
    ASSERT_EQ(json["rows"].back()[column("variant")], "(bound)");
    const double bound_s = std::stod(json["rows"].back()[time].get<std::string>());
    EXPECT_GT(bound_s, 0);
    double least_s = 1;
    for (size_t i = 0; i + 1 < json["rows"].size(); ++i) {
      const auto& row = json["rows"][i];
      const double mean_s = std::stod(row[time].get<std::string>());
      EXPECT_GE(mean_s, bound_s) << load << " " << row.dump();
      least_s = std::min(least_s, mean_s);
      if (row[column("gain")] == "no switching left") continue;
      EXPECT_LE(std::stod(row[column("gain_least")].get<std::string>()),
                std::stod(row[column("gain_most")].get<std::string>()));
    }
    EXPECT_LT(least_s, 1.3 * bound_s) << load;
  }
}

TEST(CliStudy, TogetherTheMechanismsHalveTheSwitchingTimeAtLeast) {
  // The acceptance: 150 experts, Zipf 0.9, batch 1 and 8, whatever the seed.
  const CommandRun run = Scratch().run(
      "study switching --stack 2024-late --requests 4000 --seeds 3 --seed 11 -o s.csv -q --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  int seen = 0;
  const auto json = run.json();
  for (const auto& row : json["rows"]) {
    if (row[5] != "continuous+prefetch+popularity+layerwise, lfu") continue;
    ++seen;
    EXPECT_GT(std::stod(row[9].get<std::string>()), 2) << row.dump();  // gain_least
  }
  EXPECT_EQ(json["columns"][9], "gain_least");
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace rdusim
