// rdusim probe gemm, pmu and units as users meet them: contract of the JSON, exit codes, error messages.
#include <gtest/gtest.h>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

TEST(CliProbeUnits, HelpTeachesWithAnExample) {
  for (const char* name : {"gemm", "pmu", "units"}) {
    const CommandRun run = Scratch().run("probe " + std::string(name) + " --help");
    EXPECT_EQ(run.code, 0);
    EXPECT_NE(run.out.find("rdusim probe " + std::string(name)), std::string::npos);
  }
}

TEST(CliProbeGemm, CountsTheFoldsOfTheReference) {
  const Scratch scratch;
  const std::string product = "probe gemm --m 64 --k 256 --n 256 --rows 32 --columns 32 --json - ";
  const auto none = scratch.run(product + "--dataflow os --overlap none").json();
  EXPECT_EQ(none["cycles"], 5088);
  EXPECT_EQ(none["folds"], 16);
  EXPECT_EQ(none["fill_cycles"], 62);
  EXPECT_EQ(none["ideal_cycles"], 4096);
  EXPECT_DOUBLE_EQ(none["utilization"].get<double>(), 4096.0 / 5088);
  const auto overlapped = scratch.run(product + "--overlap fill_drain").json();
  EXPECT_EQ(overlapped["cycles"], 16 * 256 + 62);
  EXPECT_EQ(overlapped["cycles_without_overlap"], 5088);
  // Two lanes make one of FP32: twice the folds, and half the columns to reach.
  EXPECT_EQ(scratch.run(product + "--dtype fp32").json()["cycles"], 32 * (256 + 31 + 15));
}

TEST(CliProbeGemm, DefaultsToTheChipsArray) {
  const auto json = Scratch().run("probe gemm --m 6 --k 100 --n 32 --json -").json();
  EXPECT_EQ(json["rows"], 6);
  EXPECT_EQ(json["columns"], 32);
  EXPECT_EQ(json["cycles"], 100 + 36);
}

TEST(CliProbeGemm, EveryReferenceRowIsWithinItsTolerance) {
  const Scratch scratch;
  const CommandRun run = scratch.run("probe gemm --json - --reference");
  EXPECT_EQ(run.code, 0);
  const auto json = run.json();
  EXPECT_EQ(json["rows"].size(), 17U);
  for (const auto& row : json["rows"]) EXPECT_EQ(row["cycles"].get<int64_t>() - 1, row["reference_cycles"]);
}

TEST(CliProbeGemm, AReferenceThatDiffersFallsShort) {
  const Scratch scratch;
  const std::string header =
      "simulator,version,bandwidth_mode,dataflow,array_rows,array_cols,M,K,N,compute_cycles\n";
  scratch.write("off.csv", header + "Other,1,CALC,os,32,32,64,256,256,6000\n");
  EXPECT_EQ(scratch.run("probe gemm --reference off.csv").code, 1);
  scratch.write("user.csv", header + "Other,1,USER,os,32,32,64,256,256,6000\n");
  CommandRun run = scratch.run("probe gemm --reference user.csv");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("no row with bandwidth_mode CALC"), std::string::npos) << run.err;
  scratch.write("word.csv", header + "Other,1,CALC,os,32,many,64,256,256,6000\n");
  run = scratch.run("probe gemm --reference word.csv");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("word.csv:2: error: `many` in column `array_cols`"), std::string::npos) << run.err;
  scratch.write("flow.csv", header + "Other,1,CALC,rs,32,32,64,256,256,6000\n");
  run = scratch.run("probe gemm --reference flow.csv");
  EXPECT_NE(run.err.find("dataflow `rs` is not known"), std::string::npos) << run.err;
}

TEST(CliProbePmu, TransposesAtFullRateFromDiagonalStripesOnly) {
  const Scratch scratch;
  const std::string transpose = "probe pmu --pattern transpose --rows 128 --columns 128 --json - --layout ";
  const auto diagonal = scratch.run(transpose + "diagonal").json();
  EXPECT_EQ(diagonal["cycles"], 512);
  EXPECT_EQ(diagonal["conflicts"], 0);
  EXPECT_EQ(diagonal["fraction_of_peak"], 1.0);
  EXPECT_NEAR(diagonal["bandwidth_bytes_per_s"].get<double>(), 64 * 1.6e9, 1);
  const auto linear = scratch.run(transpose + "linear").json();
  EXPECT_EQ(linear["cycles"], 512 * 32);
  EXPECT_GT(linear["conflicts"], 0);
}

TEST(CliProbePmu, BadSizesAreErrors) {
  const Scratch scratch;
  CommandRun run = scratch.run("probe pmu --bank-bits 3");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("bit 3 chooses no line"), std::string::npos) << run.err;
  run = scratch.run("probe pmu --rows 100000 --columns 1000");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("use more PMUs"), std::string::npos) << run.err;
  EXPECT_EQ(scratch.run("probe pmu --pattern spiral").code, 2);
}

TEST(CliProbeUnits, ServiceTimesAgreeWithTheCycleLevel) {
  const CommandRun run = Scratch().run("probe units --json -");
  EXPECT_EQ(run.code, 0);
  EXPECT_LE(run.json()["largest_percent"].get<double>(), 5);
}

}  // namespace
}  // namespace rdusim
