// The command as users meet it: help, exit codes, error messages, JSON fields, equal bytes.
#include <gtest/gtest.h>

#include "base/check.h"
#include "cli/session.h"
#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

const std::vector<std::string> kCommands{
    "doctor",   "models",     "models list",  "models show",    "compile",  "simulate", "check",
    "generate", "router",     "router train", "router eval",    "serve",    "sweep",    "schema",
    "validate", "crosscheck", "report",       "study codesign", "reference"};

TEST(CliHelp, EveryCommandTeachesWithAnExample) {
  const Scratch scratch;
  for (const auto& command : kCommands) {
    const CommandRun run = scratch.run(command + " --help");
    EXPECT_EQ(run.code, 0) << command;
    EXPECT_TRUE(command == "models list" || run.out.find("Example") != std::string::npos) << command;
    EXPECT_TRUE(run.err.empty()) << run.err;
  }
}

TEST(CliHelp, TheFirstPageNamesEveryCommandAndTheExitCodes) {
  const CommandRun run = Scratch().run("--help");
  for (const char* name : {"doctor", "models", "compile", "simulate", "check", "generate", "router", "serve",
                           "sweep", "schema", "validate", "crosscheck", "report", "study", "reference"}) {
    EXPECT_NE(run.out.find(name), std::string::npos) << name;
  }
  EXPECT_NE(run.out.find("Exit codes: 0 fine, 1 a check fell short, 2 bad input, 3 a bug"),
            std::string::npos);
}

struct BadInput {
  std::string arguments;
  std::string message;  // a part of standard error
};

TEST(CliErrors, BadInputIsExitCodeTwoWithPlaceAndHint) {
  const std::vector<BadInput> cases{
      {"", "A subcommand is required"},
      {"simulat", "did you mean simulate?"},
      {"simulate llama-2-7b --phse decode", "did you mean --phase?"},
      {"simulate llama-2-7b --phase sleep", "not in {prefill,decode,embed,route,encode,train}"},
      {"simulate llama-2-7b --batch 0", "--batch"},
      {"simulate llama-2-7b --phase decode --cached 64", "give --phase prefill"},
      {"simulate no-such-model", "no-such-model"},
      {"simulate llama-2-7b --node sn40l-9", "did you mean `sn40l-8`?"},
      {"simulate llama-2-7b --node dgx-a100", "runs no programs"},
      {"simulate llama-2-7b --stack 2024-lat", "did you mean 2024-late?"},
      {"simulate llama-2-7b --set chip.hbm.bandwidth=1", "did you mean `chip.hbm.bandwidth_bytes_per_s`?"},
      {"simulate llama-2-7b --set chip", "expected path=value"},
      {"simulate llama-2-7b --fidelity analytic --trace t.json", "--fidelity event"},
      {"compile llama-2-7b --dump-after fus", "did you mean fuse?"},
      {"check no-such-folder", "no-such-folder"},
      {"serve samba-coe-v0.3 --requests no-such-file.csv", "no-such-file.csv"},
      {"serve samba-coe-v0.3 --requests synthetic:together,n=2 --popularity zipf:0.9 --compare sn40l-8",
       "named twice"},
      {"schema chips", "did you mean chip?"},
      {"sweep no-such-sweep", "no-such-sweep"},
  };
  const Scratch scratch;
  for (const auto& bad : cases) {
    const CommandRun run = scratch.run(bad.arguments);
    EXPECT_EQ(run.code, 2) << bad.arguments;
    EXPECT_NE(run.err.find("error: "), std::string::npos) << run.err;
    EXPECT_NE(run.err.find(bad.message), std::string::npos) << bad.arguments << "\n" << run.err;
    EXPECT_FALSE(std::filesystem::exists(scratch.path("t.json")));
  }
}

TEST(CliErrors, ABugIsExitCodeThree) {
  EXPECT_EQ(cli::guarded([]() -> int {
              RDU_CHECK(1 == 2, "a test");
              return 0;
            }),
            3);
  EXPECT_EQ(cli::guarded([]() -> int { throw 7; }), 3);
  EXPECT_EQ(cli::guarded([] { return 1; }), 1);
}

