// ONNX files by the command: values through the simulated chip, timing, and the manifest.
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::Scratch;

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/onnx/";

// In BF16 and FP32: the reference, and the chip fused and unfused on one and two sockets.
TEST(CliOnnx, FixturesPassThroughTheChip) {
  const auto run = Scratch().run("check " + kFixtures + "classifier " + kFixtures + "encoder " + kFixtures +
                                 "decoder --sockets 1,2 --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  const auto fixtures = run.json().at("fixtures");
  EXPECT_EQ(fixtures.size(), 3U * 2U * 5U);
  for (const auto& one : fixtures) EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
}

// A packed projection is one product a part, so its heads are cut over sockets like any others.
TEST(CliOnnx, APackedProjectionRunsOnSeveralSockets) {
  const auto run = Scratch().run("check " + kFixtures + "packed --sockets 1,3 --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  const auto fixtures = run.json().at("fixtures");
  EXPECT_EQ(fixtures.size(), 2U * 5U);
  for (const auto& one : fixtures) EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
}

// Heads of a packed projection in turn, and heads of inputs of the graph: each socket takes its own.
TEST(CliOnnx, HeadsInTurnAndHeadsOfInputsRunOnSeveralSockets) {
  const auto run =
      Scratch().run("check " + kFixtures + "turns " + kFixtures + "heads --sockets 1,2,4 --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  const auto fixtures = run.json().at("fixtures");
  EXPECT_EQ(fixtures.size(), 2U * 2U * 7U);
  for (const auto& one : fixtures) EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
}

// Files of PyTorch's exporter against PyTorch's own values, on as many sockets as divide their heads.
TEST(CliOnnx, FilesOfPyTorchPassThroughTheChip) {
  const std::pair<const char*, const char*> models[] = {
      {"torch-gpt2", "3"}, {"torch-llama", "2"}, {"torch-encoder", "4"}, {"torch-bert", "2"}};
  for (const auto& [model, sockets] : models) {
    const auto run = Scratch().run("check " + kFixtures + model + " --sockets 1," + sockets + " --json -");
    ASSERT_EQ(run.code, 0) << run.err << run.out;
    const auto fixtures = run.json().at("fixtures");
    EXPECT_EQ(fixtures.size(), 2U * 5U);
    for (const auto& one : fixtures) EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
  }
}

// A first pass, a chunk of a prompt and a step, each with its caches: logits and what the caches hold
// afterwards.
TEST(CliOnnx, CachesOfPyTorchPassThroughTheChip) {
  const auto run = Scratch().run("check " + kFixtures + "torch-cached " + kFixtures +
                                 "torch-masked --sockets 1,2 --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  const auto fixtures = run.json().at("fixtures");
  EXPECT_EQ(fixtures.size(), 2U * 2U * 5U);
  for (const auto& one : fixtures) EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
}

TEST(CliOnnx, AModelWithCachesDecodesAndReadsItsPromptInChunks) {
  const std::string model = kFixtures + "torch-cached/model.onnx --set node.sockets=2 --json - ";
  const auto step = Scratch().run("simulate " + model + "--batch 2 --context 40");
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.json().at("phase").get<std::string>(), "decode");
  const auto chunk = Scratch().run("simulate " + model + "--phase prefill --context 16 --cached 32");
  ASSERT_EQ(chunk.code, 0) << chunk.err;
  EXPECT_GT(chunk.json().at("latency_s").get<double>(), 0);
}

TEST(CliOnnx, CompilesAndSimulatesWithOpenSizes) {
  const std::string model = kFixtures + "decoder/model.onnx";
  const auto run =
      Scratch().run("simulate " + model + " --batch 2 --context 96 --set node.sockets=2 --json -");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_GT(run.json().at("latency_s").get<double>(), 0);
  const auto compiled =
      Scratch().run("compile " + model + " --context 64 --set node.sockets=2 --fusion none --json -");
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  EXPECT_GT(compiled.json().at("flops").get<int64_t>(), 0);
  const auto decode = Scratch().run("simulate " + model + " --phase decode");
  EXPECT_EQ(decode.code, 2);
  EXPECT_NE(decode.err.find("its phases: encode"), std::string::npos) << decode.err;
}

}  // namespace
}  // namespace rdusim
