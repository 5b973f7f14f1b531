#include "cli/pipeline/cut.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "compiler/pipeline/layer_spans.h"

namespace rdusim::cli {
namespace {

compiler::StageRates rates_of(const NodeSpec& node, const compiler::CompileOptions& options) {
  const auto sockets = static_cast<double>(options.sockets);
  return {node.chip.peak_flops() * sockets, node.chip.hbm.achieved_bytes_per_s() * sockets,
          node.link.bandwidth_bytes_per_s, options.launch_s};
}

Status check_layers(const compiler::Graph& graph, size_t layers, int64_t stages) {
  if (static_cast<size_t>(stages) <= layers) return {};
  return Error{ErrorCode::kInvalidInput, fmt::format("--pipeline {}", stages),
               fmt::format("{} has {} layers", graph.name, layers), "a stage has at least a layer"};
}

// Chunks of nearly one length, the longer ones first.
std::vector<models::GraphRequest> chunks(const models::GraphRequest& request, int64_t count) {
  std::vector<models::GraphRequest> all;
  int64_t done = 0;
  for (int64_t i = 0; i < count; ++i) {
    models::GraphRequest chunk = request;
    chunk.query_tokens = request.query_tokens / count + (i < request.query_tokens % count ? 1 : 0);
    chunk.past_tokens = request.past_tokens + done;
    if (chunk.kv_capacity == 0) chunk.kv_capacity = request.past_tokens + request.query_tokens;
    done += chunk.query_tokens;
    all.push_back(chunk);
  }
  return all;
}

}  // namespace

void add_stages_option(CLI::App& command, PipelineChoice& choice) {
  command
      .add_option("--pipeline", choice.stages,
                  "stages of layers that the sockets are divided over, tensor-parallel inside a stage "
                  "(default 1)")
      ->type_name("STAGES")
      ->check(CLI::Range(int64_t{1}, int64_t{1024}));
}

void add_micro_batches_option(CLI::App& command, PipelineChoice& choice) {
  command
      .add_option("--micro-batches", choice.micro_batches,
                  "parts of the pass that are in the stages at once: sequences where the batch divides, else "
                  "chunks of the prompt (default 1)")
      ->type_name("COUNT")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}));
}

Result<int64_t> sockets_of_stage(int64_t sockets, int64_t stages) {
  if (stages >= 1 && sockets % stages == 0) return sockets / stages;
  std::string divisors;
  for (int64_t d = 1; d <= sockets; ++d) {
    if (sockets % d == 0) divisors += fmt::format("{}{}", divisors.empty() ? "" : ", ", d);
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("--pipeline {}", stages),
               fmt::format("{} sockets do not divide into {} stages", sockets, stages),
               "numbers of stages that do: " + divisors};
}

std::string stage_name(size_t stage, int64_t first_layer, int64_t last_layer) {
  return fmt::format("stage {} (layers {} to {})", stage, first_layer, last_layer);
}

Result<MicroBatches> micro_batches_of(const models::GraphRequest& request, int64_t count) {
  MicroBatches batches;
  const auto many = static_cast<size_t>(count);
  if (count == 1 || (request.batch >= count && request.batch % count == 0)) {
    batches.requests = {request};
    batches.requests.front().batch = request.batch / count;
    batches.request_of.assign(many, 0);
    return batches;
  }
  if (request.phase == models::Phase::kPrefill && request.query_tokens >= count) {
    batches.of_tokens = true;
    batches.requests = chunks(request, count);
    for (size_t i = 0; i < many; ++i) batches.request_of.push_back(i);
    return batches;
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("--micro-batches {}", count),
               fmt::format("a batch of {} does not divide into so many", request.batch),
               "a multiple of them as --batch; prompts (--phase prefill) also go in chunks"};
}

Result<compiler::StagedGraph> cut_for(const compiler::Graph& graph, const NodeSpec& node, int64_t stages,
                                      const compiler::CompileOptions& stage_options) {
  RDU_ASSIGN(const auto spans, compiler::layer_spans(graph));
  RDU_CHECK_OK(check_layers(graph, spans.size(), stages));
  const auto costs = compiler::span_costs(graph, spans, rates_of(node, stage_options));
  return compiler::cut_graph(graph, spans, compiler::balanced_starts(costs, static_cast<size_t>(stages)));
}

Result<CutPass> cut_pass(const models::Model& model, const models::GraphRequest& request,
                         const PipelineChoice& choice, const NodeSpec& node,
                         const compiler::CompileOptions& stage_options) {
  CutPass pass;
  RDU_ASSIGN(pass.batches, micro_batches_of(request, choice.micro_batches));
  std::vector<compiler::Graph> graphs;
  std::vector<std::vector<compiler::LayerSpan>> spans;
  std::vector<compiler::SpanCost> costs;
  for (size_t d = 0; d < pass.batches.requests.size(); ++d) {
    RDU_ASSIGN(compiler::Graph graph, model.build(pass.batches.requests[d]));
    pass.name = graph.name;
    if (pass.batches.of_tokens && d + 1 < pass.batches.requests.size()) graph = without_head(graph);
    RDU_ASSIGN(auto of_graph, compiler::layer_spans(graph));
    RDU_CHECK_OK(check_layers(graph, of_graph.size(), choice.stages));
    const auto more = compiler::span_costs(graph, of_graph, rates_of(node, stage_options));
    costs.resize(more.size());
    for (size_t i = 0; i < more.size(); ++i) costs[i] += more[i];
    graphs.push_back(std::move(graph));
    spans.push_back(std::move(of_graph));
  }
  if (choice.micro_batches > 1) {
    RDU_ASSIGN(const compiler::Graph whole, model.build(request));
    pass.name = whole.name;
  }
  const auto starts = compiler::balanced_starts(costs, static_cast<size_t>(choice.stages));
  for (size_t d = 0; d < graphs.size(); ++d) {
    RDU_ASSIGN(auto staged, compiler::cut_graph(graphs[d], spans[d], starts));
    pass.graphs.push_back(std::move(staged));
  }
  return pass;
}

}  // namespace rdusim::cli
