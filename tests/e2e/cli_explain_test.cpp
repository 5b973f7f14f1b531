// rdusim explain and diff as users meet them, and that the bottleneck they name is the true one: each
// resource is starved in turn.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/arch/load.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "cli/rerun.h"
#include "cli/serving.h"
#include "cli/serving_derivatives.h"
#include "cli/session.h"
#include "compiler/compile.h"
#include "models/model.h"
#include "report/explanation.h"
#include "sim/critical_path.h"
#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using nlohmann::json;
using test::CommandRun;
using test::Scratch;

struct Starved {
  const char* name;
  const char* phase;
  int64_t context;
  std::function<void(NodeSpec&)> starve;
  std::string bottleneck;  // resource
  std::string parameter;   // with the largest elasticity, the clock apart
  bool weights_in_ddr = false;
};

std::vector<Starved> starved_cases() {
  return {
      {"hbm", "decode", 1024, [](NodeSpec& n) { n.chip.hbm.bandwidth_bytes_per_s /= 4; }, "hbm",
       "chip.hbm.bandwidth_bytes_per_s"},
      {"hbm_latency", "decode", 1024, [](NodeSpec& n) { n.chip.hbm.latency_ns *= 100; }, "hbm",
       "chip.hbm.latency_ns"},
      {"ddr", "decode", 1024, [](NodeSpec& n) { n.chip.ddr.bandwidth_bytes_per_s /= 4; }, "ddr",
       "chip.ddr.bandwidth_bytes_per_s", true},
      {"link", "prefill", 1024, [](NodeSpec& n) { n.link.bandwidth_bytes_per_s /= 100; }, "link",
       "node.link.bandwidth_bytes_per_s"},
      {"link_latency", "decode", 1024, [](NodeSpec& n) { n.link.latency_ns *= 100; }, "link",
       "node.link.latency_ns"},
      {"launch", "decode", 1024, [](NodeSpec& n) { n.stacks[0].hardware_launch_s = 1e-3; }, "launch",
       "stack launch time"},
      {"rdn", "prefill", 1024, [](NodeSpec& n) { n.chip.rdn.link_bytes_per_cycle = 2; }, "rdn",
       "chip.rdn.link_bytes_per_cycle"},
      // At any clock this prefill reads its operands longer than it multiplies them.
      {"clock", "prefill", 2048, [](NodeSpec& n) { n.chip.clock_hz /= 4; }, "pcu", "chip.clock_hz"},
      {"pcus", "prefill", 2048,
       [](NodeSpec& n) {
         n.chip.pcu.count /= 4;
         n.chip.rdn.rows = n.chip.rdn.columns = 0;  // the mesh is as the units need
       },
       "pcu", "chip.clock_hz"},
      {"pmu_ports", "prefill", 1024, [](NodeSpec& n) { n.chip.pmu.port_bytes_per_cycle = 1; }, "pmu",
       "chip.pmu.port_bytes_per_cycle"},
  };
}

report::Explanation explained(const Starved& c) {
  ConfigContext config;
  config.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  NodeSpec node = load_node(config, "sn40l-8").value();
  node.stacks = {*node.find_stack("2024-late")};
  c.starve(node);
  const auto model = models::load_model(config.config_dir, "llama-2-7b").value();
  const auto request = cli::graph_request({c.phase, 1, c.context}).value();
  compiler::CompileOptions options;
  options.sockets = node.sockets;
  Program program = compiler::compile(model->build(request).value(), node.chip, options).value();
  if (c.weights_in_ddr)
    program.tiers[static_cast<size_t>(Tier::kDdr)] = program.tiers[static_cast<size_t>(Tier::kHbm)];
  for (Symbol& symbol : program.symbols) {
    if (c.weights_in_ddr && symbol.role == SymbolRole::kWeight) symbol.tier = Tier::kDdr;
  }
  const CriticalPath path = sim::critical_path(program, node, node.stacks[0], Fidelity::kEvent).value();
  return report::explain_run(program, path, node, node.stacks[0]);
}

