// rdusim crosscheck: the analytic fidelity against the event fidelity, and both against cycle, on fixed
// suites of workloads, and where the largest difference comes from.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "base/program/program_text.h"
#include "cli/commands/commands.h"
#include "cli/crosscheck_suite.h"
#include "cli/inputs.h"
#include "report/format.h"
#include "report/table.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

struct Workload {
  const char* model;
  const char* phase;
  int64_t batch;
  int64_t context;
  const char* fusion;
};

// Both ends of what serving runs: decode bound by HBM, decode at batch, short and long prefill, embedding,
// unfused, a large model.
constexpr Workload kSuite[] = {
    {"llama-2-7b", "decode", 1, 128, "layer"},   {"llama-2-7b", "decode", 1, 4096, "layer"},
    {"llama-3-8b", "decode", 16, 2048, "layer"}, {"llama-3-70b", "decode", 1, 2048, "layer"},
    {"llama-2-7b", "decode", 1, 2048, "none"},   {"llama-2-7b", "prefill", 1, 128, "layer"},
    {"llama-2-7b", "prefill", 1, 4096, "layer"}, {"llama-3-70b", "prefill", 1, 2048, "layer"},
    {"llama-2-7b", "prefill", 1, 2048, "none"},  {"e5-mistral-7b-instruct", "embed", 8, 512, "layer"},
};

struct Comparison {
  Workload workload;
  RunResult event;
  RunResult analytic;
  [[nodiscard]] double difference_percent() const {
    return (static_cast<double>(analytic.cycles) / static_cast<double>(event.cycles) - 1) * 100;
  }
};

Result<Comparison> compare(Session& session, const ChosenNode& chosen, const Workload& w) {
  RDU_ASSIGN(const auto model, load_chosen_model(session, w.model));
  RDU_ASSIGN(const auto request, graph_request({w.phase, w.batch, w.context}));
  RDU_ASSIGN(const auto graph, model->build(request));
  RDU_ASSIGN(const Program program,
             compiler::compile(graph, chosen.node.chip,
                               compile_options({.fusion = w.fusion}, chosen.node.sockets, chosen.stack)));
  sim::RunOptions options;
  options.fidelity = Fidelity::kEvent;
  RDU_ASSIGN(auto event, sim::run(program, chosen.node, chosen.stack, options));
  options.fidelity = Fidelity::kAnalytic;
  RDU_ASSIGN(auto analytic, sim::run(program, chosen.node, chosen.stack, options));
  return Comparison{w, std::move(event), std::move(analytic)};
}

// The section that the two fidelities time most differently, and the unit in it that waits longest for space
// in the event run: waiting for space is what the closed form does not see.
std::string reason(const Comparison& c) {
  size_t worst = 0;
  const auto gap = [&](size_t s) {
    return c.event.sections[s].runs *
           (c.analytic.sections[s].cycles_per_launch - c.event.sections[s].cycles_per_launch);
  };
  for (size_t s = 0; s < c.event.sections.size(); ++s) {
    if (std::abs(gap(s)) > std::abs(gap(worst))) worst = s;
  }
  const SectionResult& event = c.event.sections[worst];
  const UnitResult* blocked = nullptr;
  for (const UnitResult& unit : event.units) {
    if (blocked == nullptr || unit.blocked_cycles > blocked->blocked_cycles) blocked = &unit;
  }
  std::string text =
      fmt::format("section {}: {} cycles a launch in event (bound by {}), {} in analytic (bound by {})",
                  event.name, event.cycles_per_launch, event.bound_by,
                  c.analytic.sections[worst].cycles_per_launch, c.analytic.sections[worst].bound_by);
  if (blocked != nullptr && blocked->blocked_cycles > 0) {
    text +=
        fmt::format("; in event {} waits {} cycles for space downstream, which the closed form leaves out",
                    blocked->name, blocked->blocked_cycles);
  }
  return text;
}

// --- all three fidelities

// Bounds of the comparison, shares of the finer fidelity's time.
constexpr double kEventOfCycle = 0.05;
constexpr double kAnalyticOfEvent = 0.10;

