// A serve result explained: the run once more, its passes with their critical paths.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/explaining.h"
#include "cli/pass_gradients.h"
#include "cli/serving_derivatives.h"

namespace rdusim::cli {

namespace {

using report::PassGradient;
using report::ServingExplanation;

// As the engine has it: more distinct prompt lengths are interpolated (runtime/serving/engine_setup.cpp).
constexpr size_t kExactPromptLengths = 32;

runtime::MemoOptions memo_options(const runtime::NodeResult& result) {
  std::set<int64_t> lengths;
  for (const auto& r : result.records) lengths.insert(r.prompt_tokens);
  return {lengths.size() <= kExactPromptLengths, false, 1};
}

std::vector<std::string> models_of(const Serving& serving, const runtime::NodeResult& result) {
  std::set<std::string> models;
  for (const auto& expert : result.experts) models.insert(expert.model);
  if (!serving.composition.router.model.empty()) models.insert(serving.composition.router.model);
  return {models.begin(), models.end()};
}

void add(PassGradient& sum, const PassGradient& pass) {
  sum.time_s += pass.time_s;
  sum.gradient += pass.gradient;
}

// The router's pass, as runtime/serving has it.
Result<PassGradient> routing(const Serving& serving, PassGradients& passes, int64_t batch, int64_t longest) {
  const runtime::RouterSpec& router = serving.composition.router;
  const int64_t prompt = router.prompt_tokens == 0 ? longest : router.prompt_tokens;
  PassGradient sum;
  if (router.runs == "embed") {
    RDU_ASSIGN(sum, passes.embed(router.model, batch, prompt));
  } else if (router.runs == "generate") {
    RDU_ASSIGN(sum, passes.prefill(router.model, batch, prompt));
    RDU_ASSIGN(const PassGradient steps,
               passes.decode(router.model, batch, prompt, router.output_tokens - 1));
    add(sum, steps);
  }
  const runtime::NeighbourShape shape = runtime::neighbour_shape(serving.composition, serving.router.get());
  if (shape.vectors > 0) {
    RDU_ASSIGN(const PassGradient nearest, passes.nearest_neighbours(shape, batch));
    add(sum, nearest);
  }
  return sum;
}

report::ServingCosts costs_of(const Serving& serving, const runtime::NodeResult& result,
                              GradientSource& source, PassGradients& passes) {
  report::ServingCosts costs;
  const auto model_of = [&result](const runtime::RequestRecord& r) {
    return result.experts[r.expert.value].model;
  };
  costs.prefill = [&passes, model_of](const runtime::RequestRecord& r) {
    return passes.prefill(model_of(r), 1, r.prompt_tokens);
  };
  costs.decode = [&passes, model_of](const runtime::RequestRecord& r) {
    return passes.decode(model_of(r), 1, r.prompt_tokens, r.output_tokens - 1);
  };
  costs.routing = [&serving, &passes](int64_t batch, int64_t longest) {
    return routing(serving, passes, batch, longest);
  };
  costs.request_s = source.stack().request_s;
  costs.fixed_arrivals = serving.composition.flows.empty();
  costs.switch_setup_s = source.node().chip.dma_setup_s;
  return costs;
}

Result<ServingExplanation> explain_node(PreparedServing& prepared, size_t n, report::TimeModel& latency) {
  const Serving& serving = prepared.serving;
  const runtime::NodeResult& result = serving.nodes[n];
  latency.time_s = result.latency.mean_s;
  const auto* chip = dynamic_cast<const ChipExecution*>(prepared.nodes[n].executions.front().get());
  if (chip == nullptr) {
    RDU_ASSIGN(auto explanation, report::explain_serving(result, {}));
    report::finish_serving_explanation(explanation, nullptr, nullptr);
    return explanation;
  }
  GradientSource source(*chip, prepared.library);
  PassGradients passes(source, models_of(serving, result), memo_options(result));
  RDU_ASSIGN(auto explanation, report::explain_serving(result, costs_of(serving, result, source, passes)));
  if (!explanation.serial && explanation.requests > 0 && prepared.resumed.empty()) {
    RDU_ASSIGN(const auto served, serve_again(prepared, n));
    report::take_served_derivatives(served, explanation);
  }
  report::finish_serving_explanation(explanation, &chip->node(), &chip->stack());
  latency = {result.latency.mean_s, explanation.scope == "busy_period" || explanation.scope == "served_again",
             explanation.gradient, report::parameter_values(chip->node(), chip->stack(), false)};
  return explanation;
}

}  // namespace

Result<ExplainedServing> explain_serving_result(Rerun& rerun) {
  Progress progress("reading", rerun.session.quiet);
  RDU_ASSIGN(const auto prepared, prepare_serving(rerun.session, rerun.composition, rerun.serving, progress));
  RDU_CHECK_OK(serve_prepared(*prepared, progress));
  RDU_CHECK_OK(check_same_inputs(rerun));
  ExplainedServing out;
  for (size_t n = 0; n < prepared->serving.nodes.size(); ++n) {
    progress.note("explaining " + prepared->nodes[n].name);
    report::TimeModel latency;
    RDU_ASSIGN(auto explanation, explain_node(*prepared, n, latency));
    out.nodes.push_back(std::move(explanation));
    if (n == 0) out.latency = latency;
  }
  return out;
}

}  // namespace rdusim::cli
