// Mixtures of experts by the command: the study of their cuts, the three fidelities, what is refused.
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::Scratch;

// Eight experts, four heads.
const std::string kModel = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/mixtral-2 ";

TEST(CliMoe, TheStudyComparesCutsThatHoldTheSameAndExchangeTheSame) {
  const auto run =
      Scratch().run("study moe --model " + kModel +
                    "--set node.sockets=4 --expert-groups 2,4 --context 8 --prompts 16 --batch 1 "
                    "-o study.csv --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto rows = run.json().at("rows");
  ASSERT_EQ(rows.size(), 2U * 2U * 3U);  // passes, loads, cuts
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& tensor = rows[i / 3 * 3];
    EXPECT_EQ(rows[i].at(3), i % 3 == 0 ? "tensor" : "expert");
    EXPECT_EQ(tensor.at(7), "1.0000");
    EXPECT_EQ(rows[i].at(9), tensor.at(9)) << "over links: " << rows[i].dump();
    EXPECT_GT(std::stoll(rows[i].at(8).get<std::string>()), 0);
  }
  // One row, two choices of eight experts, on four sockets: two blocks at worst, 1.14 on average.
  EXPECT_GT(std::stoll(rows[2].at(8).get<std::string>()), std::stoll(rows[5].at(8).get<std::string>()));
}

// Launches are most of so small a step, so the fidelities agree far better than on a large one. A prefill
// stores caches in BF16 that the mesh carries in FP32.
TEST(CliMoe, AllFidelitiesRunWholeExperts) {
  for (const char* pass : {"--phase decode --context 8 ", "--phase prefill --context 128 "}) {
    double event_s = 0;
    for (const char* fidelity : {"event", "analytic", "cycle"}) {
      const auto run =
          Scratch().run("simulate " + kModel + pass + "--set node.sockets=4 --moe-parallel expert " +
                        "--fidelity " + fidelity + " --json -");
      ASSERT_EQ(run.code, 0) << run.err;
      const double seconds = run.json().at("latency_s").get<double>();
      if (event_s == 0) event_s = seconds;
      EXPECT_NEAR(seconds, event_s, 0.05 * event_s) << fidelity;
      EXPECT_NE(run.json().at("program").get<std::string>().find(".ep4."), std::string::npos);
    }
  }
}

// A composition of mixtures beside a dense model: served with whole experts, a request takes what the passes
// take so; nothing else changes.
TEST(CliMoe, AServeTakesWholeExperts) {
  const Scratch scratch;
  const std::string fixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/";
  const auto composition = [&](const std::string& model) {
    return "name: mixtures\ndescription: three of one model\nexperts:\n  - {name: e, model: " + fixtures +
           model +
           ", count: 3}\nrouter: {kind: popularity, popularity: uniform, runs: none}\n"
           "request: {prompt_tokens: 16, output_tokens: 4}\nstack: 2024-late\nbatch: 1\n";
  };
  scratch.write("mixtures.yaml", composition("mixtral-2"));
  scratch.write("dense.yaml", composition("llama-1"));
  const auto served = [&](const std::string& options) {
    const auto run = scratch.run(
        "serve mixtures.yaml --requests synthetic:poisson,rate=5,n=6 --set "
        "node.sockets=4 -q --json - " +
        options);
    EXPECT_EQ(run.code, 0) << run.err;
    return run.code == 0 ? run.json()["nodes"]["sn40l-8"] : nlohmann::json();
  };
  const auto tensor = served("");
  const auto expert = served("--moe-parallel expert --expert-groups 2");
  EXPECT_EQ(served("--moe-parallel tensor").dump(), tensor.dump());
  EXPECT_EQ(tensor["switches"], expert["switches"]);
  EXPECT_EQ(tensor["bytes"]["store_to_hbm"], expert["bytes"]["store_to_hbm"]);
  EXPECT_NE(tensor["node_time"]["decode_s"], expert["node_time"]["decode_s"]);
  EXPECT_NE(tensor["node_time"]["prefill_s"], expert["node_time"]["prefill_s"]);

  const std::string dense = "serve dense.yaml --requests synthetic:poisson,rate=5,n=6 --moe-parallel expert";
  const auto refused = scratch.run(dense);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("no mixture of experts"), std::string::npos) << refused.err;
}

TEST(CliMoe, ASavedProgramRunsAsTheModelDoes) {
  const Scratch scratch;
  const std::string options = "--context 8 --set node.sockets=4 --moe-parallel expert --expert-groups 2 ";
  const auto compiled = scratch.run("compile " + kModel + options + "--explain -o moe.rdu");
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  EXPECT_NE(compiled.out.find("4 of 8 experts, rows / 2"), std::string::npos) << compiled.out;
  const auto saved = scratch.run("simulate moe.rdu --set node.sockets=4 --json -");
  const auto model = scratch.run("simulate " + kModel + options + "--json -");
  ASSERT_EQ(saved.code, 0) << saved.err;
  ASSERT_EQ(model.code, 0) << model.err;
  EXPECT_EQ(saved.json().at("cycles"), model.json().at("cycles"));
}

TEST(CliMoe, APipelineIsCalledByHowItsExpertsLie) {
  const auto run = Scratch().run("simulate " + kModel +
                                 "--context 8 --set node.sockets=4 --pipeline 2 --moe-parallel expert "
                                 "--moe-load uniform --fidelity analytic --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto name = run.json().at("program").get<std::string>();
  EXPECT_NE(name.find(".pp2.tp2.ep2.uniform.m1.layer"), std::string::npos) << name;
}

TEST(CliMoe, ValuesNeedRoomForAnyChoice) {
  const auto run = Scratch().run("generate " + kModel + "--prompt-ids 1,2 --tokens 1 --moe-load uniform");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("values need room for any choice of experts"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace rdusim
