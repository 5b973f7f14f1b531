// Sweeps: rows in grid order whatever the workers do, failed points with their reason, only what is missing
// is run again.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::Scratch;

constexpr const char* kSpec = R"(name: tiny
command: simulate llama-3.2-1b --phase decode --fidelity analytic
grid:
  - {column: context, option: --context, values: [16, 64]}
  - {column: hbm, set: chip.hbm.bandwidth_bytes_per_s, values: [0.9e12, -1, 1.8e12]}
columns:
  - {column: latency_s, path: latency_s}
  - {column: busy, path: unit_cycles.busy}
)";

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(CliSweep, BytesDoNotDependOnTheWorkers) {
  const Scratch scratch;
  scratch.write("spec.yaml", kSpec);
  const auto one = scratch.run("sweep ./spec.yaml --workers 1 -o one.csv");
  ASSERT_EQ(one.code, 0) << one.err;
  ASSERT_EQ(scratch.run("sweep ./spec.yaml --workers 3 -o three.csv").code, 0);
  const std::string csv = test::read_all(scratch.path("one.csv"));
  EXPECT_EQ(csv, test::read_all(scratch.path("three.csv")));
  const std::string manifest = test::read_all(scratch.path("one.csv.manifest.json"));
  EXPECT_NE(manifest.find("\"sha256\""), std::string::npos);
  EXPECT_EQ(manifest, test::read_all(scratch.path("three.csv.manifest.json")));
  EXPECT_EQ(lines(csv), 7U);
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "context,hbm,latency_s,busy,error");
  EXPECT_NE(csv.find("\n16,0.9e12,"), std::string::npos);
}

TEST(CliSweep, AFailedPointSaysWhyAndTheOthersGoOn) {
  const Scratch scratch;
  scratch.write("spec.yaml", kSpec);
  ASSERT_EQ(scratch.run("sweep ./spec.yaml -o o.csv").code, 0);
  const std::string csv = test::read_all(scratch.path("o.csv"));
  const size_t row = csv.find("16,-1,,,");
  ASSERT_NE(row, std::string::npos) << csv;
  EXPECT_NE(csv.find("bandwidth_bytes_per_s", row), std::string::npos) << csv;
  EXPECT_NE(csv.find("\n64,1.8e12,"), std::string::npos);
}

TEST(CliSweep, StartedAgainItRunsOnlyWhatIsMissing) {
  const Scratch scratch;
  scratch.write("spec.yaml", kSpec);
  EXPECT_NE(scratch.run("sweep ./spec.yaml -o o.csv").err.find("6 of 6 points were missing"),
            std::string::npos);
  const std::string csv = test::read_all(scratch.path("o.csv"));
  EXPECT_NE(scratch.run("sweep ./spec.yaml -o o.csv").err.find("0 of 6 points were missing"),
            std::string::npos);
  std::filesystem::remove(std::filesystem::directory_iterator(scratch.path("o.csv.points"))->path());
  std::filesystem::remove(scratch.path("o.csv"));
  EXPECT_NE(scratch.run("sweep ./spec.yaml -o o.csv").err.find("1 of 6 points were missing"),
            std::string::npos);
  EXPECT_EQ(csv, test::read_all(scratch.path("o.csv")));
}

TEST(CliSweep, ATornRecordCountsAsMissing) {
  const Scratch scratch;
  scratch.write("spec.yaml", kSpec);
  ASSERT_EQ(scratch.run("sweep ./spec.yaml -o o.csv").code, 0);
  const auto record = std::filesystem::directory_iterator(scratch.path("o.csv.points"))->path();
  std::filesystem::resize_file(record, std::filesystem::file_size(record) / 2);
  EXPECT_NE(scratch.run("sweep ./spec.yaml -o o.csv").err.find("1 of 6 points were missing"),
            std::string::npos);
}

TEST(CliSweep, BadSpecsAreRefused) {
  const Scratch scratch;
  const std::string rest =
      "grid: [{column: a, option: --batch, values: [1]}]\ncolumns: [{column: b, path: latency_s}]\n";
  const std::pair<std::string, std::string> cases[] = {
      {"name: x\ncommand: doctor\n" + rest, "simulate or serve"},
      {"name: x\ncomand: simulate m\n" + rest, "command"},
      {"name: x\ncommand: simulate m\ngrid: [{column: a, values: [1]}]\ncolumns: [{column: b, path: c}]\n",
       "either set or option"},
      {"name: x\ncommand: simulate m\ngrid: [{column: a, option: --batch, values: [1, 1]}]\ncolumns: "
       "[{column: b, path: c}]\n",
       "twice"},
      {"name: x\ncommand: simulate m\ngrid: [{column: a, option: --batch, values: [1]}]\ncolumns: [{column: "
       "a, path: c}]\n",
       "column a occurs twice"},
  };
  for (const auto& [text, message] : cases) {
    scratch.write("bad.yaml", text);
    const auto run = scratch.run("sweep ./bad.yaml");
    EXPECT_EQ(run.code, 2) << text;
    EXPECT_NE(run.err.find("bad.yaml:"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find(message), std::string::npos) << run.err;
  }
}

}  // namespace
}  // namespace rdusim