TEST(Explain, NamesTheStarvedResource) {
  for (const Starved& c : starved_cases()) {
    SCOPED_TRACE(c.name);
    const report::Explanation e = explained(c);
    EXPECT_EQ(e.bottleneck, c.bottleneck);
    ASSERT_FALSE(e.parameters.empty());
    // The clock carries every unit: beside it, the starved one comes first.
    const bool clock = e.parameters.front().name == "chip.clock_hz" && c.parameter != "chip.clock_hz";
    EXPECT_EQ(e.parameters.at(clock ? 1 : 0).name, c.parameter);
    EXPECT_NE(e.sentences.front().find(" on " + c.bottleneck), std::string::npos) << e.sentences.front();
  }
}

TEST(Explain, RowsAddUpToTheLatency) {
  const report::Explanation e = explained(starved_cases().front());
  int64_t resources = 0;
  int64_t path = 0;
  for (const auto& r : e.resources) resources += r.cycles;
  for (const auto& r : e.path) path += r.cycles;
  EXPECT_EQ(resources, e.cycles);
  EXPECT_EQ(path, e.cycles);
  EXPECT_LE(e.path.size(), report::kPathRows);
  EXPECT_EQ(e.bounds.back().name, "reached");
  for (const auto& b : e.bounds) EXPECT_LE(b.share_of_reached, 1.0001) << b.name;
}

TEST(Explain, OfASimulation) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-3.2-1b --context 512 --json r.json -q").code, 0);
  const CommandRun run = scratch.run("explain r.json --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const json why = json::parse(run.out);
  EXPECT_EQ(why["kind"], "simulate");
  int64_t cycles = 0;
  for (const auto& row : why["path"]) cycles += row["cycles"].get<int64_t>();
  EXPECT_EQ(cycles, why["cycles"].get<int64_t>());
  EXPECT_FALSE(why["sentences"].empty());
  EXPECT_FALSE(why["stalls"].empty());
  EXPECT_EQ(scratch.run("explain r.json --json -").out, run.out);  // equal bytes
}

