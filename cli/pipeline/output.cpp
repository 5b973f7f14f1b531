#include "cli/pipeline/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "report/format.h"
#include "report/run_json.h"

namespace rdusim::cli {
namespace {

double share_of(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

size_t micro_batches(const PipelineRun& run) {
  return run.batches.request_of.size();
}

// Of all micro-batches, one round.
int64_t stage_cycles(const PipelineRun& run, size_t stage) {
  int64_t cycles = 0;
  for (const auto& row : run.shop.cycles) cycles += row[2 * stage];
  return cycles;
}

ByteCounts stage_bytes(const PipelineRun& run, size_t stage) {
  ByteCounts bytes{};
  for (size_t m = 0; m < micro_batches(run); ++m) {
    const ByteCounts& more = run.program_of(stage, m).result.bytes;
    for (size_t w = 0; w < kWireCount; ++w) {
      for (size_t c = 0; c < kCauseCount; ++c) bytes[w][c] += more[w][c];
    }
  }
  return bytes;
}

report::Json stage_json(const PipelineRun& run, size_t s) {
  const PipelineStage& stage = run.stages[s];
  const sim::FlowWindow& window = run.window();
  const sim::MachineUse& use = window.machines[2 * s];
  report::Json json;
  json["stage"] = s;
  json["program"] = run.program_of(s, 0).program.name;
  json["first_layer"] = stage.first_layer;
  json["last_layer"] = stage.last_layer;
  json["first_socket"] = static_cast<int64_t>(s) * run.stage_sockets;
  json["sockets"] = run.stage_sockets;
  json["time_s"] = run.seconds(static_cast<double>(stage_cycles(run, s)));
  json["micro_batch_time_s"] = report::Json::array();
  for (const auto& row : run.shop.cycles)
    json["micro_batch_time_s"].push_back(run.seconds(static_cast<double>(row[2 * s])));
  json["bubble_share"] = 1 - share_of(use.busy_cycles, window.cycles);
  json["critical_share"] = share_of(use.critical_cycles, window.cycles);
  json["bound_by"] = stage_bound(run, s);
  json["bytes"] = report::byte_counts_json(stage_bytes(run, s));
  json["memory"] = {{"weight_bytes_per_socket", stage.memory.weight_bytes},
                    {"cache_bytes_per_socket", stage.memory.cache_bytes},
                    {"border_bytes_per_socket", stage.memory.border_bytes},
                    {"hbm_bytes_per_socket", stage.memory.hbm_bytes},
                    {"ddr_bytes_per_socket", stage.memory.ddr_bytes}};
  return json;
}

report::Json border_json(const PipelineRun& run, size_t b) {
  const BorderTraffic& border = run.borders[b];
  int64_t cycles = 0;
  int64_t bytes = 0;
  for (size_t m = 0; m < micro_batches(run); ++m) {
    cycles += run.shop.cycles[m][2 * b + 1];
    bytes += border.bytes[run.batches.request_of[m]];
  }
  const sim::FlowWindow& window = run.window();
  return {{"from_stage", b},
          {"to_stage", b + 1},
          {"values", border.values},
          {"bytes_per_socket", bytes},
          {"bytes", bytes * run.stage_sockets},
          {"time_s", run.seconds(static_cast<double>(cycles))},
          {"busy_share", share_of(window.machines[2 * b + 1].busy_cycles, window.cycles)},
          {"critical_share", share_of(window.machines[2 * b + 1].critical_cycles, window.cycles)}};
}

report::Json schedule_json(const PipelineRun& run) {
  report::Json rows = report::Json::array();
  for (size_t m = 0; m < run.flow.steps.size(); ++m) {
    for (size_t s = 0; s < run.stages.size(); ++s) {
      const sim::FlowStep& step = run.flow.steps[m][2 * s];
      rows.push_back({{"micro_batch", m},
                      {"stage", s},
                      {"begin_s", run.seconds(static_cast<double>(step.begin))},
                      {"end_s", run.seconds(static_cast<double>(step.end))}});
    }
  }
  return rows;
}

// A round of a loop, or the passage.
double round_s(const PipelineRun& run) {
  return run.seconds(run.window().cycles_per_round());
}

}  // namespace

std::string stage_bound(const PipelineRun& run, size_t stage) {
  const auto& sections = run.program_of(stage, micro_batches(run) - 1).result.sections;
  const auto longest = std::max_element(
      sections.begin(), sections.end(),
      [](const SectionResult& a, const SectionResult& b) { return a.cycles() < b.cycles(); });
  return longest == sections.end() ? "" : fmt::format("{}: {}", longest->name, longest->bound_by);
}

report::Table stages_table(const PipelineRun& run) {
  report::Table table{{"stage", "layers", "sockets", "time", "idle", "of the critical chain", "bound by",
                       "HBM a socket", "weights", "caches"},
                      {}};
  const sim::FlowWindow& window = run.window();
  for (size_t s = 0; s < run.stages.size(); ++s) {
    const PipelineStage& stage = run.stages[s];
    const auto first = static_cast<int64_t>(s) * run.stage_sockets;
    const auto bytes = [](int64_t n) { return report::format_bytes(static_cast<double>(n)); };
    table.add({fmt::to_string(s), fmt::format("{}–{}", stage.first_layer, stage.last_layer),
               fmt::format("{}–{}", first, first + run.stage_sockets - 1),
               report::format_time(run.seconds(static_cast<double>(stage_cycles(run, s)))),
               report::format_percent(1 - share_of(window.machines[2 * s].busy_cycles, window.cycles)),
               report::format_percent(share_of(window.machines[2 * s].critical_cycles, window.cycles)),
               stage_bound(run, s), bytes(stage.memory.hbm_bytes), bytes(stage.memory.weight_bytes),
               bytes(stage.memory.cache_bytes)});
  }
  for (size_t b = 0; b < run.borders.size(); ++b) {
    const report::Json border = border_json(run, b);
    table.add({fmt::format("{} to {}", b, b + 1), "", "", report::format_time(border["time_s"].get<double>()),
               report::format_percent(1 - border["busy_share"].get<double>()),
               report::format_percent(border["critical_share"].get<double>()),
               fmt::format("{} a socket", report::format_bytes(border["bytes_per_socket"].get<double>()))});
  }
  return table;
}

std::string pipeline_summary(const PipelineRun& run) {
  const sim::FlowWindow& window = run.window();
  std::string text = fmt::format("{}: {} at {} fidelity", run.name,
                                 report::format_time(run.seconds(static_cast<double>(run.flow.first.cycles))),
                                 fidelity_name(run.programs.front().result.fidelity));
  if (run.flow.steady) text += fmt::format(", then a step every {}", report::format_time(round_s(run)));
  text += fmt::format(", {} tokens/s, {}/s\n",
                      report::format_number(static_cast<double>(run.tokens()) / round_s(run)),
                      report::format_flops(static_cast<double>(run.flops()) / round_s(run)));
  const auto binding = window.binding();
  text += fmt::format("bubbles {} of the stages' time; {} binds",
                      report::format_percent(window.bubble_share()), machine_name(run, binding));
  if (binding && *binding % 2 == 0) text += fmt::format(", in it {}", stage_bound(run, *binding / 2));
  return text + "\n\n";
}

report::Json pipeline_json(const PipelineRun& run) {
  const models::GraphRequest& pass = run.request.pass;
  const sim::FlowWindow& window = run.window();
  report::Json json;
  json["program"] = run.name;
  json["pipeline"] = {{"stages", run.stages.size()},
                      {"sockets_per_stage", run.stage_sockets},
                      {"micro_batches", micro_batches(run)},
                      {"micro_batches_of", run.batches.of_tokens ? "tokens" : "sequences"},
                      {"buffers", run.shop.slots}};
  json["phase"] = run.programs.front().program.phase;
  json["sockets"] = run.sockets;
  json["batch"] = pass.batch;
  json["context"] = pass.phase == models::Phase::kDecode ? pass.past_tokens : pass.query_tokens;
  json["fidelity"] = std::string(fidelity_name(run.programs.front().result.fidelity));
  json["latency_s"] = run.seconds(static_cast<double>(run.flow.first.cycles));
  if (run.flow.steady) {
    json["interval_s"] = round_s(run);
    json["interval_exact"] = run.flow.periodic;
  }
  json["tokens_per_second"] = static_cast<double>(run.tokens()) / round_s(run);
  json["flops_per_s"] = static_cast<double>(run.flops()) / round_s(run);
  json["cycles"] = run.flow.first.cycles;
  json["clock_hz"] = run.clock_hz;
  json["bubble_share"] = window.bubble_share();
  json["bound_by"] = machine_name(run, window.binding());
  json["stages"] = report::Json::array();
  for (size_t s = 0; s < run.stages.size(); ++s) json["stages"].push_back(stage_json(run, s));
  json["borders"] = report::Json::array();
  for (size_t b = 0; b < run.borders.size(); ++b) json["borders"].push_back(border_json(run, b));
  json["schedule"] = schedule_json(run);
  return json;
}

std::vector<sim::TraceEvent> pipeline_events(const PipelineRun& run) {
  std::vector<sim::TraceEvent> events;
  for (size_t m = 0; m < run.flow.steps.size(); ++m) {
    for (size_t q = 0; q < run.flow.steps[m].size(); ++q) {
      const sim::FlowStep& step = run.flow.steps[m][q];
      const std::string track =
          q % 2 == 0 ? fmt::format("stage {}", q / 2) : fmt::format("border {} to {}", q / 2, q / 2 + 1);
      events.push_back(
          {"pipeline / " + track, fmt::format("micro-batch {}", m), step.begin, step.end - step.begin});
    }
  }
  return events;
}

}  // namespace rdusim::cli
