// Router and serving on real queries and traces, when they are at hand ($RDUSIM_DATA, else
// /work/shared/data): skipped in a bare clone.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "runtime/gpu_node.h"
#include "runtime/router/eval.h"
#include "runtime/serving/serve.h"
#include "runtime/workload/assign.h"

namespace rdusim::runtime {
namespace {

std::string data_folder() {
  const char* given = std::getenv("RDUSIM_DATA");
  return given != nullptr ? given : "/work/shared/data";
}

class RuntimeRealData : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(data_folder())) GTEST_SKIP() << "no data in " << data_folder();
  }
  static LabelledSet rows(const std::string& file) {
    auto read = read_labelled_prompts(data_folder() + "/router/" + file);
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    return {file, std::move(read).value(), std::nullopt};
  }
};

Composition composition(const std::string& name) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto loaded = load_composition(context, name);
  EXPECT_TRUE(loaded.ok()) << loaded.error().to_string();
  return std::move(loaded).value();
}

// TF-IDF with a truncated SVD reaches 92.3 % on this split; 90 % is the least that a router here must reach.
TEST_F(RuntimeRealData, NineWayAccuracy) {
  const LabelledSet train = rows("train.jsonl");
  const LabelledSet validation = rows("validation.jsonl");
  RouterTrainingOptions options;
  options.classes = classes_of_labels(train.rows);
  const auto training = train_router(train, validation, options);
  ASSERT_TRUE(training.ok()) << training.error().to_string();
  const auto e = evaluate_router(training->router, validation);
  ASSERT_TRUE(e.ok());
  RecordProperty("accuracy_percent", static_cast<int>(e->accuracy * 1000));
  EXPECT_EQ(e->rows, 1739);
  EXPECT_GE(e->accuracy, 0.90);
  EXPECT_EQ(e->fallback_rate, 0);  // every label is known
}

TEST_F(RuntimeRealData, UnknownKindsFallBackMoreThanKnownOnes) {
  const Composition c = composition("samba-coe-v0.3");
  RouterTrainingOptions options;
  options.classes = router_classes(c);
  options.k_grid = c.router.knn.k_grid;
  options.max_detection_loss = c.router.knn.max_detection_loss;
  const LabelledSet validation = rows("validation.jsonl");
  const auto training = train_router(rows("train.jsonl"), validation, options);
  ASSERT_TRUE(training.ok()) << training.error().to_string();
  EXPECT_EQ(training->stored_vectors, c.router.knn.stored_vectors);
  const auto e = evaluate_router(training->router, validation);
  ASSERT_TRUE(e.ok());
  double known = 0;
  double unknown = 1;
  for (const LabelEvaluation& label : e->per_label) {
    if (label.known) known = std::max(known, label.fallback_rate);
    if (!label.known) unknown = std::min(unknown, label.fallback_rate);
  }
  EXPECT_GT(unknown, known);
  EXPECT_GE(e->accuracy, e->accuracy_without_fallback - 0.02 - 1e-12);
  EXPECT_GT(*e->auroc_unknown, 0.9);
}

GpuNode big_node() {
  GpuNodeSpec spec;
  spec.name = "big";
  spec.gpus = 8;
  spec.peak_flops = 1e15;
  spec.hbm_bandwidth_bytes_per_s = 3e12;
  spec.hbm_capacity_bytes = 80'000'000'000;
  spec.host_capacity_bytes = 3'000'000'000'000;
  spec.host_to_gpu_bandwidth_bytes_per_s = 64e9;
  spec.hbm_efficiency = 0.5;
  spec.compute_efficiency = 0.5;
  spec.layer_overhead_s = 1e-4;
  const ModelShape llama2_7b{32, 13'476'831'232, 13'214'154'752, 13'214'154'752, 524'288, 4 * 4096 * 32, 0};
  return GpuNode(spec, {{"llama-2-7b", llama2_7b}});
}

