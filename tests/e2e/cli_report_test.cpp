// Commands that make pages: report, study codesign, reference; the floorplan of a real run; arrows of a
// trace.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <utility>

#include "tests/e2e/cli_run.h"
#include "tests/support/trace_check.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

TEST(CliReport, ARunAndASweepBecomePages) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-2-7b --context 256 --json run.json").code, 0);
  const CommandRun one = scratch.run("report run.json -o run.html");
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_NE(one.out.find("What would help? "), std::string::npos) << one.out;
  const std::string page = test::read_all(scratch.path("run.html"));
  for (const char* figure :
       {"Floorplan of section", "Roofline of the sections", "rdusim simulate llama-2-7b"})
    EXPECT_NE(page.find(figure), std::string::npos) << figure;
  EXPECT_LT(page.size(), 3'000'000U);

  scratch.write("points.csv", "x,latency_s\n1,0.5\n2,0.4\n3,0.1\n");
  const CommandRun two = scratch.run("report run.json points.csv -o two.html");
  ASSERT_EQ(two.code, 0) << two.err;
  EXPECT_NE(test::read_all(scratch.path("two.html")).find("latency_s over x"), std::string::npos);
}

// Whatever a command writes with --json, report shows.
TEST(CliReport, EveryCommandsResultBecomesAPage) {
  const Scratch scratch;
  const std::string configs = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  ASSERT_EQ(scratch.run("simulate llama-2-7b --context 64 --json a.json -q").code, 0);
  const std::string other = "simulate llama-2-7b --context 64 --set chip.hbm.bandwidth_bytes_per_s=2e12";
  ASSERT_EQ(scratch.run(other + " --json b.json -q").code, 0);
  const std::pair<std::string, std::string> commands[] = {
      {"explain a.json", "The critical path spends"},
      {"diff a.json b.json", "goes from"},
      {"validate --group chip", "judged rows are within"},
      {"probe link --bytes 65536", "bandwidth_bytes_per_s"},
      {"models show llama-2-7b", "total_parameters"},
      {"doctor", "checks"},
      {"cache replay --policy lru,arc --capacity-bytes 243000000000 --trace " + configs +
           "/reference/cache/traces/mixed060.csv.gz",
       "misses"},
      {"plan --composition llama2-7b-x150 --requests synthetic:poisson,n=20,rate=2 --popularity uniform "
       "--objective \"p95 ttft < 5 s\"",
       "meet"}};
  for (const auto& [command, answer] : commands) {
    SCOPED_TRACE(command);
    const CommandRun made = scratch.run(command + " --json result.json -q");
    ASSERT_EQ(made.code, 0) << made.err;
    const CommandRun page = scratch.run("report result.json -o page.html");
    ASSERT_EQ(page.code, 0) << page.err;
    EXPECT_NE(page.out.find(answer), std::string::npos) << page.out;
    EXPECT_LT(std::filesystem::file_size(scratch.path("page.html")), 3'000'000U);
  }
}

TEST(CliReport, ARunIsMadeAgainForItsCriticalPathUnlessAskedNotTo) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-2-7b --context 64 --json run.json -q").code, 0);
  EXPECT_NE(scratch.run("report run.json -o run.html").out.find("The critical path spends"),
            std::string::npos);
  const CommandRun plain = scratch.run("report run.json -o run.html --as-it-is");
  EXPECT_EQ(plain.out.find("The critical path spends"), std::string::npos) << plain.out;
  EXPECT_NE(plain.out.find("Busy share"), std::string::npos) << plain.out;
  // One that cannot be made again still has its page, and the reason is said.
  std::string text = test::read_all(scratch.path("run.json"));
  text.replace(text.find("llama-2-7b --context"), 10, "llama-9-9b");
  scratch.write("gone.json", text);
  const CommandRun gone = scratch.run("report gone.json -o run.html");
  EXPECT_EQ(gone.code, 0) << gone.err;
  EXPECT_NE(gone.err.find("so the page has no critical path"), std::string::npos) << gone.err;
}

TEST(CliReport, AFileThatIsNoResultIsBadInput) {
  const Scratch scratch;
  scratch.write("other.json", "{\"a\": 1}");
  const CommandRun other = scratch.run("report other.json -o page.html");
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("it has no manifest"), std::string::npos) << other.err;
  EXPECT_EQ(scratch.run("report none.json").code, 2);
  EXPECT_FALSE(std::filesystem::exists(scratch.path("page.html")));
}

// Tiles of "0-3 7".
size_t tiles_in(const std::string& ranges) {
  std::istringstream words(ranges);
  size_t tiles = 0;
  for (std::string word; words >> word;) {
    const size_t dash = word.find('-');
    const size_t first = std::stoul(word);
    tiles += dash == std::string::npos ? 1 : std::stoul(word.substr(dash + 1)) - first + 1;
  }
  return tiles;
}

