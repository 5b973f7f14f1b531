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
