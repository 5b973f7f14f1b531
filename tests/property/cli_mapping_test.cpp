// How well real models lie on the real chip, simulated: what published serving of this kind reaches, and no
// sharp edges: a chip that is a hundredth different takes about a hundredth more or less.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/arch/load.h"
#include "compiler/compile.h"
#include "compiler/passes/launch_course.h"
#include "models/model.h"
#include "sim/simulator.h"

namespace rdusim {
namespace {

struct Mapped {
  NodeSpec node;
  Program program;
  compiler::Explanation explanation;
  RunResult result;

  [[nodiscard]] size_t layer() const {
    const auto& s = program.sections;
    return static_cast<size_t>(
        std::find_if(s.begin(), s.end(), [](const Section& x) { return x.name == "layer"; }) - s.begin());
  }
};

Result<Mapped> map_and_run(const std::string& model, const models::GraphRequest& request, double hbm = 1,
                           uint64_t placement_seed = 0, compiler::Sizing sizing = compiler::Sizing::kSteady) {
  const std::string configs = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  ConfigContext context{configs, {}, {}, {}, {}};
  Mapped m;
  RDU_ASSIGN(m.node, load_node(context, "sn40l-8"));
  m.node.chip.hbm.bandwidth_bytes_per_s *= hbm;
  RDU_ASSIGN(const auto loaded, models::load_model(configs, model));
  RDU_ASSIGN(const auto graph, loaded->build(request));
  compiler::CompileOptions options;
  options.sockets = m.node.sockets;
  options.explanation = &m.explanation;
  options.placement_seed = placement_seed;
  options.sizing = sizing;
  RDU_ASSIGN(m.program, compiler::compile(graph, m.node.chip, options));
  RDU_ASSIGN(m.result, sim::run(m.program, m.node, *m.node.find_stack(m.node.default_stack), {}));
  return m;
}

models::GraphRequest decode(int64_t batch, int64_t context) {
  models::GraphRequest request;
  request.phase = models::Phase::kDecode;
  request.batch = batch;
  request.query_tokens = 1;
  request.past_tokens = context;
  return request;
}

models::GraphRequest prefill(int64_t batch, int64_t tokens) {
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.batch = batch;
  request.query_tokens = tokens;
  return request;
}

TEST(Mapping, ADecodersStreamsReachMostOfTheMemoryAndItsStagesMostOfTheChip) {
  for (const char* model : {"llama-2-7b", "llama-3-8b"}) {
    const auto m = map_and_run(model, decode(1, 4096));
    ASSERT_TRUE(m.ok()) << m.error().to_string();
    const size_t s = m->layer();
    const SectionResult& layer = m->result.sections[s];
    const compiler::SectionExplanation& bound = m->explanation.sections[s];
    const double streaming =
        static_cast<double>(bound.hbm_cycles) / static_cast<double>(layer.cycles_per_launch);
    EXPECT_GT(streaming, 0.85) << model;
    EXPECT_GT(bound.pcus, m->node.chip.pcu.count * 85 / 100) << model;
    EXPECT_GT(bound.pmus, m->node.chip.pmu.count * 85 / 100) << model;
  }
}

TEST(Mapping, APromptsProductsReachMostOfTheirPeak) {
  for (const char* model : {"llama-2-7b", "llama-3-8b", "llama-2-70b"}) {
    const auto m = map_and_run(model, prefill(1, 4096));
    ASSERT_TRUE(m.ok()) << m.error().to_string();
    const size_t s = m->layer();
    const compiler::SectionExplanation& bound = m->explanation.sections[s];
    const auto bound_cycles =
        static_cast<double>(std::max({bound.stage_cycles, bound.hbm_cycles, bound.mesh_cycles}));
    const double reached =
        bound.gemm_of_peak * bound_cycles / static_cast<double>(m->result.sections[s].cycles_per_launch);
    EXPECT_GT(reached, 0.6) << model;
    EXPECT_LT(reached, 1) << model;
    EXPECT_GT(bound.pcus, m->node.chip.pcu.count * 85 / 100) << model;
  }
}

// What mappings are compared by must tell them apart as the simulator does. What sockets exchange is not in
// it (launch_course.h): it comes out shorter, by up to 6 % where a short prompt passes.
TEST(Mapping, TheJudgeOfMappingsFollowsTheSimulator) {
  struct Case {
    const char* model;
    models::GraphRequest request;
  };
  const Case cases[] = {{"llama-2-7b", decode(8, 2048)},
                        {"llama-2-7b", prefill(1, 128)},
                        {"llama-3-8b", prefill(1, 1024)},
                        {"samba-1.7b", prefill(1, 2048)}};
  for (const Case& c : cases) {
    const auto m = map_and_run(c.model, c.request);
    ASSERT_TRUE(m.ok()) << m.error().to_string();
    const size_t s = m->layer();
    const Section& layer = m->program.sections[s];
    compiler::SectionWork work(layer);
    ASSERT_TRUE(work.run().ok());
    const compiler::LaunchWork launch = compiler::launch_work(layer, work, m->node.chip);
    const auto judged = static_cast<double>(compiler::launch_cycles(layer, launch, m->node.chip));
    const double ratio = judged / static_cast<double>(m->result.sections[s].cycles_per_launch);
    EXPECT_GT(ratio, 0.93) << c.model;
    EXPECT_LT(ratio, 1.01) << c.model;
  }
}

// Which draw of the placement it was hardly shows.
// One block of rows passes: stages follow one another, and most of them get more than an even share.
TEST(Mapping, ABatchedStepIsSoonerWhenItIsSizedForItsLaunch) {
  const auto steady = map_and_run("llama-2-7b", decode(32, 16));
  const auto launch = map_and_run("llama-2-7b", decode(32, 16), 1, 0, compiler::Sizing::kLaunch);
  ASSERT_TRUE(steady.ok()) << steady.error().to_string();
  ASSERT_TRUE(launch.ok()) << launch.error().to_string();
  EXPECT_LT(launch->result.latency_s(), 0.9 * steady->result.latency_s());
  EXPECT_EQ(launch->program.flops, steady->program.flops);
  EXPECT_NE(launch->program.name, steady->program.name);
}

TEST(Mapping, APromptTakesNearlyTheSameTimeWhateverWasDrawn) {
  double soonest = 1;
  double latest = 0;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const auto m = map_and_run("llama-3-8b", prefill(1, 1024), 1, seed);
    ASSERT_TRUE(m.ok()) << m.error().to_string();
    soonest = std::min(soonest, m->result.latency_s());
    latest = std::max(latest, m->result.latency_s());
  }
  EXPECT_LT(latest, 1.06 * soonest);
  EXPECT_LT(latest, 6.6e-3);
}

// Steps of a hundredth in what the memory gives.
TEST(Mapping, TimeIsNearlyContinuousInTheMemorysRate) {
  struct Case {
    const char* model;
    models::GraphRequest request;
    double bound;
  };
  // Measured: up to 5.9 % for 16 sequences of Llama-3-8B, where another rate of the memory gets another
  // spread of PMUs, and with it other links that streams share; 0.9 % for the others.
  const Case cases[] = {{"llama-3-8b", decode(16, 8192), 0.07},
                        {"llama-3-8b", decode(1, 4096), 0.02},
                        {"llama-2-7b", decode(8, 512), 0.02},
                        {"llama-2-7b", prefill(1, 1024), 0.02}};
  for (const Case& c : cases) {
    double before = 0;
    for (int step = -4; step <= 4; ++step) {
      const double hbm = std::pow(1.01, step);
      const auto m = map_and_run(c.model, c.request, hbm);
      ASSERT_TRUE(m.ok()) << m.error().to_string();
      const double now = m->result.latency_s();
      if (before > 0) {
        EXPECT_LT(std::abs(now / before - 1), c.bound)
            << c.model << " batch " << c.request.batch << " at " << hbm;
      }
      before = now;
    }
  }
}

}  // namespace
}  // namespace rdusim
