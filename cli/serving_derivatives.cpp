#include "cli/serving_derivatives.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "cli/pass_gradients.h"

namespace rdusim::cli {

namespace {

using report::PassGradient;
using runtime::PassCost;

// A node with one parameter changed by a relative step.
class ChangedExecution : public runtime::ExecutionModel {
 public:
  ChangedExecution(runtime::ExecutionModel& inner, GradientSource& source) : inner_(inner), source_(source) {}
  void change(HardwareParameter parameter, double step) {
    parameter_ = parameter;
    step_ = step;
  }

  [[nodiscard]] std::string node_name() const override { return inner_.node_name(); }
  [[nodiscard]] runtime::NodeMemory memory() const override {
    using P = HardwareParameter;
    runtime::NodeMemory memory = inner_.memory();
    memory.hbm_bandwidth.value *= factor(P::kHbmBandwidth);
    memory.store_bandwidth.value *= factor(P::kDdrBandwidth);
    memory.link_bandwidth.value *= factor(P::kLinkBandwidth);
    memory.switch_bandwidth.value *= factor(P::kDmaBandwidth);
    memory.switch_setup = scaled(memory.switch_setup, P::kDmaSetup);
    return memory;
  }
  [[nodiscard]] Picoseconds request_overhead() const override {
    return scaled(inner_.request_overhead(), HardwareParameter::kRequestTime);
  }
  Result<PassCost> prefill(const std::string& model, int64_t batch, int64_t tokens) override {
    return changed(inner_.prefill(model, batch, tokens), source_.prefill(model, batch, tokens));
  }
  Result<PassCost> prefill_after(const std::string& model, int64_t cached, int64_t tokens) override {
    return changed(inner_.prefill_after(model, cached, tokens), source_.prefill_after(model, cached, tokens));
  }
  Result<PassCost> decode(const std::string& model, int64_t batch, int64_t context, int64_t steps) override {
    return changed(inner_.decode(model, batch, context, steps), source_.decode(model, batch, context, steps));
  }
  Result<PassCost> embed(const std::string& model, int64_t batch, int64_t tokens) override {
    return changed(inner_.embed(model, batch, tokens), source_.embed(model, batch, tokens));
  }
  Result<PassCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                      int64_t classes) override {
    return changed(inner_.nearest_neighbours(vectors, dimensions, batch, k, classes),
                   source_.nearest_neighbours(vectors, dimensions, batch, k, classes));
  }
  Result<Bytes> weight_bytes(const std::string& model) override { return inner_.weight_bytes(model); }
  Result<Bytes> program_bytes(const std::string& model) override { return inner_.program_bytes(model); }
  Result<Bytes> kv_bytes_per_token(const std::string& model) override {
    return inner_.kv_bytes_per_token(model);
  }
  Result<int64_t> layers(const std::string& model) override { return inner_.layers(model); }

 private:
  [[nodiscard]] double factor(HardwareParameter parameter) const {
    return parameter == parameter_ ? 1 + step_ : 1;
  }
  [[nodiscard]] Picoseconds scaled(Picoseconds time, HardwareParameter parameter) const {
    return Picoseconds(std::llround(static_cast<double>(time.value) * factor(parameter)));
  }
  [[nodiscard]] Result<PassCost> changed(Result<PassCost> before, Result<PassGradient> pass) const {
    RDU_ASSIGN(PassCost cost, std::move(before));
    RDU_ASSIGN(const PassGradient derivative, std::move(pass));
    // The model of a derivative is a line: a pass never gets shorter than nothing.
    const double more_s = step_ * at(derivative.gradient, parameter_);
    cost.time = Picoseconds(std::max<int64_t>(0, cost.time.value + std::llround(more_s * 1e12)));
    return cost;
  }

  runtime::ExecutionModel& inner_;
  GradientSource& source_;
  HardwareParameter parameter_ = HardwareParameter::kClock;
  double step_ = 0;
};

// The node's groups, each on a changed twin of its execution.
class ChangedNode {
 public:
  ChangedNode(PreparedServing& prepared, size_t n) : prepared_(prepared) {
    const ServingNode& node = prepared.nodes[n];
    std::map<const runtime::ExecutionModel*, ChangedExecution*> twins;
    for (const auto& execution : node.executions) {
      const auto* chip = dynamic_cast<const ChipExecution*>(execution.get());
      RDU_CHECK(chip != nullptr, "{} is no simulated chip", node.name);
      sources_.push_back(std::make_unique<GradientSource>(*chip, prepared.library));
      executions_.push_back(std::make_unique<ChangedExecution>(*execution, *sources_.back()));
      twins[execution.get()] = executions_.back().get();
    }
    for (const auto& group : node.groups) groups_.push_back({twins.at(group.execution), group.sockets});
  }

  // Mean latency with the parameter changed.
  Result<double> mean_s(HardwareParameter parameter, double step) {
    for (const auto& execution : executions_) execution->change(parameter, step);
    runtime::ServeOptions options = prepared_.options;
    options.checkpoint = {};
    options.progress = {};
    const Serving& serving = prepared_.serving;
    RDU_ASSIGN(const auto result,
               runtime::serve_groups(groups_, serving.composition, serving.workload, options));
    return result.latency.mean_s;
  }

  // After a serve: whether the parameter is worth one.
  [[nodiscard]] bool depends_on(HardwareParameter parameter) const {
    using P = HardwareParameter;
    if (parameter == P::kDmaBandwidth || parameter == P::kDmaSetup || parameter == P::kDdrBandwidth)
      return true;
    if (parameter == P::kRequestTime) return executions_.front()->request_overhead().value > 0;
    return std::any_of(sources_.begin(), sources_.end(), [&](const auto& source) {
      return source->depends_on(static_cast<size_t>(parameter));
    });
  }

 private:
  PreparedServing& prepared_;
  std::vector<std::unique_ptr<GradientSource>> sources_;
  std::vector<std::unique_ptr<ChangedExecution>> executions_;
  std::vector<runtime::SocketGroup> groups_;
};

}  // namespace

Result<report::ServedDerivatives> serve_again(PreparedServing& prepared, size_t n) {
  ChangedNode node(prepared, n);
  report::ServedDerivatives out;
  out.step = kServedStep;
  // With nothing changed: the same result, and every pass that it needs has its derivative.
  RDU_ASSIGN(const double mean_s, node.mean_s(HardwareParameter::kClock, 0));
  RDU_CHECK(mean_s == prepared.serving.nodes[n].latency.mean_s, "the same serve takes {} s, then {} s",
            prepared.serving.nodes[n].latency.mean_s, mean_s);
  for (size_t p = 0; p < kHardwareParameters; ++p) {
    const auto parameter = static_cast<HardwareParameter>(p);
    if (!node.depends_on(parameter)) continue;
    RDU_ASSIGN(const double more_s, node.mean_s(parameter, kServedStep));
    RDU_ASSIGN(const double less_s, node.mean_s(parameter, -kServedStep));
    out.above[p] = (more_s - mean_s) / kServedStep;
    out.below[p] = (mean_s - less_s) / kServedStep;
  }
  return out;
}

}  // namespace rdusim::cli