struct Three {
  std::string name;
  RunResult analytic;
  RunResult event;
  RunResult cycle;
  [[nodiscard]] static double off(const RunResult& a, const RunResult& b) {
    return static_cast<double>(a.cycles) / static_cast<double>(b.cycles) - 1;
  }
  [[nodiscard]] double event_off() const { return off(event, cycle); }
  [[nodiscard]] double analytic_off() const { return off(analytic, event); }
  [[nodiscard]] bool within() const {
    return std::abs(event_off()) <= kEventOfCycle && std::abs(analytic_off()) <= kAnalyticOfEvent;
  }
};

Result<Three> compare_three(const SuiteProgram& p, const ChosenNode& chosen,
                            const sim::MemoryDevices& devices) {
  Three out{p.name, {}, {}, {}};
  NodeSpec node = chosen.node;
  node.sockets = p.program.sockets;
  sim::RunOptions options;
  options.devices = devices;
  for (auto [fidelity, result] :
       {std::pair{Fidelity::kAnalytic, &out.analytic}, std::pair{Fidelity::kEvent, &out.event},
        std::pair{Fidelity::kCycle, &out.cycle}}) {
    options.fidelity = fidelity;
    RDU_ASSIGN(*result, sim::run(p.program, node, chosen.stack, options));
  }
  return out;
}

// The section that event and cycle time most differently, and the unit whose cycles differ most there.
std::string reason(const Three& t) {
  size_t worst = 0;
  const auto gap = [&](size_t s) {
    return t.cycle.sections[s].runs *
           (t.cycle.sections[s].cycles_per_launch - t.event.sections[s].cycles_per_launch);
  };
  for (size_t s = 0; s < t.cycle.sections.size(); ++s) {
    if (std::abs(gap(s)) > std::abs(gap(worst))) worst = s;
  }
  const SectionResult& event = t.event.sections[worst];
  const SectionResult& cycle = t.cycle.sections[worst];
  std::string text = fmt::format("section {}: {} cycles in event (bound by {}), {} in cycle", event.name,
                                 event.cycles_per_launch, event.bound_by, cycle.cycles_per_launch);
  size_t unit = 0;
  const auto apart = [&](size_t u) {
    return std::abs(event.units[u].busy_cycles - cycle.units[u].busy_cycles) +
           std::abs(event.units[u].blocked_cycles - cycle.units[u].blocked_cycles);
  };
  for (size_t u = 0; u < event.units.size(); ++u) {
    if (apart(u) > apart(unit)) unit = u;
  }
  const auto spent = [](const UnitResult& u) {
    return fmt::format("busy {}, starved {}, blocked {}", u.busy_cycles, u.starved_cycles, u.blocked_cycles);
  };
  return text + fmt::format("; of its units {} differs most: {} in event, {} in cycle",
                            event.units[unit].name, spent(event.units[unit]), spent(cycle.units[unit]));
}

struct Comparisons {
  report::Table table{
      {"on sn40l-sixteenth", "analytic", "event", "cycle", "analytic/event %", "event/cycle %", ""}, {}};
  report::Json rows = report::Json::array();
  std::optional<Three> worst;
  bool within = true;

  void add(Three t) {
    table.add({t.name, report::format_time(t.analytic.latency_s()), report::format_time(t.event.latency_s()),
               report::format_time(t.cycle.latency_s()), fmt::format("{:+.2f}", t.analytic_off() * 100),
               fmt::format("{:+.2f}", t.event_off() * 100), t.within() ? "" : "short"});
    rows.push_back({{"workload", t.name},
                    {"analytic_s", t.analytic.latency_s()},
                    {"event_s", t.event.latency_s()},
                    {"cycle_s", t.cycle.latency_s()},
                    {"within", t.within()}});
    within = within && t.within();
    if (!worst || std::abs(t.event_off()) > std::abs(worst->event_off())) worst = std::move(t);
  }
};

