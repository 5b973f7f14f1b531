#include "cli/pass_gradients.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/program/critical_path.h"
#include "sim/critical_path.h"

namespace rdusim::cli {

using report::PassGradient;
using runtime::PassCost;

Result<PassGradient> GradientSource::pass(const Shape& shape, const Ask& ask) {
  if (const auto known = known_.find(shape); known != known_.end()) return known->second;
  PassGradient pass;
  double of_programs_s = 0;
  // A fresh one, so that every program of the pass is simulated and none remembered.
  ChipExecution chip(node_, stack_, fidelity_, library_, {});
  chip.set_sequence_bucket(bucket_, context_of_);
  chip.set_watch([&](const Program& program, const NodeSpec& node) -> Status {
    RDU_ASSIGN(const CriticalPath path, sim::critical_path(program, node, stack_, fidelity_));
    pass.gradient += latency_gradient(path);
    of_programs_s += path.result.latency_s();
    return {};
  });
  RDU_ASSIGN(const PassCost cost, ask(chip));
  pass.time_s = seconds(cost.time);
  // The host's time of a pass is all that is not in its programs.
  at(pass.gradient, HardwareParameter::kStepTime) = stack_.step_s > 0 ? pass.time_s - of_programs_s : 0;
  known_.emplace(shape, pass);
  return pass;
}

Result<PassGradient> GradientSource::prefill(const std::string& model, int64_t batch, int64_t tokens) {
  return pass({"prefill " + model, batch, tokens, 0, 0},
              [&](runtime::ExecutionModel& chip) { return chip.prefill(model, batch, tokens); });
}

Result<PassGradient> GradientSource::prefill_after(const std::string& model, int64_t cached, int64_t tokens) {
  return pass({"chunk " + model, cached, tokens, 0, 0},
              [&](runtime::ExecutionModel& chip) { return chip.prefill_after(model, cached, tokens); });
}

Result<PassGradient> GradientSource::decode(const std::string& model, int64_t batch, int64_t context,
                                            int64_t steps) {
  return pass({"decode " + model, batch, context, steps, 0},
              [&](runtime::ExecutionModel& chip) { return chip.decode(model, batch, context, steps); });
}

Result<PassGradient> GradientSource::embed(const std::string& model, int64_t batch, int64_t tokens) {
  return pass({"embed " + model, batch, tokens, 0, 0},
              [&](runtime::ExecutionModel& chip) { return chip.embed(model, batch, tokens); });
}

Result<PassGradient> GradientSource::nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch,
                                                        int64_t k, int64_t classes) {
  return pass({"neighbours", vectors, dimensions, batch, k * (int64_t{1} << 20) + classes},
              [&](runtime::ExecutionModel& chip) {
                return chip.nearest_neighbours(vectors, dimensions, batch, k, classes);
              });
}

bool GradientSource::depends_on(size_t parameter) const {
  return std::any_of(known_.begin(), known_.end(),
                     [&](const auto& known) { return known.second.gradient[parameter] != 0; });
}

namespace {

// More of these parameters, less time; of the others the reverse.
bool shortens(size_t parameter) {
  using P = HardwareParameter;
  switch (static_cast<P>(parameter)) {
    case P::kPcuLatency:
    case P::kRdnLatency:
    case P::kHbmLatency:
    case P::kDdrLatency:
    case P::kLinkLatency:
    case P::kLaunch:
    case P::kDmaSetup:
    case P::kStepTime:
    case P::kRequestTime:
      return false;
    default:
      return true;
  }
}

// Prices passes by one component of their gradient.
class ComponentExecution : public runtime::ExecutionModel {
 public:
  ComponentExecution(GradientSource& source, size_t component) : source_(source), component_(component) {}

