// Speed of the main job's parts on this machine: compile, one decode step at both fidelities. Whole-process
// figures: docs/performance.md.
#include <benchmark/benchmark.h>

#include <ctime>
#include <memory>
#include <string>

#include "base/arch/dram_fields.h"
#include "base/arch/load.h"
#include "base/check.h"
#include "cli/serving.h"
#include "compiler/compile.h"
#include "models/model.h"
#include "sim/simulator.h"

namespace rdusim {
namespace {

struct Setup {
  NodeSpec node;
  compiler::Graph graph;
};

Setup setup_of(const std::string& model_name, const std::string& node_name,
               const models::GraphRequest& request) {
  ConfigContext context_files;
  context_files.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto node = load_node(context_files, node_name);
  RDU_CHECK(node.ok(), "{}", node.error().to_string());
  auto model = models::load_model(context_files.config_dir, model_name);
  RDU_CHECK(model.ok(), "{}", model.error().to_string());
  auto graph = (*model)->build(request);
  RDU_CHECK(graph.ok(), "{}", graph.error().to_string());
  return {std::move(*node), std::move(*graph)};
}

Setup decode_setup(const std::string& model_name, const std::string& node_name, int64_t context) {
  models::GraphRequest request;
  request.past_tokens = context;
  return setup_of(model_name, node_name, request);
}

Program compile_or_die(const Setup& setup, compiler::CompileOptions options = {}) {
  options.sockets = setup.node.sockets;
  auto program = compiler::compile(setup.graph, setup.node.chip, options);
  RDU_CHECK(program.ok(), "{}", program.error().to_string());
  return std::move(*program);
}

void simulate(const Setup& setup, const Program& program, Fidelity fidelity) {
  sim::RunOptions options;
  options.fidelity = fidelity;
  auto result = sim::run(program, setup.node, *setup.node.find_stack(setup.node.default_stack), options);
  RDU_CHECK(result.ok(), "{}", result.error().to_string());
  benchmark::DoNotOptimize(result->cycles);
}

void BM_CompileLlama2_7bDecode(benchmark::State& state) {
  const Setup setup = decode_setup("llama-2-7b", "sn40l-8", 4096);
  for (auto _ : state) benchmark::DoNotOptimize(compile_or_die(setup));
}
BENCHMARK(BM_CompileLlama2_7bDecode)->Unit(benchmark::kMillisecond);

void BM_CompileLlama31_405bDecode16Sockets(benchmark::State& state) {
  const Setup setup = decode_setup("llama-3.1-405b", "sn40l-16", 4096);
  for (auto _ : state) benchmark::DoNotOptimize(compile_or_die(setup));
}
BENCHMARK(BM_CompileLlama31_405bDecode16Sockets)->Unit(benchmark::kMillisecond);

void BM_EventDecodeStepCompileIncluded(benchmark::State& state) {
  const Setup setup = decode_setup("llama-2-7b", "sn40l-8", 4096);
  for (auto _ : state) simulate(setup, compile_or_die(setup), Fidelity::kEvent);
}
BENCHMARK(BM_EventDecodeStepCompileIncluded)->Unit(benchmark::kMillisecond);

void BM_AnalyticDecodeStep(benchmark::State& state) {
  const Setup setup = decode_setup("llama-2-7b", "sn40l-8", 4096);
  const Program program = compile_or_die(setup);
  for (auto _ : state) simulate(setup, program, Fidelity::kAnalytic);
}
BENCHMARK(BM_AnalyticDecodeStep)->Unit(benchmark::kMillisecond);

// Processor seconds of one run.
double cpu_seconds(const Setup& setup, const Program& program, bool fast_forward, int64_t& cycles) {
  sim::RunOptions options;
  options.fast_forward = fast_forward;
  const std::clock_t begin = std::clock();
  auto result = sim::run(program, setup.node, *setup.node.find_stack(setup.node.default_stack), options);
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  RDU_CHECK(result.ok(), "{}", result.error().to_string());
  cycles = result->cycles;
  return seconds;
}

// Prefill of 4096 tokens of Llama-2-7B on 8 sockets at event fidelity, every token of every launch against
// fast-forward. Argument: a decoder layer a section (1) or an operator a section (0).
void BM_FastForwardPrefill4096(benchmark::State& state) {
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.query_tokens = 4096;
  const Setup setup = setup_of("llama-2-7b", "sn40l-8", request);
  compiler::CompileOptions options;
  if (state.range(0) == 0) options.fusion = compiler::Fusion::kNone;
  const Program program = compile_or_die(setup, options);
  double full = 0;
  double fast = 0;
  for (auto _ : state) {
    int64_t full_cycles = 0;
    int64_t fast_cycles = 0;
    full += cpu_seconds(setup, program, false, full_cycles);
    fast += cpu_seconds(setup, program, true, fast_cycles);
    RDU_CHECK(full_cycles == fast_cycles, "{} cycles against {}", full_cycles, fast_cycles);
  }
  const auto runs = static_cast<double>(state.iterations());
  state.counters["full_ms"] = full / runs * 1e3;
  state.counters["fast_ms"] = fast / runs * 1e3;
  state.counters["ratio"] = full / fast;
}
BENCHMARK(BM_FastForwardPrefill4096)->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);

// A fused decoder layer of Llama-3.2-1B on a sixteenth of the chip at cycle fidelity: entry, one of its 16
// equal layers and head are simulated. Argument: tokens of the prompt; 0: a decode step behind 128 tokens.
void BM_CycleFusedDecoderLayer(benchmark::State& state) {
  models::GraphRequest request;
  request.past_tokens = 128;
  if (state.range(0) > 0) {
    request = {};
    request.phase = models::Phase::kPrefill;
    request.query_tokens = state.range(0);
  }
  const Setup setup = setup_of("llama-3.2-1b", "sn40l-sixteenth", request);
  const Program program = compile_or_die(setup);
  ConfigContext files;
  files.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  sim::RunOptions options;
  options.fidelity = Fidelity::kCycle;
  options.devices.hbm = std::make_shared<const DramSpec>(*load_dram(files, "sn40l-sixteenth-hbm"));
  options.devices.ddr = std::make_shared<const DramSpec>(*load_dram(files, "sn40l-sixteenth-ddr"));
  int64_t firings = 0;
  int64_t cycles = 0;
  for (auto _ : state) {
    auto result = sim::run(program, setup.node, *setup.node.find_stack(setup.node.default_stack), options);
    RDU_CHECK(result.ok(), "{}", result.error().to_string());
    firings += result->firings_simulated;
    for (const SectionResult& s : result->sections) cycles += s.cycles_per_launch;
  }
  state.counters["firings"] = benchmark::Counter(static_cast<double>(firings), benchmark::Counter::kIsRate);
  state.counters["chip_cycles"] =
      benchmark::Counter(static_cast<double>(cycles), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_CycleFusedDecoderLayer)->Arg(0)->Arg(128)->Unit(benchmark::kMillisecond);

// Compilation of every shape included.
void BM_Serve10000RequestsOver150Experts(benchmark::State& state) {
  cli::ServingChoice choice;
  choice.requests = "synthetic:poisson,rate=2,n=10000,prompt=128,output=20,popularity=zipf:0.9";
  for (auto _ : state) {
    cli::Session session;
    session.config.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
    cli::Progress progress("serving", true);
    auto serving = cli::serve_composition(session, "llama2-7b-x150", choice, progress);
    RDU_CHECK(serving.ok(), "{}", serving.error().to_string());
    RDU_CHECK(serving->nodes[0].finished == 10000, "{} finished", serving->nodes[0].finished);
  }
}
BENCHMARK(BM_Serve10000RequestsOver150Experts)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rdusim
