#include "cli/long_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "cli/chip_execution.h"
#include "cli/inputs.h"
#include "cli/serving.h"
#include "compiler/ops/op.h"
#include "runtime/gpu_node.h"
#include "runtime/memo_execution.h"

namespace rdusim::cli {
namespace {

Result<std::unique_ptr<runtime::ExecutionModel>> make_execution(Session& session, const std::string& node,
                                                                const LongContextChoice& choice,
                                                                ModelLibrary& library, Progress& progress) {
  RDU_ASSIGN(const bool gpu, is_gpu_node(session.config, node));
  if (!gpu) {
    RDU_ASSIGN(auto chosen, load_node_and_stack(session, {node, choice.stack}));
    return std::unique_ptr<runtime::ExecutionModel>(std::make_unique<ChipExecution>(
        std::move(chosen.node), std::move(chosen.stack), Fidelity::kEvent, library,
        [&progress](const std::string& what) { progress.note("simulating " + what); }));
  }
  RDU_ASSIGN(GpuNodeSpec spec, load_gpu_node(session.config, node));
  std::map<std::string, runtime::ModelShape> shapes;
  for (const std::string& name : choice.models) {
    RDU_ASSIGN(const models::Model* model, library.get(name));
    RDU_ASSIGN(shapes[name], model_shape(*model));
  }
  return std::unique_ptr<runtime::ExecutionModel>(
      std::make_unique<runtime::GpuNode>(std::move(spec), std::move(shapes)));
}

// `repeats` passes of this cost.
LongContextPoint point(const runtime::ExecutionModel& execution, const std::string& model, const char* phase,
                       int64_t tokens, int64_t batch, const runtime::PassCost& cost, int64_t repeats) {
  const auto n = static_cast<double>(repeats);
  int64_t bytes = 0;
  for (const int64_t of_cause : cost.bytes[static_cast<size_t>(Wire::kHbm)]) bytes += of_cause;
  return {execution.node_name(),         model, phase, tokens, batch, n * seconds(cost.time),
          n * static_cast<double>(bytes)};
}

Status add_points(runtime::ExecutionModel& execution, const LongContextChoice& choice,
                  std::vector<LongContextPoint>& points) {
  runtime::MemoisedExecution memo(execution, choice.models, {});
  for (uint32_t m = 0; m < choice.models.size(); ++m) {
    for (const int64_t tokens : choice.prompts) {
      RDU_ASSIGN(const auto one, memo.prefill(m, 1, tokens));
      const int64_t prompts = std::max<int64_t>(1, choice.tokens_a_measurement / tokens);
      points.push_back(point(execution, choice.models[m], "prefill", tokens, prompts, one, prompts));
    }
  }
  for (uint32_t m = 0; m < choice.models.size(); ++m) {
    for (const int64_t tokens : choice.answers) {
      RDU_ASSIGN(const auto all, memo.decode(m, choice.batch, 1, tokens));
      points.push_back(point(execution, choice.models[m], "decode", tokens, choice.batch, all, 1));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<LongContextPoint>> long_context_points(Session& session, const LongContextChoice& choice,
                                                          Progress& progress) {
  ModelLibrary library = model_library(session);
  std::vector<LongContextPoint> points;
  for (const std::string& node : choice.nodes) {
    RDU_ASSIGN(const auto execution, make_execution(session, node, choice, library, progress));
    RDU_CHECK_OK(add_points(*execution, choice, points));
  }
  return points;
}

Result<double> prefill_flops(Session& session, const std::string& model_name, int64_t tokens) {
  RDU_ASSIGN(const auto model, load_chosen_model(session, model_name));
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.query_tokens = tokens;
  request.all_logits = true;
  RDU_ASSIGN(const auto graph, model->build(request));
  double flops = 0;
  for (const auto& node : graph.nodes)
    flops += static_cast<double>(compiler::op_record(node.op).cost(graph, node).flops);
  return flops;
}

Result<const LongContextPoint*> find_point(const std::vector<LongContextPoint>& points,
                                           const std::string& node, const std::string& model,
                                           const std::string& phase, int64_t tokens) {
  for (const LongContextPoint& p : points) {
    if (p.node == node && p.model == model && p.phase == phase && p.tokens == tokens) return &p;
  }
  return Error{ErrorCode::kNotFound, node,
               fmt::format("no {} point of {} at {} tokens", phase, model, tokens), ""};
}

}  // namespace rdusim::cli
