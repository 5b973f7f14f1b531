// The roofline of a GPU node, by hand.
#include "runtime/gpu_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdusim::runtime {
namespace {

GpuNode node(int64_t window = 0) {
  GpuNodeSpec spec;
  spec.name = "gpu";
  spec.gpus = 2;
  spec.peak_flops = 1e12;
  spec.hbm_bandwidth_bytes_per_s = 1e9;
  spec.hbm_capacity_bytes = 1000;
  spec.host_capacity_bytes = 5000;
  spec.host_to_gpu_bandwidth_bytes_per_s = 100;
  spec.hbm_efficiency = 0.5;
  spec.compute_efficiency = 0.25;
  spec.layer_overhead_s = 1e-3;
  spec.request_s = 2e-3;
  return GpuNode(spec, {{"m", ModelShape{10, 700'000, 500'000, 1'000'000, 100, 0, 40, window}}});
}

// The cost of a pass that must succeed.
PassCost cost(const Result<PassCost>& result) {
  if (result.ok()) return *result;
  ADD_FAILURE() << result.error().to_string();
  return {};
}

TEST(RuntimeGpuNode, Memory) {
  const NodeMemory m = node().memory();
  EXPECT_EQ(m.hbm_bytes.value, 2000);
  EXPECT_EQ(m.store_bytes.value, 5000);
  EXPECT_EQ(m.switch_bandwidth.value, 100);
  EXPECT_EQ(m.switch_setup.value, 0);
  EXPECT_EQ(node().request_overhead(), Picoseconds(2'000'000'000));
}

TEST(RuntimeGpuNode, DecodeIsBoundByMemory) {
  GpuNode gpu = node();
  // (500 000 + 100 x 50) B / (2 x 1e9 x 0.5 B/s) = 505 us, and ten layers of 1 ms.
  EXPECT_EQ(cost(gpu.decode("m", 1, 50, 1)).time, picoseconds_from_seconds(505e-6 + 10e-3));
  // Two steps: the second sees one token more.
  EXPECT_EQ(cost(gpu.decode("m", 1, 50, 2)).time,
            picoseconds_from_seconds(505e-6 + 10e-3) + picoseconds_from_seconds(505.1e-6 + 10e-3));
}

TEST(RuntimeGpuNode, PrefillIsTheLargerOfComputeAndMemory) {
  GpuNode gpu = node();
  // 4 tokens: 4e6 + 10 pairs x 40 FLOP over 5e11 FLOP/s is 8 us; 500 400 B over 1e9 B/s is 500.4 us.
  EXPECT_EQ(cost(gpu.prefill("m", 1, 4)).time, picoseconds_from_seconds(500.4e-6 + 10e-3));
  // 10 000 tokens: 1e10 + 50 005 000 x 40 FLOP over 5e11 FLOP/s = 24.0004 ms.
  EXPECT_EQ(cost(gpu.prefill("m", 1, 10'000)).time,
            picoseconds_from_seconds(12'000'200'000.0 / 5e11 + 10e-3));
}

TEST(RuntimeGpuNode, AChunkReadsWhatIsCachedAndTheWeightsOnce) {
  GpuNode gpu = node();
  // 4 tokens behind 50: (500 000 + 54 x 100) B over 1e9 B/s; 4e6 + 210 pairs x 40 FLOP are less.
  EXPECT_EQ(cost(gpu.prefill_after("m", 50, 4)).time, picoseconds_from_seconds(505.4e-6 + 10e-3));
  // 10 000 behind 10 000: 1e10 FLOP + (200 010 000 - 50 005 000) pairs x 40.
  EXPECT_EQ(cost(gpu.prefill_after("m", 10'000, 10'000)).time,
            picoseconds_from_seconds(16'000'200'000.0 / 5e11 + 10e-3));
}

TEST(RuntimeGpuNode, WindowLimitsWhatDecodeReads) {
  GpuNode gpu = node(20);
  EXPECT_EQ(cost(gpu.decode("m", 1, 50, 1)).time, picoseconds_from_seconds(502e-6 + 10e-3));
}

TEST(RuntimeGpuNode, BytesByCause) {
  GpuNode gpu = node();
  const PassCost step = cost(gpu.decode("m", 3, 50, 1));
  const auto& hbm = step.bytes[static_cast<size_t>(Wire::kHbm)];
  EXPECT_EQ(hbm[static_cast<size_t>(Cause::kWeights)], 500'000);
  EXPECT_EQ(hbm[static_cast<size_t>(Cause::kKvCache)], 3 * 50 * 100);
  EXPECT_EQ(cost(gpu.embed("m", 3, 50))
                .bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kKvCache)],
            0);
}

TEST(RuntimeGpuNode, NearestNeighboursStreamTheVectors) {
  GpuNode gpu = node();
  EXPECT_EQ(cost(gpu.nearest_neighbours(1000, 50, 1, 5, 4)).time, picoseconds_from_seconds(100e-6 + 1e-3));
}

TEST(RuntimeGpuNode, UnknownModel) {
  GpuNode gpu = node();
  EXPECT_THAT(gpu.weight_bytes("x").error().what, testing::HasSubstr("no shape of model x"));
  EXPECT_EQ(gpu.weight_bytes("m")->value, 700'000);
  EXPECT_EQ(gpu.kv_bytes_per_token("m")->value, 100);
}

}  // namespace
}  // namespace rdusim::runtime
