// Speed of single passes, and of loading a saved program. Whole compiles: main_job_bench.cpp.
#include <benchmark/benchmark.h>

#include <string>

#include "base/arch/load.h"
#include "base/check.h"
#include "base/program/program_text.h"
#include "compiler/compile.h"
#include "models/model.h"

namespace rdusim {
namespace {

struct Setup {
  NodeSpec node;
  compiler::Graph graph;
};

Setup setup(const std::string& model_name, const std::string& node_name,
            const models::GraphRequest& request) {
  ConfigContext files;
  files.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto node = load_node(files, node_name);
  RDU_CHECK(node.ok(), "{}", node.error().to_string());
  auto model = models::load_model(files.config_dir, model_name);
  RDU_CHECK(model.ok(), "{}", model.error().to_string());
  auto graph = (*model)->build(request);
  RDU_CHECK(graph.ok(), "{}", graph.error().to_string());
  return {std::move(*node), std::move(*graph)};
}

models::GraphRequest prefill(int64_t tokens) {
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.query_tokens = tokens;
  return request;
}

models::GraphRequest decode(int64_t context) {
  models::GraphRequest request;
  request.past_tokens = context;
  return request;
}

Program compile_or_die(const Setup& s, compiler::CompileOptions options) {
  options.sockets = s.node.sockets;
  auto program = compiler::compile(s.graph, s.node.chip, options);
  RDU_CHECK(program.ok(), "{}", program.error().to_string());
  return std::move(*program);
}

// Wall time of one pass over all sections of a 4096-token prefill.
void BM_PassOfLlama2_7bPrefill(benchmark::State& state, const std::string& pass) {
  const Setup s = setup("llama-2-7b", "sn40l-8", prefill(4096));
  for (auto _ : state) {
    compiler::CompileOptions options;
    options.after_pass = [&](std::string_view name, double time_s, const auto&) {
      if (name == pass) state.SetIterationTime(time_s);
    };
    benchmark::DoNotOptimize(compile_or_die(s, options));
  }
}
BENCHMARK_CAPTURE(BM_PassOfLlama2_7bPrefill, allocate, "allocate")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_PassOfLlama2_7bPrefill, place, "place")->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_PassOfLlama2_7bPrefill, route, "route")->UseManualTime()->Unit(benchmark::kMillisecond);

void BM_FuseByCostLlama2_7bDecode(benchmark::State& state) {
  const Setup s = setup("llama-2-7b", "sn40l-8", decode(4096));
  compiler::CompileOptions options;
  options.fusion = compiler::Fusion::kAuto;
  options.launch_s = 1e-5;
  for (auto _ : state) benchmark::DoNotOptimize(compile_or_die(s, options));
}
BENCHMARK(BM_FuseByCostLlama2_7bDecode)->Unit(benchmark::kMillisecond);

void BM_LoadSavedLlama31_405b(benchmark::State& state) {
  const std::string text =
      print_program(compile_or_die(setup("llama-3.1-405b", "sn40l-16", decode(4096)), {}));
  for (auto _ : state) {
    auto program = parse_program(text, "saved");
    RDU_CHECK(program.ok(), "{}", program.error().to_string());
    benchmark::DoNotOptimize(program->launches.size());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_LoadSavedLlama31_405b)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rdusim