  [[nodiscard]] std::string node_name() const override { return source_.node().name; }
  [[nodiscard]] runtime::NodeMemory memory() const override { return {}; }
  [[nodiscard]] Picoseconds request_overhead() const override { return {}; }
  Result<PassCost> prefill(const std::string& model, int64_t batch, int64_t tokens) override {
    return of(source_.prefill(model, batch, tokens));
  }
  Result<PassCost> prefill_after(const std::string& model, int64_t cached, int64_t tokens) override {
    return of(source_.prefill_after(model, cached, tokens));
  }
  Result<PassCost> decode(const std::string& model, int64_t batch, int64_t context, int64_t steps) override {
    return of(source_.decode(model, batch, context, steps));
  }
  Result<PassCost> embed(const std::string& model, int64_t batch, int64_t tokens) override {
    return of(source_.embed(model, batch, tokens));
  }
  Result<PassCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                      int64_t classes) override {
    return of(source_.nearest_neighbours(vectors, dimensions, batch, k, classes));
  }
  Result<Bytes> weight_bytes(const std::string& /*model*/) override { return Bytes(0); }
  Result<Bytes> kv_bytes_per_token(const std::string& /*model*/) override { return Bytes(0); }

 private:
  Result<PassCost> of(Result<PassGradient> priced) {
    RDU_ASSIGN(const PassGradient pass, std::move(priced));
    const double part = component_ == kHardwareParameters ? pass.time_s : std::abs(pass.gradient[component_]);
    PassCost cost;
    cost.time = picoseconds_from_seconds(part);
    return cost;
  }

  GradientSource& source_;
  size_t component_;
};

}  // namespace

struct PassGradients::PriceList {
  PriceList(GradientSource& source, size_t component, const std::vector<std::string>& models,
            runtime::MemoOptions options)
      : execution(source, component), memo(execution, models, options) {}
  ComponentExecution execution;
  runtime::MemoisedExecution memo;
};

PassGradients::PassGradients(GradientSource& source, std::vector<std::string> models,
                             runtime::MemoOptions options)
    : models_(std::move(models)) {
  for (size_t c = 0; c <= kHardwareParameters; ++c)
    lists_.push_back(std::make_unique<PriceList>(source, c, models_, options));
}

PassGradients::~PassGradients() = default;

uint32_t PassGradients::number_of(const std::string& model) const {
  const auto at = std::find(models_.begin(), models_.end(), model);
  RDU_CHECK(at != models_.end(), "model {} is not among those that are priced", model);
  return static_cast<uint32_t>(at - models_.begin());
}

template <typename Ask>
Result<PassGradient> PassGradients::collect(Ask ask) {
  PassGradient pass;
  for (size_t c = 0; c <= kHardwareParameters; ++c) {
    RDU_ASSIGN(const PassCost cost, ask(lists_[c]->memo));
    if (c == kHardwareParameters) {
      pass.time_s = seconds(cost.time);
    } else {
      pass.gradient[c] = shortens(c) ? -seconds(cost.time) : seconds(cost.time);
    }
  }
  return pass;
}

Result<PassGradient> PassGradients::prefill(const std::string& model, int64_t batch, int64_t tokens) {
  const uint32_t number = number_of(model);
  return collect([&](runtime::MemoisedExecution& memo) { return memo.prefill(number, batch, tokens); });
}

Result<PassGradient> PassGradients::embed(const std::string& model, int64_t batch, int64_t tokens) {
  const uint32_t number = number_of(model);
  return collect([&](runtime::MemoisedExecution& memo) { return memo.embed(number, batch, tokens); });
}

Result<PassGradient> PassGradients::decode(const std::string& model, int64_t batch, int64_t context,
                                           int64_t steps) {
  const uint32_t number = number_of(model);
  return collect(
      [&](runtime::MemoisedExecution& memo) { return memo.decode(number, batch, context, steps); });
}

Result<PassGradient> PassGradients::nearest_neighbours(const runtime::NeighbourShape& shape, int64_t batch) {
  return collect([&](runtime::MemoisedExecution& memo) {
    return memo.nearest_neighbours(shape.vectors, shape.dimensions, batch, shape.k, shape.classes);
  });
}

}  // namespace rdusim::cli