// True if every row is within the bounds.
Result<bool> run_three(Session& session, report::Json& json) {
  Comparisons all;
  for (const auto& [name, make] :
       {std::pair{"sn40l-sixteenth", &crosscheck_suite}, std::pair{"sn40l-8", &whole_chip_suite}}) {
    RDU_ASSIGN(const auto chosen, load_node_and_stack(session, {name, ""}));
    RDU_ASSIGN(const auto devices, load_memory_devices(session, chosen.node.chip));
    RDU_ASSIGN(const auto suite, make(session, chosen));
    for (const SuiteProgram& p : suite) {
      RDU_ASSIGN(auto t, compare_three(p, chosen, devices));
      all.add(std::move(t));
    }
  }
  const Three& worst = *all.worst;
  const std::string why =
      fmt::format("{}, event {:+.2f} % off cycle: {}", worst.name, worst.event_off() * 100, reason(worst));
  session.print(report::table_text(all.table) + "\nlargest difference: " + why + "\n\n");
  json["cycle"] = {{"workloads", std::move(all.rows)}, {"largest", why}, {"within", all.within}};
  return all.within;
}

// The sixteenth chip's programs, for `rdusim simulate FILE --node sn40l-sixteenth`.
Result<int> save_programs(Session& session, const std::string& folder) {
  RDU_ASSIGN(const auto chosen, load_node_and_stack(session, {"sn40l-sixteenth", ""}));
  RDU_ASSIGN(const auto suite, crosscheck_suite(session, chosen));
  for (const SuiteProgram& p : suite) {
    std::string name = p.name;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == ' ' || c == ','; }, '_');
    const std::string path = fmt::format("{}/{}.rdu", folder, name);
    RDU_CHECK_OK(write_file_atomically(path, print_program(p.program)));
    session.print(path + "\n");
  }
  return kExitOk;
}

Result<int> run(Session& session, const NodeChoice& node, bool skip_cycle) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, node));
  report::Table table{{"workload", "event", "analytic", "difference %"}, {}};
  report::Json rows = report::Json::array();
  std::optional<Comparison> worst;
  for (const Workload& w : kSuite) {
    RDU_ASSIGN(auto c, compare(session, chosen, w));
    const std::string name =
        fmt::format("{} {} batch {} context {} fusion {}", w.model, w.phase, w.batch, w.context, w.fusion);
    table.add({name, report::format_time(c.event.latency_s()), report::format_time(c.analytic.latency_s()),
               fmt::format("{:+.2f}", c.difference_percent())});
    rows.push_back({{"workload", name},
                    {"event_s", c.event.latency_s()},
                    {"analytic_s", c.analytic.latency_s()},
                    {"difference_percent", c.difference_percent()}});
    if (!worst || std::abs(c.difference_percent()) > std::abs(worst->difference_percent()))
      worst = std::move(c);
  }
  const std::string why = fmt::format("{} {}, {:+.2f} %: {}", worst->workload.model, worst->workload.phase,
                                      worst->difference_percent(), reason(*worst));
  session.print(report::table_text(table));
  session.print("\nlargest difference: " + why + "\n\n");
  report::Json json = {{"workloads", std::move(rows)}, {"largest", why}};
  bool three_within = true;
  if (!skip_cycle) {
    RDU_ASSIGN(three_within, run_three(session, json));
  }
  RDU_CHECK_OK(session.write_json(json));
  const bool within = three_within && std::abs(worst->difference_percent()) <= kAnalyticOfEvent * 100;
  return within ? kExitOk : kExitFellShort;
}

}  // namespace

void add_crosscheck(CLI::App& app, Session& session) {
  auto node = std::make_shared<NodeChoice>();
  auto skip_cycle = std::make_shared<bool>(false);
  auto save = std::make_shared<std::string>();
  auto* command = app.add_subcommand("crosscheck", "the fidelities against each other, on fixed workloads");
  add_node_options(*command, *node);
  command->add_flag("--skip-cycle", *skip_cycle,
                    "only the workloads of the chosen node, not the sixteenth chip");
  command->add_option("--save-programs", *save,
                      "write the sixteenth chip's programs into this folder instead of running them");
  command->footer(
      "First analytic against event on ten workloads of the chosen node, then all three fidelities on eleven "
      "of\n"
      "a sixteenth of the chip and two of a whole one (under a minute). Exit code 1 if event is more "
      "than 5 % from cycle, or "
      "analytic\n"
      "more than 10 % from event, anywhere.\n"
      "\n"
      "Example:\n  rdusim crosscheck --node sn40l-8");
  command->callback([&session, node, skip_cycle, save] {
    session.body = [node, skip_cycle, save](Session& s) {
      return save->empty() ? run(s, *node, *skip_cycle) : save_programs(s, *save);
    };
  });
}

}  // namespace rdusim::cli