TEST(Explain, OfServing) {
  const Scratch scratch;
  const std::string serve =
      "serve samba-coe-v0.3 --requests " + std::string(RDUSIM_SOURCE_DIR) + "/configs/prompts/demo.jsonl";
  ASSERT_EQ(scratch.run(serve + " --compare dgx-a100 --json r.json -q").code, 0);
  const CommandRun run = scratch.run("explain r.json --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const json why = json::parse(run.out);
  EXPECT_EQ(why["kind"], "serve");
  const json& node = why["nodes"]["sn40l-8"];
  double causes = 0;
  for (const auto& [name, value] : node["mean_causes"].items()) causes += value.get<double>();
  EXPECT_NEAR(causes, node["mean_s"].get<double>(), 1e-9 * causes);
  EXPECT_TRUE(node["serial"]) << node.dump();
  EXPECT_EQ(node["derivatives_of"], "busy_period");
  EXPECT_EQ(why["nodes"]["dgx-a100"]["derivatives_of"], "none");
  EXPECT_TRUE(why["nodes"]["dgx-a100"]["parameters"].empty());
}

// The derivatives of a queue's mean against runs with other parameters. Steps of 2 %: times are in
// picoseconds, and the order of requests does not depend on these parameters. The other runs compile
// anew, and the allocation follows the bandwidth, where explain holds the programs: hence 5 %.
TEST(ExplainSlow, DerivativesOfServingAgreeWithFiniteDifferences) {
  const Scratch scratch;
  const std::string serve =
      "serve samba-coe-v0.3 --requests " + std::string(RDUSIM_SOURCE_DIR) + "/configs/prompts/demo.jsonl";
  ASSERT_EQ(scratch.run(serve + " --json r.json -q").code, 0);
  const json why = json::parse(scratch.run("explain r.json --json - -q").out);
  const auto mean = [&](const std::string& set) {
    const CommandRun run = scratch.run(serve + " --set " + set + " --json - -q");
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(run.out)["nodes"]["sn40l-8"]["latency"]["mean_s"].get<double>();
  };
  int compared = 0;
  for (const auto& row : why["nodes"]["sn40l-8"]["parameters"]) {
    const auto name = row["name"].get<std::string>();
    if (!name.starts_with("chip.dma") && name != "chip.hbm.bandwidth_bytes_per_s") continue;
    const auto value = row["value"].get<double>();
    const double up = mean(name + "=" + std::to_string(value * 1.02));
    const double down = mean(name + "=" + std::to_string(value * 0.98));
    const double difference = (up - down) / 0.04 / why["nodes"]["sn40l-8"]["mean_s"].get<double>();
    const double elasticity = row["elasticity"].get<double>();
    EXPECT_NEAR(elasticity, difference, 0.05 * std::abs(elasticity) + 0.0005) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

// Of a node that does one thing after another both ways must agree: the chain of passes and copies behind
// each request, and the serve done again with what each pass costs then.
TEST(ExplainSlow, ServingAgainAgreesWithTheChain) {
  const Scratch scratch;
  const std::string requests = "synthetic:together,n=12";
  ASSERT_EQ(
      scratch.run("serve samba-coe-v0.3 --popularity uniform --json r.json -q --requests " + requests).code,
      0);
  const json node = json::parse(scratch.run("explain r.json --json - -q").out)["nodes"]["sn40l-8"];
  EXPECT_EQ(node["derivatives_of"], "busy_period");

  cli::Session session;
  session.executable = RDUSIM_BINARY;
  session.quiet = true;
  ASSERT_TRUE(session.open().ok());
  cli::ServingChoice choice;
  choice.requests = requests;
  choice.popularity = "uniform";
  cli::Progress progress("test", true);
  auto prepared = cli::prepare_serving(session, "samba-coe-v0.3", choice, progress);
  ASSERT_TRUE(prepared.ok()) << prepared.error().to_string();
  ASSERT_TRUE(cli::serve_prepared(**prepared, progress).ok());
  const auto served = cli::serve_again(**prepared, 0);
  ASSERT_TRUE(served.ok()) << served.error().to_string();
  const auto mean_s = node["mean_s"].get<double>();
  int compared = 0;
  for (const auto& row : node["parameters"]) {
    const auto elasticity = row["elasticity"].get<double>();
    if (std::abs(elasticity) < 0.01) continue;
    for (size_t p = 0; p < kHardwareParameters; ++p) {
      if (hardware_parameter_record(static_cast<HardwareParameter>(p)).name != row["name"]) continue;
      // 1 / bandwidth over a step of 1 % curves by 0.01 %.
      EXPECT_NEAR((served->above[p] + served->below[p]) / 2 / mean_s, elasticity, 0.01 * std::abs(elasticity))
          << row["name"];
      ++compared;
    }
  }
  EXPECT_GE(compared, 4);
}

// A scheduler that runs requests together while experts are copied: the derivatives hold the queueing. Copies
// do not touch programs, so by their bandwidth the same two serves must come out to the picosecond. Another
// bandwidth of HBM compiles other programs, where explain holds them: it is not compared.
TEST(ExplainSlow, DerivativesOfAnOverlappingServeHoldItsQueueing) {
  const Scratch scratch;
  const std::string serve =
      "serve llama2-7b-x150 --requests synthetic:poisson,rate=12,n=80 --popularity zipf:0.9 --scheduler "
      "continuous --with layerwise";
  ASSERT_EQ(scratch.run(serve + " --json r.json -q").code, 0);
  const CommandRun run = scratch.run("explain r.json --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const json node = json::parse(run.out)["nodes"]["sn40l-8"];
  EXPECT_EQ(node["derivatives_of"], "served_again") << node.dump();
  EXPECT_NE(node["sentences"].back().get<std::string>().find("queueing is in them"), std::string::npos);
  const auto mean = [&](const std::string& set) {
    const CommandRun other = scratch.run(serve + " --set " + set + " --json - -q");
    EXPECT_EQ(other.code, 0) << other.err;
    return json::parse(other.out)["nodes"]["sn40l-8"]["latency"]["mean_s"].get<double>();
  };
  int compared = 0;
  for (const auto& row : node["parameters"]) {
    const auto name = row["name"].get<std::string>();
    if (name != "chip.dma.bandwidth_bytes_per_s") continue;
    const auto value = row["value"].get<double>();
    const double up = mean(fmt::format("{}={}", name, value * 1.01));
    const double down = mean(fmt::format("{}={}", name, value * 0.99));
    const double difference = (up - down) / 0.02 / node["mean_s"].get<double>();
    EXPECT_LT(difference, -1e-3);
    EXPECT_NEAR(row["elasticity"].get<double>(), difference, 1e-6 * std::abs(difference) + 1e-6);
    ++compared;
  }
  EXPECT_EQ(compared, 1);
}

TEST(Explain, RefusesWhatItCannotMakeAgain) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-3.2-1b --context 128 --json r.json -q").code, 0);
  json result = json::parse(test::read_all(scratch.path("r.json")));
  scratch.write("no.json", "{}");
  EXPECT_NE(scratch.run("explain no.json").err.find("it has no manifest with a command"), std::string::npos);
  scratch.write("text.json", "hello");
  EXPECT_NE(scratch.run("explain text.json").err.find("it is no JSON"), std::string::npos);
  json other = result;
  other["manifest"]["command"] = "rdusim models list";
  scratch.write("models.json", other.dump());
  EXPECT_NE(scratch.run("explain models.json").err.find("not one of simulate or serve"), std::string::npos);
  other = result;
  other["manifest"]["configs"][0]["sha256"] = "0";
  scratch.write("changed.json", other.dump());
  EXPECT_NE(scratch.run("explain changed.json").err.find("is not what the result was made from"),
            std::string::npos);
  other = result;
  other["cycles"] = 1;
  scratch.write("cycles.json", other.dump());
  const CommandRun run = scratch.run("explain cycles.json");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("it says 1 cycles"), std::string::npos) << run.err;
}

TEST(Diff, ExplainsAChangeByItsParameters) {
  const Scratch scratch;
  const std::string simulate = "simulate llama-2-7b --context 1024 -q --json ";
  ASSERT_EQ(scratch.run(simulate + "a.json").code, 0);
  ASSERT_EQ(scratch.run(simulate + "b.json --set chip.hbm.bandwidth_bytes_per_s=1.6e12").code, 0);
  const CommandRun run = scratch.run("diff a.json b.json --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const json d = json::parse(run.out);
  const auto change = d["change_s"].get<double>();
  EXPECT_GT(change, 0);
  double parts = d["unexplained_s"].get<double>();
  for (const auto& e : d["explained"]) parts += e["explained_s"].get<double>();
  EXPECT_NEAR(parts, change, 1e-12);
  ASSERT_EQ(d["explained"].size(), 1U);
  EXPECT_EQ(d["explained"][0]["parameter"], "chip.hbm.bandwidth_bytes_per_s");
  EXPECT_LT(std::abs(d["unexplained_s"].get<double>()), 0.25 * change);
  EXPECT_EQ(d["inputs"][0]["name"], "command");
}

TEST(Diff, UnlikeResultsAreAnError) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-3.2-1b --context 128 --json a.json -q").code, 0);
  ASSERT_EQ(
      scratch
          .run("serve samba-coe-v0.3 --requests synthetic:together,n=2 --popularity uniform --json b.json -q")
          .code,
      0);
  const CommandRun run = scratch.run("diff a.json b.json");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("compare results of one command"), std::string::npos) << run.err;
}

TEST(Diff, ServingIsComparedByItsFirstNodesMean) {
  const Scratch scratch;
  const std::string serve =
      "serve samba-coe-v0.3 --requests synthetic:together,n=6 --popularity uniform -q --json ";
  ASSERT_EQ(scratch.run(serve + "a.json").code, 0);
  ASSERT_EQ(scratch.run(serve + "b.json --set chip.dma.bandwidth_bytes_per_s=60e9").code, 0);
  const CommandRun run = scratch.run("diff a.json b.json --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const json d = json::parse(run.out);
  ASSERT_EQ(d["explained"].size(), 1U) << d.dump();
  EXPECT_LT(std::abs(d["unexplained_s"].get<double>()), 0.1 * d["change_s"].get<double>());
}

TEST(Rerun, CommandLinesAreSplitAsTheyWereQuoted) {
  const auto words = cli::split_command_line("rdusim serve 'a b' 'it'\\''s' plain=1").value();
  EXPECT_EQ(words, (std::vector<std::string>{"rdusim", "serve", "a b", "it's", "plain=1"}));
  EXPECT_FALSE(cli::split_command_line("rdusim 'open").ok());
}

}  // namespace
}  // namespace rdusim
