// Group capacity: how many experts fit where, how fast they switch, and where latency jumps (P Sec VI-C, Figs
// 12 and 13). The figures' bars are not published as numbers; what the text says of them is.
#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/validate/coe_serving.h"
#include "cli/validate/groups.h"
#include "runtime/composition.h"

namespace rdusim::cli {
namespace {

constexpr const char* kCommand = "rdusim validate --group capacity";
constexpr const char* kModel = "llama-2-7b";
constexpr int64_t kFig13Experts = 850;
constexpr int64_t kMostExperts = 2048;  // more than any of the nodes holds

void add(ValidationRows& rows, const std::string& what, const char* source, Published published,
         double simulated, const char* unit, std::optional<double> tolerance_percent,
         const std::string& command = kCommand) {
  rows.push_back({row_id(what), what, source, published, simulated, unit, tolerance_percent, command, ""});
}

// The largest number in [1, kMostExperts) of which `holds` is true: it must be true up to there, then false.
template <typename Holds>
Result<int64_t> largest(const Holds& holds) {
  int64_t fits = 0;
  int64_t fails = kMostExperts;
  while (fits + 1 < fails) {
    const int64_t middle = (fits + fails) / 2;
    RDU_ASSIGN(const bool held, holds(middle));
    (held ? fits : fails) = middle;
  }
  return fits;
}

ServingChoice rounds(const std::string& node, int64_t requests) {
  ServingChoice choice;
  choice.node = node;
  choice.requests = fmt::format("synthetic:together,n={},popularity=round-robin", requests);
  return choice;
}

// Experts that the node's store holds before serving fails for lack of memory.
Result<int64_t> experts_in_store(ValidationContext& context, const std::string& node) {
  return largest([&](int64_t experts) -> Result<bool> {
    RDU_ASSIGN(const auto serving, serve_experts(context, experts, rounds(node, 1)));
    return serving.nodes[0].status == runtime::NodeStatus::kServed;
  });
}

// Experts that stay in HBM beside router and KV cache: in two rounds over all of them, each is copied once.
Result<int64_t> experts_in_hbm(ValidationContext& context, const std::string& node) {
  return largest([&](int64_t experts) -> Result<bool> {
    if (experts > 64) return false;  // more than 640 GB of HBM hold; spares runs that end out of memory
    RDU_ASSIGN(const auto serving, serve_experts(context, experts, rounds(node, experts * 2)));
    RDU_ASSIGN(const auto* result, served_node(serving, node));
    return result->switches_per_request <= 0.5;
  });
}

Result<double> mean_latency_s(ValidationContext& context, const std::string& node, int64_t experts) {
  RDU_ASSIGN(const auto serving, serve_experts(context, experts, rounds(node, experts * 4)));
  RDU_ASSIGN(const auto* result, served_node(serving, node));
  return seconds_of(*result, "overall");
}

Status add_switches(ValidationContext& context, ValidationRows& rows) {
  const ServingChoice choice = table5_choice(1, 20);
  RDU_ASSIGN(const auto serving, serve_experts(context, kTable5Experts, choice));
  const std::pair<const char*, double> switches[] = {{"sn40l-8", 13.5}, {"dgx-a100", 421}, {"dgx-h100", 211}};
  for (const auto& [name, published_ms] : switches) {
    RDU_ASSIGN(const auto* node, served_node(serving, name));
    // Derived: 13.476 GB over 1 TB/s, 32 GB/s and 64 GB/s.
    add(rows, fmt::format("switch of a Llama-2-7B expert, {}", name), "derived from P Table V and Sec VI-C",
        Published::exactly(published_ms), seconds_of(*node, "switching") * 1e3, "ms", 5,
        serve_command(kTable5Experts, choice));
  }
  return {};
}

Status add_dgx(ValidationContext& context, ValidationRows& rows, const std::string& name) {
  RDU_ASSIGN(const int64_t store, experts_in_store(context, name));
  add(rows, fmt::format("experts that {} holds", name), "derived: 2 TB of host memory / 13.476 GB",
      Published::exactly(148), static_cast<double>(store), "experts", 0);
  add(rows, fmt::format("{} serves 150 experts", name), "P Sec VI-C, Table V: out of memory",
      Published::exactly(0), store >= 150 ? 1 : 0, "-", 0);
  RDU_ASSIGN(const int64_t hbm, experts_in_hbm(context, name));
  // "Around 50" is a round number of a figure's axis.
  add(rows, fmt::format("experts at which latency jumps, {}", name), "P Sec VI-C: around 50",
      Published::exactly(50), static_cast<double>(hbm + 1), "experts", 10);
  const int64_t nodes = (kFig13Experts + hbm - 1) / hbm;
  add(rows, fmt::format("{} that hold 850 experts in HBM", name), "P Fig 13, abstract (19x)",
      Published::exactly(19), static_cast<double>(nodes), "nodes", 0);
  add(rows, fmt::format("experts in HBM of one of 19 {}", name), "derived: 850 / 19, rounded up",
      Published::exactly(45), static_cast<double>((kFig13Experts + nodes - 1) / nodes), "experts", 0);
  RDU_ASSIGN(const double before, mean_latency_s(context, name, hbm));
  RDU_ASSIGN(const double after, mean_latency_s(context, name, hbm + 5));
  add(rows, fmt::format("latency at {} over {} experts, {}", hbm + 5, hbm, name),
      "P Fig 12: jumps; value not published", Published::at_least(1), after / before, "x", {});
  return {};
}

Status add_sn40l(ValidationContext& context, ValidationRows& rows) {
  const std::string name = "sn40l-8";
  RDU_ASSIGN(const int64_t store, experts_in_store(context, name));
  add(rows, "experts that sn40l-8 holds", "P Fig 13: 850", Published::at_least(kFig13Experts),
      static_cast<double>(store), "experts", 0);
  RDU_ASSIGN(const double few, mean_latency_s(context, name, kTable5Experts));
  RDU_ASSIGN(const double many, mean_latency_s(context, name, kFig13Experts));
  // The same copies and passes: nothing may differ but what the first requests find in HBM.
  add(rows, "latency at 850 over 100 experts, sn40l-8", "P Fig 13: at the latency of few experts",
      Published::exactly(1), many / few, "x", 1);
  RDU_ASSIGN(const auto chosen, load_node_and_stack(context.session, {name, ""}));
  RDU_ASSIGN(const auto model, load_chosen_model(context.session, kModel));
  const double weights = static_cast<double>(model->facts().weight_bytes);
  const auto whole = [](double n) { return static_cast<double>(static_cast<int64_t>(n)); };
  const NodeSpec& node = chosen.node;
  add(rows, "experts in HBM of sn40l-8, no router", "derived: 512 GiB / 13.476 GB", Published::exactly(40),
      whole(static_cast<double>(node.sockets * node.chip.hbm.capacity_bytes) / weights), "experts", 0);
  add(rows, "DDR of sn40l-8 for each of 850 experts", "derived: 12 TiB / 850", Published::exactly(15.5e9),
      static_cast<double>(node.sockets * node.chip.ddr.capacity_bytes) / kFig13Experts, "B", 0.5);
  RDU_ASSIGN(const auto composition, runtime::load_composition(context.session.config, "llama2-7b-x150"));
  const auto parameters = static_cast<double>(model->facts().total_parameters);
  add(rows, "parameters of 150 experts", "P Sec V: over a trillion", Published::at_least(1e12),
      parameters * static_cast<double>(composition.experts.front().count), "parameters", 0);
  return {};
}

}  // namespace

Result<ValidationRows> capacity_rows(ValidationContext& context) {
  ValidationRows rows;
  RDU_CHECK_OK(add_switches(context, rows));
  for (const char* name : {"dgx-a100", "dgx-h100"}) RDU_CHECK_OK(add_dgx(context, rows, name));
  RDU_CHECK_OK(add_sn40l(context, rows));
  return rows;
}

}  // namespace rdusim::cli
