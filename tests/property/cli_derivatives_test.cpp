// Derivatives of a run's time, from its critical path (event) or its gradient (analytic), against finite
// differences of runs of the same program on a chip that is a little different.
//
// Steps. Time is piecewise linear in what each parameter makes a step cost: it has kinks where another chain
// becomes the critical one, or requests change turns, and it is counted in whole cycles. So a difference is
// central, and its step is the smallest that rounding leaves meaningful:
//   bandwidths  1 %; of links 2 %, whose messages take a few cycles each
//   latencies   one cycle, since they are rounded to cycles
//   clock       1/80: every latency of the node stays a whole number of cycles
//   launch      3 %
// Where a kink lies within the step (the slopes of both sides differ) the derivative must be the slope of one
// side within the same 2 %; a few are between the two (or 1 % beside them), where several kinks lie within
// the step.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <functional>

#include "base/arch/load.h"
#include "base/program/critical_path.h"
#include "cli/inputs.h"
#include "compiler/compile.h"
#include "models/model.h"
#include "sim/critical_path.h"
#include "sim/simulator.h"

namespace rdusim {
namespace {

struct Workload {
  const char* model;
  const char* phase;
  int64_t batch;
  int64_t context;
  int64_t sockets;
  const char* stack;
  Fidelity fidelity;
  bool fused = true;
  bool prefetch = false;
};

constexpr Fidelity kEvent = Fidelity::kEvent;
constexpr Fidelity kAnalytic = Fidelity::kAnalytic;

const Workload kWorkloads[] = {
    {"llama-2-7b", "decode", 1, 4096, 8, "2024-late", kEvent},
    {"llama-2-7b", "decode", 1, 4096, 8, "2024-late", kAnalytic},
    {"llama-2-7b", "decode", 8, 1024, 8, "2024-early", kEvent},
    {"llama-2-7b", "decode", 16, 2048, 4, "2024-late", kAnalytic},
    {"llama-2-7b", "prefill", 1, 512, 8, "2024-late", kEvent},
    {"llama-2-7b", "prefill", 1, 4096, 8, "2024-late", kEvent},
    {"llama-2-7b", "prefill", 2, 1024, 8, "2024-late", kAnalytic},
    {"llama-3-8b", "decode", 1, 8192, 8, "2024-late", kEvent},
    {"llama-3-8b", "decode", 4, 512, 2, "2024-late", kEvent},
    {"llama-3-8b", "decode", 1, 2048, 1, "2024-late", kAnalytic},
    {"llama-3-8b", "prefill", 1, 2048, 8, "2024-late", kAnalytic},
    {"llama-3.2-1b", "decode", 1, 1024, 1, "2024-late", kEvent},
    {"llama-3.2-1b", "decode", 32, 1024, 4, "2024-early", kEvent},
    {"llama-3.2-1b", "prefill", 4, 256, 1, "2024-late", kEvent},
    {"llama-3.2-1b", "prefill", 1, 128, 8, "2024-late", kAnalytic, false},
    {"llama-2-7b", "decode", 1, 512, 8, "2024-late", kEvent, false},
    {"mamba-2.8b", "decode", 1, 1024, 1, "2024-late", kEvent},
    {"mamba-1.4b", "decode", 4, 256, 2, "2024-late", kAnalytic},
    {"mamba-130m", "prefill", 1, 512, 1, "2024-late", kAnalytic},
    {"mistral-7b-v0.1", "decode", 2, 4096, 8, "2024-early", kEvent},
    {"mixtral-8x7b", "decode", 1, 1024, 8, "2024-late", kAnalytic},
    {"llama-2-7b", "decode", 1, 4096, 8, "2024-late", kEvent, true, true},
    {"llama-3-8b", "prefill", 1, 512, 8, "2024-late", kEvent, true, true},
    {"llama-3.2-1b", "decode", 1, 512, 8, "2024-early", kAnalytic, true, true},
    {"llama-2-7b", "decode", 1, 512, 8, "2024-late", kEvent, false, true},
};

struct Change {
  HardwareParameter parameter;
  std::function<void(NodeSpec&, StackSpec&, double)> scale;  // by a factor
  std::function<double(const NodeSpec&)> step;               // relative
};

Change by(double relative_step, HardwareParameter parameter,
          std::function<void(NodeSpec&, StackSpec&, double)> scale) {
  return {parameter, std::move(scale), [relative_step](const NodeSpec&) { return relative_step; }};
}

std::vector<Change> changes() {
  using P = HardwareParameter;
  const auto cycle_of = [](double latency_ns, const NodeSpec& n) {
    return 1 / (latency_ns * 1e-9 * n.chip.clock_hz);
  };
  return {
      by(1.0 / 80, P::kClock, [](NodeSpec& n, StackSpec&, double f) { n.chip.clock_hz *= f; }),
      by(0.01, P::kHbmBandwidth,
         [](NodeSpec& n, StackSpec&, double f) { n.chip.hbm.bandwidth_bytes_per_s *= f; }),
      by(0.01, P::kDdrBandwidth,
         [](NodeSpec& n, StackSpec&, double f) { n.chip.ddr.bandwidth_bytes_per_s *= f; }),
      by(0.02, P::kLinkBandwidth,
         [](NodeSpec& n, StackSpec&, double f) { n.link.bandwidth_bytes_per_s *= f; }),
      by(0.03, P::kLaunch,
         [](NodeSpec&, StackSpec& s, double f) {
           s.hardware_launch_s *= f;
           s.software_launch_s *= f;
         }),
      {P::kHbmLatency, [](NodeSpec& n, StackSpec&, double f) { n.chip.hbm.latency_ns *= f; },
       [=](const NodeSpec& n) { return cycle_of(n.chip.hbm.latency_ns, n); }},
      {P::kDdrLatency, [](NodeSpec& n, StackSpec&, double f) { n.chip.ddr.latency_ns *= f; },
       [=](const NodeSpec& n) { return cycle_of(n.chip.ddr.latency_ns, n); }},
      {P::kLinkLatency, [](NodeSpec& n, StackSpec&, double f) { n.link.latency_ns *= f; },
       [=](const NodeSpec& n) { return cycle_of(n.link.latency_ns, n); }},
  };
}

Result<Program> compiled(const Workload& w, const NodeSpec& node) {
  RDU_ASSIGN(const auto model, models::load_model(std::string(RDUSIM_SOURCE_DIR) + "/configs", w.model));
  cli::PassChoice pass{w.phase, w.batch, w.context};
  RDU_ASSIGN(const auto request, cli::graph_request(pass));
  RDU_ASSIGN(const auto graph, model->build(request));
  compiler::CompileOptions options;
  options.sockets = w.sockets;
  options.fusion = w.fused ? compiler::Fusion::kLayer : compiler::Fusion::kNone;
  options.prefetch = w.prefetch;
  return compiler::compile(graph, node.chip, options);
}

double latency_s(const Program& program, const NodeSpec& node, const StackSpec& stack, Fidelity fidelity) {
  sim::RunOptions options;
  options.fidelity = fidelity;
  auto result = sim::run(program, node, stack, options);
  EXPECT_TRUE(result.ok());
  return result.ok() ? result->latency_s() : 0;
}

std::string name_of(const Workload& w) {
  return fmt::format("{} {} batch {} context {} sockets {} {}{}{}", w.model, w.phase, w.batch, w.context,
                     w.sockets, fidelity_name(w.fidelity), w.fused ? "" : " unfused",
                     w.prefetch ? " prefetch" : "");
}

struct Tally {
  int compared = 0;
  int one_side = 0;  // of a kink: the derivative is the slope of one side
  int between = 0;   // of several kinks, or a curve: it is between the slopes of both
  double worst = 0;  // relative, of all others that matter
};

// `kRounding`: of an elasticity, a tenth of a percent of the latency: what rounding every transfer of a few
// cycles to whole cycles leaves of a difference.
constexpr double kRounding = 0.001;

void compare(const std::string& what, double elasticity, double left, double right, Tally& tally) {
  SCOPED_TRACE(what);
  ++tally.compared;
  const double difference = (left + right) / 2;
  const double size = std::max(std::abs(difference), std::abs(elasticity));
  const double tolerance = 0.02 * size + kRounding;
  if (std::abs(left - right) > tolerance) {
    const bool side = std::abs(elasticity - left) <= tolerance || std::abs(elasticity - right) <= tolerance;
    ++(side ? tally.one_side : tally.between);
    const double beside = tolerance + 0.01 * size;
    EXPECT_GE(elasticity, std::min(left, right) - beside);
    EXPECT_LE(elasticity, std::max(left, right) + beside);
    if (!side) std::printf("  between: %s %.4f in %.4f %.4f\n", what.c_str(), elasticity, left, right);
    return;
  }
  EXPECT_NEAR(elasticity, difference, tolerance);
  if (size > 0.05) tally.worst = std::max(tally.worst, std::abs(elasticity - difference) / size);
}

void check(const Workload& w, const NodeSpec& node, Tally& tally) {
  SCOPED_TRACE(name_of(w));
  const StackSpec stack = *node.find_stack(w.stack);
  auto program = compiled(w, node);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  auto path = sim::critical_path(*program, node, stack, w.fidelity);
  ASSERT_TRUE(path.ok()) << path.error().to_string();
  const Gradient gradient = latency_gradient(*path);
  const double latency = path->result.latency_s();
  for (const Change& change : changes()) {
    const double step = change.step(node);
    const auto at_factor = [&](double factor) {
      NodeSpec other = node;
      StackSpec other_stack = stack;
      change.scale(other, other_stack, factor);
      return latency_s(*program, other, other_stack, w.fidelity);
    };
    const double left = (latency - at_factor(1 - step)) / step / latency;
    const double right = (at_factor(1 + step) - latency) / step / latency;
    compare(std::string(hardware_parameter_record(change.parameter).name),
            at(gradient, change.parameter) / latency, left, right, tally);
  }
}

TEST(Derivatives, AgreeWithFiniteDifferences) {
  ConfigContext config;
  config.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto node = load_node(config, "sn40l-8");
  ASSERT_TRUE(node.ok());
  Tally tally;
  for (const Workload& w : kWorkloads) check(w, *node, tally);
  std::printf(
      "%zu workloads, %d derivatives: %d at a kink, of one side, %d between both; worst of the others that "
      "are "
      "above 0.05: %.1f %%\n",
      std::size(kWorkloads), tally.compared, tally.one_side, tally.between, 100 * tally.worst);
  EXPECT_GE(std::size(kWorkloads), 20U);
  // As found, and a few: every kink more is an approximation that somebody should look at.
  EXPECT_LE(tally.one_side, 22);
  EXPECT_LE(tally.between, 4);
}

}  // namespace
}  // namespace rdusim
