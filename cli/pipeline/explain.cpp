#include "cli/pipeline/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/pipeline/output.h"
#include "report/format.h"
#include "sim/critical_path.h"

namespace rdusim::cli {
namespace {

// Of one stage's program, and the same of all stages' that are on a chain.
using Paths = std::map<size_t, CriticalPath>;

struct ChainRow {
  std::string name;
  int64_t cycles = 0;
  double time_s = 0;  // of one round
  double share = 0;
};

std::vector<ChainRow> chain_rows(const PipelineRun& run) {
  const sim::FlowWindow& window = run.window();
  std::vector<ChainRow> rows;
  const auto add = [&](const std::string& name, int64_t cycles) {
    if (cycles == 0) return;
    const double share = static_cast<double>(cycles) / static_cast<double>(window.cycles);
    rows.push_back({name, cycles, run.seconds(share * window.cycles_per_round()), share});
  };
  for (size_t q = 0; q < window.machines.size(); ++q)
    add(machine_name(run, q), window.machines[q].critical_cycles);
  add(machine_name(run, std::nullopt), window.return_critical_cycles);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ChainRow& a, const ChainRow& b) { return a.cycles > b.cycles; });
  return rows;
}

Status add_paths(const PipelineRun& run, const sim::FlowWindow& window, const ChosenNode& chosen,
                 Fidelity fidelity, Paths& paths) {
  NodeSpec node = chosen.node;
  node.sockets = run.stage_sockets;
  for (size_t m = 0; m < window.critical.size(); ++m) {
    for (size_t s = 0; s < run.stages.size(); ++s) {
      const size_t program = run.stages[s].programs[run.batches.request_of[m]];
      if (window.critical[m][2 * s] == 0 || paths.contains(program)) continue;
      RDU_ASSIGN(paths[program],
                 sim::critical_path(run.programs[program].program, node, chosen.stack, fidelity));
    }
  }
  return {};
}

// A message on an idle link is latency, then bytes at the link's rate.
void add_message(Gradient& gradient, double message_s, double latency_s, double chain_s) {
  if (message_s <= 0) return;
  const double late = std::min(latency_s, message_s) * chain_s / message_s;
  at(gradient, HardwareParameter::kLinkLatency) += late;
  at(gradient, HardwareParameter::kLinkBandwidth) -= chain_s - late;
}

// d (time of one round) / d ln(parameter): the chain's steps, each as its own program or message says.
Gradient chain_gradient(const PipelineRun& run, const sim::FlowWindow& window, const NodeSpec& node,
                        const Paths& paths) {
  Gradient gradient{};
  const double latency_s = node.link.latency_ns * 1e-9;
  const auto rounds = static_cast<double>(window.rounds);
  const auto chain_s = [&](int64_t cycles) { return run.seconds(static_cast<double>(cycles) / rounds); };
  for (size_t m = 0; m < window.critical.size(); ++m) {
    for (size_t q = 0; q < window.critical[m].size(); ++q) {
      const int64_t cycles = window.critical[m][q];
      if (cycles == 0) continue;
      if (q % 2 == 1) {
        add_message(gradient, run.seconds(static_cast<double>(run.shop.cycles[m][q])), latency_s,
                    chain_s(cycles));
        continue;
      }
      const CriticalPath& path = paths.at(run.stages[q / 2].programs[run.batches.request_of[m]]);
      Gradient of_stage = latency_gradient(path);
      for (double& d : of_stage) d *= chain_s(cycles) / path.result.latency_s();
      gradient += of_stage;
    }
  }
  if (run.shop.return_cycles && *run.shop.return_cycles > 0) {
    add_message(gradient, run.seconds(static_cast<double>(*run.shop.return_cycles)), latency_s,
                chain_s(window.return_critical_cycles));
  }
  return gradient;
}

// What a round takes at least.
std::vector<report::BoundRow> bound_rows(const PipelineRun& run) {
  const double reached_s = run.seconds(run.window().cycles_per_round());
  int64_t work = 0;
  int64_t slowest = 0;
  for (size_t q = 0; q < run.shop.cycles.front().size(); ++q) {
    int64_t cycles = 0;
    for (const auto& row : run.shop.cycles) cycles += row[q];
    slowest = std::max(slowest, cycles);
    work += q % 2 == 0 ? cycles : 0;
  }
  const auto row = [&](const std::string& name, double cycles) {
    return report::BoundRow{name, run.seconds(cycles), run.seconds(cycles) / reached_s};
  };
  return {row("the stages' work, spread evenly",
              static_cast<double>(work) / static_cast<double>(run.stages.size())),
          row("the slowest stage or border, never idle", static_cast<double>(slowest)),
          {"reached", reached_s, 1}};
}

std::vector<std::string> sentences_of(const PipelineRun& run, const std::vector<ChainRow>& chain,
                                      const std::vector<report::ParameterRow>& parameters) {
  const sim::FlowWindow& window = run.window();
  std::vector<std::string> sentences;
  const char* what = run.flow.steady ? "step" : "pass";
  std::string text =
      fmt::format("A {} takes {}: ", what, report::format_time(run.seconds(window.cycles_per_round())));
  for (size_t i = 0; i < chain.size() && i < 4; ++i)
    text += fmt::format("{}{} {}", i > 0 ? ", " : "", report::format_percent(chain[i].share), chain[i].name);
  sentences.push_back(text + (chain.size() > 4 ? ", and others." : "."));
  const auto binding = window.binding();
  text = fmt::format("{} binds", machine_name(run, binding));
  if (binding && *binding % 2 == 0) text += fmt::format(", in it {}", stage_bound(run, *binding / 2));
  sentences.push_back(text + fmt::format("; the stages do nothing for {} of their time.",
                                         report::format_percent(window.bubble_share())));
  sentences.push_back(parameter_sentence(parameters, what));
  return sentences;
}

