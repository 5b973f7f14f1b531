// Speed of the serving engine alone: the passes are priced before the clock starts, by a run over the same
// requests.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/check.h"
#include "cli/serving.h"
#include "runtime/workload/assign.h"

namespace rdusim {
namespace {

struct Setup {
  cli::Session session;
  cli::Progress progress{"serving", true};
  runtime::Composition composition;
  cli::ModelLibrary library = cli::model_library(session);
  cli::ServingNode node;
  runtime::Workload workload;
};

std::unique_ptr<Setup> set_up(int64_t experts, const std::string& requests) {
  auto s = std::make_unique<Setup>();
  s->session.config.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto composition = runtime::load_composition(s->session.config, "llama2-7b-x150");
  RDU_CHECK(composition.ok(), "{}", composition.error().to_string());
  s->composition = std::move(*composition);
  s->composition.experts.front().count = experts;
  auto node = cli::make_serving_node(s->session, "sn40l-8", {}, s->composition, s->library, s->progress);
  RDU_CHECK(node.ok(), "{}", node.error().to_string());
  s->node = std::move(*node);
  auto workload = runtime::load_workload(requests, {s->composition.request, 1});
  RDU_CHECK(workload.ok(), "{}", workload.error().to_string());
  s->workload = std::move(*workload);
  runtime::AssignmentOptions assignment;
  assignment.popularity = runtime::PopularityLaw{runtime::PopularityLaw::Kind::kZipf, 0.9};
  auto assigned = runtime::assign_experts(s->workload, s->composition, assignment);
  RDU_CHECK(assigned.ok(), "{}", assigned.error().to_string());
  return s;
}

void serve(benchmark::State& state, int64_t experts, const std::string& requests,
           const std::string& scheduler, bool prefetch) {
  const auto s = set_up(experts, requests);
  runtime::ServeOptions options;
  options.engine = s->composition.serving;
  options.engine.mechanisms.prefetch = prefetch;
  options.scheduler = scheduler;
  const auto once = [&] {
    auto result = runtime::serve_groups(s->node.groups, s->composition, s->workload, options);
    RDU_CHECK(result.ok(), "{}", result.error().to_string());
    benchmark::DoNotOptimize(result->finished);
    return result->finished;
  };
  once();  // prices every shape
  int64_t requests_served = 0;
  for (auto _ : state) requests_served += once();
  state.counters["requests"] =
      benchmark::Counter(static_cast<double>(requests_served), benchmark::Counter::kIsRate);
}

void BM_Serve1MRequestsOver850Experts(benchmark::State& state) {
  serve(state, 850, "synthetic:poisson,rate=6,n=1000000", "sequential", false);
}
BENCHMARK(BM_Serve1MRequestsOver850Experts)->Unit(benchmark::kMillisecond)->Iterations(1);

void BM_Serve1MRequestsContinuousPrefetch(benchmark::State& state) {
  serve(state, 850, "synthetic:poisson,rate=6,n=1000000", "continuous", true);
}
BENCHMARK(BM_Serve1MRequestsContinuousPrefetch)->Unit(benchmark::kMillisecond)->Iterations(1);

// 10 000 requests of an Azure trace, named in RDUSIM_AZURE_TRACE; else generated ones of its mean shape.
void BM_Serve10kContinuous(benchmark::State& state) {
  const char* trace = std::getenv("RDUSIM_AZURE_TRACE");
  serve(state, 150, trace != nullptr ? trace : "synthetic:poisson,rate=5,n=10000,prompt=1155,output=211",
        "continuous", false);
}
BENCHMARK(BM_Serve10kContinuous)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rdusim