TEST(CliErrors, MalformedYamlPointsAtThePlace) {
  const Scratch scratch;
  scratch.write("node.yaml", "kind: rdu_node\nname: x\nchip: nowhere.yaml\nsocket: 8\n");
  const CommandRun run = scratch.run("simulate llama-2-7b --node node.yaml");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("node.yaml:"), std::string::npos) << run.err;
}

void expect_manifest(const nlohmann::json& json) {
  EXPECT_EQ(json.at("schema_version"), 1);
  const auto& manifest = json.at("manifest");
  EXPECT_FALSE(manifest.at("version").get<std::string>().empty());
  EXPECT_NE(manifest.at("command").get<std::string>().find("rdusim "), std::string::npos);
  EXPECT_TRUE(manifest.at("seed").is_number_unsigned());
  for (const auto& file : manifest.at("configs")) {
    EXPECT_EQ(file.at("sha256").get<std::string>().size(), 64U);
    EXPECT_FALSE(file.at("path").get<std::string>().empty());
  }
}

TEST(CliModels, ShowHasTheContractsFields) {
  const auto json = Scratch().run("models show llama-2-7b --json -").json();
  expect_manifest(json);
  EXPECT_EQ(json.at("name"), "llama-2-7b");
  EXPECT_EQ(json.at("total_parameters"), 6'738'415'616);
  EXPECT_EQ(json.at("weight_bytes"), 13'476'831'232);
  EXPECT_EQ(json.at("kv_bytes_per_token"), 524'288);
  EXPECT_GT(json.at("flops_per_token").get<int64_t>(), 13'000'000'000);
}

TEST(CliSimulate, JsonHasTheContractsFieldsAndAddsUp) {
  const auto json = Scratch().run("simulate llama-2-7b --phase decode --context 256 --json -").json();
  expect_manifest(json);
  EXPECT_EQ(json.at("fidelity"), "event");
  EXPECT_GT(json.at("latency_s").get<double>(), 0);
  EXPECT_GT(json.at("tokens_per_second").get<double>(), 0);
  EXPECT_GT(json.at("bytes").at("hbm").at("weights").get<int64_t>(), 12'000'000'000);
  int64_t sum = 0;
  for (const char* kind : {"busy", "starved", "blocked", "launching", "idle"})
    sum += json.at("unit_cycles").at(kind).get<int64_t>();
  EXPECT_EQ(sum,
            json.at("cycles").get<int64_t>() * 8 * 2080);  // 1040 PCUs and 1040 PMUs on each of eight sockets
  EXPECT_FALSE(json.at("sections").empty());
}

TEST(CliSimulate, ASavedProgramRunsLikeTheModelItWasCompiledFrom) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("compile llama-2-7b --phase decode --context 256 -o p.rdu").code, 0);
  const auto direct = scratch.run("simulate llama-2-7b --phase decode --context 256 --json -").json();
  const auto saved = scratch.run("simulate p.rdu --json -").json();
  EXPECT_EQ(direct.at("cycles"), saved.at("cycles"));
  EXPECT_EQ(direct.at("bytes"), saved.at("bytes"));
}

TEST(CliSimulate, ASavedProgramTakesNoOptionsOfItsPassOrItsCompiler) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("compile llama-2-7b --phase decode --context 256 -o p.rdu").code, 0);
  for (const char* option : {"--batch 2", "--fusion none", "--moe-parallel expert"}) {
    const auto run = scratch.run(std::string("simulate p.rdu ") + option);
    EXPECT_EQ(run.code, 2) << option;
    EXPECT_NE(run.err.find("which pass it is and how it is compiled stand in it"), std::string::npos)
        << run.err;
  }
}

TEST(CliSimulate, OverridesReachTheChip) {
  const Scratch scratch;
  const std::string command =
      "simulate llama-2-7b --phase decode --context 256 --fidelity analytic --json - ";
  const double slow =
      scratch.run(command + "--set chip.hbm.bandwidth_bytes_per_s=0.9e12").json().at("latency_s");
  const double fast =
      scratch.run(command + "--set chip.hbm.bandwidth_bytes_per_s=3.6e12").json().at("latency_s");
  EXPECT_GT(slow, 1.5 * fast);
}

TEST(CliSimulate, TheTraceIsJsonWithSpans) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-2-7b --phase decode --context 16 --trace t.json").code, 0);
  const auto trace = nlohmann::json::parse(test::read_all(scratch.path("t.json")));
  EXPECT_GT(trace.at("traceEvents").size(), 10U);
}