report::Json rows_json(const std::vector<ChainRow>& chain) {
  report::Json rows = report::Json::array();
  for (const ChainRow& row : chain)
    rows.push_back(
        {{"name", row.name}, {"cycles", row.cycles}, {"time_s", row.time_s}, {"share", row.share}});
  return rows;
}

struct PipelineWhy {
  std::vector<ChainRow> chain;
  std::vector<report::ParameterRow> parameters;
  std::vector<report::BoundRow> bounds;
  std::vector<std::string> sentences;
  std::optional<report::Explanation> stage;  // of the program that binds
};

report::Json why_json(const PipelineRun& run, const PipelineWhy& why) {
  report::Json json;
  json["kind"] = "pipeline";
  json["program"] = run.name;
  json["time_of"] = run.flow.steady ? "interval" : "latency";
  json["time_s"] = run.seconds(run.window().cycles_per_round());
  json["bottleneck"] = machine_name(run, run.window().binding());
  json["bubble_share"] = run.window().bubble_share();
  json["chain"] = rows_json(why.chain);
  json["parameters"] = report::parameters_json(why.parameters);
  json["bounds"] = report::Json::array();
  for (const report::BoundRow& row : why.bounds) {
    json["bounds"].push_back(
        {{"name", row.name}, {"time_s", row.time_s}, {"share_of_reached", row.share_of_reached}});
  }
  json["sentences"] = why.sentences;
  if (why.stage) json["stage"] = report::explanation_json(*why.stage);
  return json;
}

std::string why_text(const PipelineWhy& why) {
  std::string text;
  for (const std::string& sentence : why.sentences) text += sentence + "\n";
  report::Table chain{{"what each waited for in turn", "time", "share"}, {}};
  for (const ChainRow& row : why.chain)
    chain.add({row.name, report::format_time(row.time_s), report::format_percent(row.share)});
  report::Table bounds{{"at least", "time", "of what is reached"}, {}};
  for (const report::BoundRow& row : why.bounds)
    bounds.add({row.name, report::format_time(row.time_s), report::format_percent(row.share_of_reached)});
  text += "\n" + report::table_text(chain) + "\n" + report::table_text(bounds) + "\n" +
          report::table_text(report::parameter_table(why.parameters));
  if (why.stage) {
    text += fmt::format("\nThe stage that binds, {}\n\n{}", why.stage->program,
                        report::explanation_text(*why.stage));
  }
  return text;
}

Status check_cycles(const Rerun& rerun, const PipelineRun& run) {
  const report::Json cycles = rerun.result->contains("cycles") ? (*rerun.result)["cycles"] : report::Json();
  if (cycles.is_number_integer() && cycles.get<int64_t>() == run.flow.first.cycles) return {};
  return Error{
      ErrorCode::kInvalidInput, rerun.path,
      fmt::format("it says {} cycles, the same command now takes {}", cycles.dump(), run.flow.first.cycles),
      "make the result again with this version of rdusim"};
}

// The program that the binding stage spends most of its part of the chain on.
std::optional<size_t> binding_program(const PipelineRun& run) {
  const auto binding = run.window().binding();
  if (!binding || *binding % 2 == 1) return std::nullopt;
  const auto& critical = run.window().critical;
  size_t longest = 0;
  for (size_t m = 1; m < critical.size(); ++m) {
    if (critical[m][*binding] > critical[longest][*binding]) longest = m;
  }
  return run.stages[*binding / 2].programs[run.batches.request_of[longest]];
}

}  // namespace

Result<ExplainedResult> explain_pipeline(Rerun& rerun) {
  const SimulationChoice& choice = rerun.simulation;
  RDU_ASSIGN(const auto chosen, load_chosen_node(rerun.session, choice.node));
  RDU_ASSIGN(const PipelineRun run, pipeline_to_run(rerun.session, choice, chosen));
  RDU_CHECK_OK(check_same_inputs(rerun));
  RDU_CHECK_OK(check_cycles(rerun, run));
  Paths paths;
  for (const sim::FlowWindow* window : {&run.flow.first, &run.window()})
    RDU_CHECK_OK(add_paths(run, *window, chosen, fidelity_of(choice), paths));
  const bool software = choice.compile.orchestration == "software";
  PipelineWhy why;
  why.chain = chain_rows(run);
  why.parameters = report::parameter_rows(chain_gradient(run, run.window(), chosen.node, paths),
                                          run.seconds(run.window().cycles_per_round()), chosen.node,
                                          chosen.stack, software);
  why.bounds = bound_rows(run);
  why.sentences = sentences_of(run, why.chain, why.parameters);
  if (const auto program = binding_program(run)) {
    NodeSpec node = chosen.node;
    node.sockets = run.stage_sockets;
    why.stage = report::explain_run(run.programs[*program].program, paths.at(*program), node, chosen.stack);
  }
  const report::TimeModel latency{run.seconds(static_cast<double>(run.flow.first.cycles)), true,
                                  chain_gradient(run, run.flow.first, chosen.node, paths),
                                  report::parameter_values(chosen.node, chosen.stack, software)};
  return ExplainedResult{std::make_shared<report::Json>(why_json(run, why)), why_text(why), latency};
}

}  // namespace rdusim::cli
