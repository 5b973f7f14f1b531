// FlashFFTConv through the reference interpreter and through the chip, fused and unfused, against the
// convolution by its definition.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "cli/chip_runner.h"
#include "models/model.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

struct Problem {
  int64_t n;
  int64_t channels;
  std::unique_ptr<models::Model> model;
  SafetensorsFile file;
  Tensor filters;
  Tensor sequences;
};

std::vector<uint8_t> weights_file(const Tensor& filters) {
  const size_t bytes = filters.values.size() * sizeof(float);
  const std::string header =
      fmt::format(R"({{"filters":{{"dtype":"F32","shape":[{},{}],"data_offsets":[0,{}]}}}})", filters.rows(),
                  filters.cols(), bytes);
  std::vector<uint8_t> file(8 + header.size() + bytes);
  const uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  std::memcpy(file.data() + 8 + header.size(), filters.values.data(), bytes);
  return file;
}

Problem make_problem(int64_t n, int64_t channels, int64_t filter, uint64_t seed) {
  Random random(seed);
  Problem p{n, channels, nullptr, {}, Tensor(channels, filter), Tensor(channels * n, n)};
  for (float& v : p.filters.values) v = static_cast<float>(random.uniform() * 2 - 1);
  for (float& v : p.sequences.values) v = static_cast<float>(random.uniform() * 2 - 1);
  const auto config = read_json_text(
      fmt::format(R"({{"model_type": "fft_conv", "length": {}, "channels": {}}})", n * n, channels),
      "config");
  EXPECT_TRUE(config.ok());
  auto model = models::make_model("conv", *config);
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().to_string());
  p.model = std::move(*model);
  auto file = SafetensorsFile::from_bytes(weights_file(p.filters), "weights");
  EXPECT_TRUE(file.ok());
  p.file = std::move(*file);
  return p;
}

double by_definition(const Problem& p, int64_t channel, int64_t at) {
  const int64_t length = p.n * p.n;
  double sum = 0;
  for (int64_t j = 0; j < p.filters.cols(); ++j) {
    const int64_t from = (at - j + length) % length;
    sum += static_cast<double>(p.filters.at(channel, j)) *
           static_cast<double>(p.sequences.at(channel * p.n + from / p.n, from % p.n));
  }
  return sum;
}

void expect_convolution(const Problem& p, const Tensor& y) {
  ASSERT_EQ(y.rows(), p.sequences.rows());
  double worst = 0;
  for (int64_t channel = 0; channel < p.channels; ++channel) {
    for (int64_t at = 0; at < p.n * p.n; ++at) {
      const auto got = static_cast<double>(y.at(channel * p.n + at / p.n, at % p.n));
      worst = std::max(worst, std::abs(got - by_definition(p, channel, at)));
    }
  }
  EXPECT_LT(worst, 2e-5 * static_cast<double>(p.filters.cols()));
}

models::GraphRequest request() {
  models::GraphRequest r;
  r.phase = models::Phase::kEncode;
  r.activations = DType::kFp32;
  r.weights = DType::kFp32;
  return r;
}

class FftConv : public ::testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};

TEST_P(FftConv, IsTheConvolution) {
  const auto [n, channels, filter] = GetParam();
  const Problem p = make_problem(n, channels, filter, static_cast<uint64_t>(n * 100 + channels));
  auto graph = p.model->build(request());
  ASSERT_TRUE(graph.ok()) << graph.error().to_string();
  models::TensorMap caches;
  auto reference = models::interpreter_executor(p.file)(*graph, {{"u", p.sequences}}, caches);
  ASSERT_TRUE(reference.ok()) << reference.error().to_string();
  expect_convolution(p, reference->begin()->second);
  for (const auto fusion : {compiler::Fusion::kNone, compiler::Fusion::kLayer, compiler::Fusion::kAuto}) {
    SCOPED_TRACE(compiler::fusion_name(fusion));
    compiler::CompileOptions options;
    options.fusion = fusion;
    NodeSpec node = rdusim::testing::small_node(1);
    node.chip.pcu.count = 128;  // 41 operators in one section
    node.chip.pmu.count = 512;
    ChipRunner chip(node, node.stacks[0], options, p.file);
    auto run = chip.run(*graph, {{"u", p.sequences}}, caches);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    expect_convolution(p, run->outputs.begin()->second);
    if (fusion == compiler::Fusion::kLayer) {
      EXPECT_EQ(run->result.sections.size(), 1U);
    }
  }
}

// One block of rows, several, a ragged last one; one channel and several.
INSTANTIATE_TEST_SUITE_P(Sizes, FftConv,
                         ::testing::Values(std::tuple{4, 1, 5}, std::tuple{8, 3, 64}, std::tuple{33, 1, 20},
                                           std::tuple{40, 2, 100}));

TEST(FftConvConfig, LengthsAreSquares) {
  const auto config = read_json_text(R"({"model_type": "fft_conv", "length": 10, "channels": 1})", "config");
  ASSERT_TRUE(config.ok());
  const auto model = models::make_model("conv", *config);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().what.find("length 10 is no square"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::cli
