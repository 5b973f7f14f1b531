// rdusim probe units: what the event and analytic fidelities charge for a firing, beside the cycle-level
// units.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/probes/probes.h"
#include "report/table.h"
#include "sim/unit_twins.h"

namespace rdusim::cli {
namespace {

// What crosscheck allows between event and cycle.
constexpr double kTolerancePercent = 5;

Result<int> run(Session& session, const NodeChoice& node) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, node));
  RDU_ASSIGN(const auto rows, sim::unit_twins(chosen.node.chip));
  report::Table table{{"unit", "what", "firings", "service", "cycle level", "difference %"}, {}};
  report::Json json = report::Json::array();
  const sim::TwinRow* worst = &rows.front();
  for (const sim::TwinRow& row : rows) {
    const double difference = row.difference_percent();
    if (std::abs(difference) > std::abs(worst->difference_percent())) worst = &row;
    table.add({row.unit, row.name, fmt::to_string(row.firings), fmt::to_string(row.service_cycles),
               fmt::to_string(row.cycle_cycles), fmt::format("{:+.2f}", difference)});
    json.push_back({{"unit", row.unit},
                    {"name", row.name},
                    {"firings", row.firings},
                    {"service_cycles", row.service_cycles},
                    {"cycle_cycles", row.cycle_cycles},
                    {"difference_percent", difference}});
  }
  const double largest = std::abs(worst->difference_percent());
  session.print(report::table_text(table));
  session.print(fmt::format("\nlargest difference: {}, {:+.2f} % (allowed: {} %)\n", worst->name,
                            worst->difference_percent(), kTolerancePercent));
  RDU_CHECK_OK(session.write_json(
      {{"rows", std::move(json)}, {"largest_percent", largest}, {"tolerance_percent", kTolerancePercent}}));
  return largest <= kTolerancePercent ? kExitOk : kExitFellShort;
}

}  // namespace

void add_units_probe(CLI::App& parent, Session& session) {
  auto node = std::make_shared<NodeChoice>();
  auto* command =
      parent.add_subcommand("units", "service times of PCU and PMU against their cycle-level models");
  add_node_options(*command, *node);
  command->footer(
      "Exit code 1 when a row differs by more than 5 %.\n\nExample:\n  rdusim probe units --node sn40l-8");
  command->callback([&session, node] { session.body = [node](Session& s) { return run(s, *node); }; });
}

}  // namespace rdusim::cli
