// Pipelines by the commands: fixtures through stages, times that add up, memory by stage, errors,
// explanations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::Scratch;

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/";

class PipelineFamily : public ::testing::TestWithParam<std::string> {};

TEST_P(PipelineFamily, PassesInTwoStages) {
  const auto run = Scratch().run("check " + kFixtures + GetParam() +
                                 "-1 --pipeline 2 --fusion layer --dtype bf16 --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  int staged = 0;
  const auto fixtures = run.json().at("fixtures");
  for (const auto& one : fixtures) {
    EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
    if (one.at("path") != "chip") continue;
    ++staged;
    EXPECT_EQ(one.at("stages"), 2);
    EXPECT_TRUE(one.at("sockets") == 2 || one.at("sockets") == 4);
  }
  EXPECT_EQ(staged, 2);  // one and two sockets a stage
}

INSTANTIATE_TEST_SUITE_P(Families, PipelineFamily,
                         ::testing::Values("llama", "mistral", "e5", "falcon", "bloom", "mixtral", "dbrx",
                                           "grok", "mamba", "samba", "medusa", "clip", "llava",
                                           "pix2struct"));

TEST(PipelineCommand, OnePassIsTheSumOfStagesAndTransfers) {
  for (const char* const fidelity : {"analytic", "event"}) {
    const auto run =
        Scratch().run(std::string("simulate llama-3-8b --pipeline 4 --json - --fidelity ") + fidelity);
    ASSERT_EQ(run.code, 0) << run.err;
    const auto json = run.json();
    double sum = 0;
    int64_t layers = 0;
    for (const auto& stage : json.at("stages")) {
      sum += stage.at("time_s").get<double>();
      layers += stage.at("last_layer").get<int64_t>() - stage.at("first_layer").get<int64_t>() + 1;
      EXPECT_EQ(stage.at("sockets"), 2);
      EXPECT_FALSE(stage.at("bound_by").get<std::string>().empty());
      EXPECT_GT(stage.at("bytes").at("hbm").at("weights").get<int64_t>(), 0);
      EXPECT_GT(stage.at("memory").at("hbm_bytes_per_socket").get<int64_t>(),
                stage.at("memory").at("weight_bytes_per_socket").get<int64_t>());
    }
    EXPECT_EQ(layers, 32);
    for (const auto& border : json.at("borders")) {
      sum += border.at("time_s").get<double>();
      EXPECT_EQ(border.at("values").size(), 1U);
      EXPECT_EQ(border.at("bytes_per_socket"), 4096 * 2);
    }
    EXPECT_NEAR(json.at("latency_s").get<double>(), sum, 1e-12);
    EXPECT_NEAR(json.at("bubble_share").get<double>(), 0.75, 0.02);
    EXPECT_EQ(json.at("bound_by").get<std::string>().rfind("stage ", 0), 0U);
  }
}

TEST(PipelineCommand, TheCycleFidelityRunsStagesToo) {
  const auto run = Scratch().run("simulate " + kFixtures +
                                 "llama-1 --pipeline 2 --node sn40l-sixteenth --set node.sockets=2 "
                                 "--context 16 --fidelity cycle --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json().at("fidelity"), "cycle");
  EXPECT_GT(run.json().at("cycles").get<int64_t>(), 0);
}

TEST(PipelineCommand, GroupsInFlightFillTheStages) {
  const auto one = Scratch().run("simulate llama-3-8b --pipeline 4 --batch 1 --fidelity analytic --json -");
  const auto four = Scratch().run(
      "simulate llama-3-8b --pipeline 4 --batch 4 --micro-batches 4 --fidelity analytic --json -");
  ASSERT_EQ(one.code, 0) << one.err;
  ASSERT_EQ(four.code, 0) << four.err;
  EXPECT_LT(four.json().at("bubble_share").get<double>(), 0.05);
  const double gain =
      four.json().at("tokens_per_second").get<double>() / one.json().at("tokens_per_second").get<double>();
  EXPECT_GT(gain, 3.8);
  EXPECT_LE(gain, 4.0);
  // Each group's cache is held, by the stage that has its layers.
  const auto cache = [](const test::CommandRun& run) {
    return run.json().at("stages")[1].at("memory").at("cache_bytes_per_socket").get<int64_t>();
  };
  EXPECT_EQ(cache(four), 4 * cache(one));
}

TEST(PipelineCommand, ChunksOfAPromptShareTheCache) {
  const auto run = Scratch().run(
      "simulate llama-3-8b --pipeline 2 --phase prefill --context 1024 --micro-batches 4 --fidelity analytic "
      "--json -");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  EXPECT_EQ(json.at("pipeline").at("micro_batches_of"), "tokens");
  const auto& stage = json.at("stages")[1];
  const int64_t layers = stage.at("last_layer").get<int64_t>() - stage.at("first_layer").get<int64_t>() + 1;
  // Two key/value heads of 128 a socket, keys and values, 1024 rows of BF16.
  EXPECT_EQ(stage.at("memory").at("cache_bytes_per_socket").get<int64_t>(), layers * 2 * 1024 * 2 * 128 * 2);
  // Each chunk writes its 256 rows and reads those of the chunks before it: 1024 and 256 + 512 + 768 rows.
  const auto& first = json.at("stages")[0];
  EXPECT_EQ(first.at("micro_batch_time_s").size(), 4U);
  const int64_t row_bytes = layers * 4 * 2 * 2 * 128 * 2;  // four sockets
  EXPECT_EQ(first.at("bytes").at("hbm").at("kv_cache").get<int64_t>(), (1024 + 1536) * row_bytes);
  // Steps of a stage follow one another.
  double end = 0;
  for (const auto& step : json.at("schedule")) {
    if (step.at("stage") != 0) continue;
    EXPECT_GE(step.at("begin_s").get<double>(), end);
    end = step.at("end_s").get<double>();
  }
}

TEST(PipelineCommand, ExplainNamesTheStageThatBinds) {
  const Scratch scratch;
  ASSERT_EQ(scratch.run("simulate llama-3-8b --pipeline 2 --fidelity analytic --json a.json").code, 0);
  const auto run = scratch.run("explain a.json --json why.json");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("stage 0 (layers 0 to 16) binds, in it layer: hbm"), std::string::npos) << run.out;
  const auto why = nlohmann::json::parse(test::read_all(scratch.path("why.json")));
  double share = 0;
  for (const auto& row : why.at("chain")) share += row.at("share").get<double>();
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_TRUE(why.contains("stage"));
  // Derivative against a run with 1 % more HBM bandwidth.
  const auto more = scratch.run(
      "simulate llama-3-8b --pipeline 2 --fidelity analytic --set chip.hbm.bandwidth_bytes_per_s=1.818e12 "
      "--json b.json");
  ASSERT_EQ(more.code, 0) << more.err;
  const auto interval = [&](const char* name) {
    return nlohmann::json::parse(test::read_all(scratch.path(name))).at("interval_s").get<double>();
  };
  const double measured = std::log(interval("b.json") / interval("a.json")) / std::log(1.01);
  for (const auto& row : why.at("parameters")) {
    if (row.at("name") == "chip.hbm.bandwidth_bytes_per_s") {
      EXPECT_NEAR(row.at("elasticity").get<double>(), measured, 0.02);
    }
  }
  EXPECT_EQ(scratch.run("diff a.json b.json").code, 0);
}

TEST(PipelineCommand, CompileSavesAProgramAStage) {
  const Scratch scratch;
  const auto run = scratch.run("compile llama-3-8b --pipeline 2 -o decode.rdu --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json().at("stages").size(), 2U);
  EXPECT_EQ(run.json().at("borders")[0].at("bytes"), 8192);
  const auto stage = scratch.run("simulate decode.stage1.rdu --fidelity analytic --json -");
  ASSERT_EQ(stage.code, 0) << stage.err;
  const auto whole = scratch.run("simulate llama-3-8b --pipeline 2 --fidelity analytic --json -");
  EXPECT_NEAR(stage.json().at("latency_s").get<double>(),
              whole.json().at("stages")[1].at("time_s").get<double>(), 1e-12);
}

TEST(PipelineCommand, TheStudyHasEveryWayOfDividingTheSockets) {
  const auto run = Scratch().run(
      "study pipeline llama-3-8b --batch 4 --context 512 --chunks 2 --fidelity analytic --json - -o t.csv");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto rows = run.json().at("rows");
  ASSERT_EQ(rows.size(), 3U * 4U);
  const auto latency = [&](size_t row) { return std::stod(rows[row][4].get<std::string>()); };
  EXPECT_EQ(rows[1][2], "TP4 x PP2");
  EXPECT_EQ(rows[1][3], "2");
  EXPECT_EQ(rows[3][2], "TP1 x PP8");
  EXPECT_EQ(rows[3][3], "1");  // a batch of 4 has no 8 groups
  // More stages, fewer sockets for each layer: later.
  for (size_t i = 4; i < 7; ++i) EXPECT_LT(latency(i), latency(i + 1));
}

TEST(PipelineCommand, TheTimelineHasATrackAStage) {
  const Scratch scratch;
  const auto run = scratch.run(
      "simulate llama-3-8b --pipeline 2 --batch 2 --micro-batches 2 --fidelity analytic --trace t.json");
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string trace = test::read_all(scratch.path("t.json"));
  for (const char* const text : {"stage 0", "stage 1", "border 0 to 1", "micro-batch 1"})
    EXPECT_NE(trace.find(text), std::string::npos) << text;
}

TEST(PipelineCommand, ErrorsSayWhatIsWrong) {
  const Scratch scratch;
  const auto fails = [&](const std::string& arguments, const std::string& text) {
    const auto run = scratch.run(arguments);
    EXPECT_EQ(run.code, 2) << arguments;
    EXPECT_NE(run.err.find(text), std::string::npos) << run.err;
  };
  fails("simulate llama-3-8b --pipeline 3", "8 sockets do not divide into 3 stages");
  fails("simulate " + kFixtures + "llama-1 --pipeline 4 --set node.sockets=4 --context 16", "has 2 layers");
  fails("simulate llama-3-8b --pipeline 2 --micro-batches 3", "does not divide into so many");
  fails("simulate llama-2-7b --pipeline 2 --phase train --context 128", "goes back through its layers");
  fails("simulate llama-3-8b --pipeline 2 --energy", "not summed over the stages");
  fails("check " + kFixtures + "knn-1 --pipeline 2", "has no layers");
  // Weights of half the model and many caches, on a chip without memory for them.
  fails(
      "simulate llama-3-8b --pipeline 2 --batch 64 --micro-batches 64 --fidelity analytic "
      "--set chip.hbm.capacity_bytes=4e9 --set chip.ddr.capacity_bytes=1e9",
      "stage 0 (layers 0 to 16)");
}

}  // namespace
}  // namespace rdusim