TEST(CliServe, JsonHasTheContractsFields) {
  const Scratch scratch;
  const CommandRun run = scratch.run(
      "serve llama2-7b-x150 --requests synthetic:together,n=6 --compare dgx-h100 --set "
      "composition.experts.llama2-7b.count=20 --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  expect_manifest(json);
  for (const char* name : {"sn40l-8", "dgx-h100"}) {
    const auto& node = json.at("nodes").at(name);
    EXPECT_EQ(node.at("requests"), 6);
    EXPECT_EQ(node.at("failed"), 0);
    for (const char* distribution : {"latency", "ttft"}) {
      for (const char* quantile : {"mean_s", "p50_s", "p95_s", "p99_s"})
        EXPECT_GT(node.at(distribution).at(quantile).get<double>(), 0);
    }
    double split = 0;
    for (const char* part : {"queueing_s", "routing_s", "switching_s", "prefill_s", "decode_s"})
      split += node.at("split").at(part).get<double>();
    EXPECT_NEAR(split, node.at("latency").at("mean_s").get<double>(), 1e-9);
    EXPECT_GE(node.at("expert_hit_rate").get<double>(), 0);
    EXPECT_FALSE(node.at("bytes").empty());
  }
}

TEST(CliServe, TheDemoMakesASelfContainedPage) {
  const Scratch scratch;
  const std::string prompts = std::string(RDUSIM_SOURCE_DIR) + "/configs/prompts/demo.jsonl";
  const CommandRun run = scratch.run("serve samba-coe-v0.3 --requests " + prompts +
                                     " --compare dgx-a100,dgx-h100 --html page.html");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("Switching experts is"), std::string::npos);
  const std::string page = test::read_all(scratch.path("page.html"));
  EXPECT_LT(page.size(), 3'000'000U);
  for (const char* outside : {"http:", "https:", "<script", "src="})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_NE(page.find("Experts in HBM on sn40l-8"), std::string::npos);
}

TEST(CliDeterminism, TwiceTheSameCommandGivesTheSameBytes) {
  const Scratch scratch;
  for (const std::string& command :
       {std::string("simulate llama-2-7b --phase prefill --context 64"),
        std::string("compile llama-2-7b --context 64"),
        std::string("serve llama2-7b-x150 --requests synthetic:poisson,rate=2,n=20 --popularity zipf:0.9")}) {
    const CommandRun first = scratch.run(command + " --json a.json");
    const CommandRun second = scratch.run(command + " --json b.json");
    EXPECT_EQ(first.code, 0) << first.err;
    EXPECT_EQ(first.out, second.out) << command;
    EXPECT_EQ(test::read_all(scratch.path("a.json")), test::read_all(scratch.path("b.json"))) << command;
  }
}

TEST(CliSchema, EverySchemaIsJson) {
  const Scratch scratch;
  for (const char* kind : {"chip", "node", "gpu_node", "composition", "sweep"}) {
    const CommandRun run = scratch.run(std::string("schema ") + kind);
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_TRUE(run.json().is_object()) << kind;
  }
}

TEST(CliDoctor, EverythingIsInPlace) {
  const CommandRun run = Scratch().run("doctor --json -");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_EQ(run.json().at("ok"), true);
}

}  // namespace
}  // namespace rdusim