TEST_F(RuntimeRealData, EveryTraceServesWhole) {
  const Composition c = composition("llama2-7b-x150");
  const std::pair<const char*, int64_t> traces[] = {{"azure_llm_2023_conv_first65.csv.gz", 12'587},
                                                    {"azure_llm_2023_code.csv.gz", 8'819},
                                                    {"mooncake_conversation_first70.jsonl.gz", 8'421}};
  for (const auto& [file, count] : traces) {
    auto w = load_workload(data_folder() + "/traces/" + file, {c.request, 1});
    ASSERT_TRUE(w.ok()) << w.error().to_string();
    AssignmentOptions assignment;
    assignment.popularity = PopularityLaw{PopularityLaw::Kind::kZipf, 0.9};
    ASSERT_TRUE(assign_experts(*w, c, assignment).ok());
    GpuNode node = big_node();
    const auto begin = std::chrono::steady_clock::now();
    const auto result = serve(node, c, *w, {});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(result->status, NodeStatus::kServed) << result->reason;
    EXPECT_EQ(result->requests, count);
    EXPECT_EQ(result->finished + result->failed, count);
    EXPECT_EQ(result->failed, 0);
    std::printf("[ serve    ] %s: %lld requests in %.3f s, hit rate %.3f, %lld shapes\n", file,
                static_cast<long long>(result->finished), took.count(), result->expert_hit_rate,
                static_cast<long long>(result->shapes_priced));
    EXPECT_LT(took.count(), 5);  // of a machine ten times slower than the one it was written on
  }
}

// 2 TB of host memory hold 148 experts of 13.477 GB: 150 is out of memory; 47 experts fit 640 GB of HBM,
// router and KV less.
TEST_F(RuntimeRealData, PublishedCapacityRules) {
  GpuNodeSpec spec;
  Composition c = composition("llama2-7b-x150");
  const auto run = [&](int64_t experts, int64_t host_bytes) {
    c.experts[0].count = experts;
    Workload w =
        std::move(load_workload("synthetic:together,n=300,popularity=round-robin", {c.request, 1})).value();
    EXPECT_TRUE(assign_experts(w, c, {}).ok());
    class Node final : public ExecutionModel {
     public:
      explicit Node(int64_t host) : node_(big_node()), host_(host) {}
      std::string node_name() const override { return "dgx"; }
      NodeMemory memory() const override {
        NodeMemory m = node_.memory();
        m.store_bytes = Bytes(host_);
        return m;
      }
      Picoseconds request_overhead() const override { return Picoseconds(0); }
      Result<PassCost> prefill(const std::string& m, int64_t b, int64_t t) override {
        return node_.prefill(m, b, t);
      }
      Result<PassCost> decode(const std::string& m, int64_t b, int64_t x, int64_t s) override {
        return node_.decode(m, b, x, s);
      }
      Result<PassCost> embed(const std::string& m, int64_t b, int64_t t) override {
        return node_.embed(m, b, t);
      }
      Result<PassCost> nearest_neighbours(int64_t v, int64_t d, int64_t b, int64_t k, int64_t n) override {
        return node_.nearest_neighbours(v, d, b, k, n);
      }
      Result<Bytes> weight_bytes(const std::string& m) override { return node_.weight_bytes(m); }
      Result<Bytes> kv_bytes_per_token(const std::string& m) override { return node_.kv_bytes_per_token(m); }

     private:
      GpuNode node_;
      int64_t host_;
    } node(host_bytes);
    return std::move(serve(node, c, w, {})).value();
  };
  constexpr int64_t kHost = 2'000'000'000'000;
  EXPECT_EQ(run(150, kHost).status, NodeStatus::kOutOfMemory);
  EXPECT_EQ(run(149, kHost).status, NodeStatus::kOutOfMemory);
  EXPECT_EQ(run(148, kHost).status, NodeStatus::kServed);
  EXPECT_EQ(run(46, kHost).switches, 46);   // all stay
  EXPECT_EQ(run(48, kHost).switches, 300);  // in turn through LRU: none stays long enough
  EXPECT_NEAR(run(148, kHost).switching.p50_s, 13'476'831'232 / 64e9, 1e-9);
}

}  // namespace
}  // namespace rdusim::runtime