TEST(CliReport, TheFloorplanHasEveryUnitOfTheSection) {
  const auto json = Scratch().run("simulate llama-2-7b --context 256 --fidelity analytic --json -").json();
  const auto& plan = json.at("floorplan");
  ASSERT_FALSE(plan.is_null());
  ASSERT_EQ(plan.at("sections").size(), json.at("sections").size());
  size_t pcus = 0;
  for (const auto& row : plan.at("tiles")) {
    const std::string text = row;
    pcus += static_cast<size_t>(std::count(text.begin(), text.end(), 'P'));
  }
  EXPECT_EQ(pcus, 1040U);
  for (size_t s = 0; s < plan["sections"].size(); ++s) {
    const auto& section = plan["sections"][s];
    size_t used = 0;
    for (const auto& unit : section.at("units")) {
      used += tiles_in(unit.at("tiles"));
      EXPECT_GE(unit.at("busy").get<double>(), 0);
      EXPECT_LE(unit.at("busy").get<double>(), 1);
    }
    size_t stored = 0;
    for (const auto& store : section.at("stores")) stored += tiles_in(store.at("tiles"));
    EXPECT_EQ(used, json["sections"][s].at("pcus").get<size_t>()) << section.at("name");
    EXPECT_EQ(stored, json["sections"][s].at("pmus").get<size_t>()) << section.at("name");
    EXPECT_GT(section.at("busiest_link").get<double>(), 0);
    EXPECT_LE(section.at("mean_link").get<double>(), section.at("busiest_link").get<double>());
  }
}

TEST(CliReport, ATraceJoinsSectionsToTheirMemoryChannels) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-2-7b --context 64 --trace t.json").code, 0);
  const auto json = nlohmann::json::parse(test::read_all(scratch.path("t.json")));
  int begins = 0;
  int ends = 0;
  for (const auto& event : json.at("traceEvents")) {
    begins += event.at("ph") == "s" ? 1 : 0;
    ends += event.at("ph") == "f" ? 1 : 0;
  }
  EXPECT_GT(begins, 0);
  EXPECT_EQ(begins, ends);
  EXPECT_EQ(test::trace_problems(json), std::vector<std::string>());
  EXPECT_FALSE(json.at("otherData").at("sampling").get<std::string>().empty());
}

TEST(CliReport, ATraceOfServingKeepsTheFormatsRules) {
  const Scratch scratch;
  for (const std::string scheduler : {"sequential", "continuous"}) {
    SCOPED_TRACE(scheduler);
    const CommandRun run = scratch.run(
        "serve llama2-7b-x150 --requests synthetic:poisson,rate=5,n=60 --popularity zipf:0.9 -q --trace "
        "t.json "
        "--scheduler " +
        scheduler);
    ASSERT_EQ(run.code, 0) << run.err;
    const auto json = nlohmann::json::parse(test::read_all(scratch.path("t.json")));
    EXPECT_EQ(test::trace_problems(json), std::vector<std::string>());
  }
}

TEST(CliStudy, QuestionsAreAnsweredAndKept) {
  const Scratch scratch;
  scratch.write("s.yaml",
                "name: small\ntitle: T\nabout: A.\nquestions:\n"
                "  - asks: How much HBM bandwidth?\n"
                "    command: simulate llama-2-7b --context 64 --fidelity analytic\n"
                "    x: {label: bandwidth, unit: bytes/s, set: chip.hbm.bandwidth_bytes_per_s, values: "
                "[4e11, 1.6e12, 6.4e12, 7e12]}\n"
                "    y: {label: latency, unit: s, sum: [latency_s]}\n"
                "    series: [{name: decode}]\n");
  const CommandRun run = scratch.run("study codesign s.yaml -o s.html --json s.json");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("4 of 4 points were missing"), std::string::npos) << run.err;
  const auto json = nlohmann::json::parse(test::read_all(scratch.path("s.json")));
  const auto& points = json.at("questions").at(0).at("series").at(0).at("points");
  ASSERT_EQ(points.size(), 4U);
  EXPECT_GT(points[0].at("y").get<double>(), points[3].at("y").get<double>());
  EXPECT_NE(test::read_all(scratch.path("s.html")).find("How much HBM bandwidth?"), std::string::npos);
  EXPECT_NE(scratch.run("study codesign s.yaml -o s.html").err.find("0 of 4 points were missing"),
            std::string::npos);
}

TEST(CliStudy, AMistakeInAStudyIsNamedWithItsPlace) {
  const Scratch scratch;
  scratch.write("s.yaml",
                "name: small\ntitle: T\nabout: A.\nquestions:\n  - asks: Q\n    comand: simulate x\n");
  const CommandRun run = scratch.run("study codesign s.yaml");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("s.yaml:"), std::string::npos) << run.err;
  EXPECT_EQ(scratch.run("study codesign no-such-study").code, 2);
}

}  // namespace
}  // namespace rdusim
