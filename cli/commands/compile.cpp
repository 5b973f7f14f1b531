// rdusim compile: a model's pass to a program of the chip, with the text of any pass on the way.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/io/document.h"
#include "base/io/file.h"
#include "base/program/program_text.h"
#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "cli/launch_ahead.h"
#include "cli/pipeline/cut.h"
#include "cli/progress.h"
#include "report/format.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string model;
  NodeChoice node;
  PassChoice pass;
  CompileChoice compile;
  PipelineChoice pipeline;
  std::vector<std::string> dump_after;
  std::vector<std::string> skip;
  bool explain = false;
  std::string output;
};

Status check_pass_names(const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const auto name : compiler::pass_names()) known.emplace_back(name);
  for (const auto& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest(name, known);
    return Error{ErrorCode::kNotFound, "--dump-after " + name,
                 fmt::format("the passes are {}", fmt::join(known, ", ")),
                 near.empty() ? "" : "did you mean " + near + "?"};
  }
  return {};
}

std::string tier_line(const Program& program) {
  std::string line;
  for (size_t t = 0; t < kTierCount; ++t) {
    if (program.tiers[t].bytes == 0) continue;
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", tier_name(static_cast<Tier>(t)),
                        report::format_bytes(static_cast<double>(program.tiers[t].bytes)));
  }
  return line;
}

report::Table sections_table(const Program& program) {
  report::Table table{{"section", "launches", "units", "channels", "PCUs", "PMUs"}, {}};
  for (size_t s = 0; s < program.sections.size(); ++s) {
    const Section& section = program.sections[s];
    const auto launches = std::count_if(program.launches.begin(), program.launches.end(),
                                        [s](const Launch& launch) { return launch.section == SectionId(s); });
    int64_t pcus = 0;
    int64_t pmus = 0;
    for (const auto& unit : section.units) {
      pcus += unit.pcus;
      pmus += unit.pmus;
    }
    for (const auto& channel : section.channels) pmus += channel.pmus;
    table.add({section.name, fmt::to_string(launches), fmt::to_string(section.units.size()),
               fmt::to_string(section.channels.size()), fmt::to_string(pcus), fmt::to_string(pmus)});
  }
  return table;
}

report::Json program_json(const Program& program) {
  report::Json json;
  json["name"] = program.name;
  json["phase"] = program.phase;
  json["sockets"] = program.sockets;
  json["batch"] = program.batch;
  json["context"] = program.context;
  json["flops"] = program.flops;
  json["launches"] = program.launches.size();
  json["symbols"] = program.symbols.size();
  for (size_t t = 0; t < kTierCount; ++t) {
    json["tiers"][std::string(tier_name(static_cast<Tier>(t)))] = {
        {"bytes_per_socket", program.tiers[t].bytes}};
  }
  json["sections"] = report::Json::array();
  for (const auto& section : program.sections) {
    json["sections"].push_back(
        {{"name", section.name}, {"units", section.units.size()}, {"channels", section.channels.size()}});
  }
  return json;
}

std::string cycles_text(int64_t cycles) {
  return cycles == 0 ? "–" : fmt::format("{}", cycles);
}

std::string holdings_text(const compiler::Explanation& explanation) {
  report::Table holdings{{"held by a socket", "cut", "tensors", "bytes", "of"}, {}};
  for (const compiler::HoldingExplanation& h : explanation.holdings) {
    holdings.add({h.name, h.cut, fmt::to_string(h.tensors),
                  report::format_bytes(static_cast<double>(h.socket_bytes)),
                  report::format_bytes(static_cast<double>(h.whole_bytes))});
  }
  std::string text = "\nWhat a socket holds\n" + report::table_text(holdings);
  for (const compiler::MixtureExplanation& m : explanation.mixtures) {
    text += fmt::format("  {}: room for {} x {} rows, each block of one expert{}\n", m.stage, m.blocks,
                        m.block_rows, m.groups > 1 ? fmt::format(", {} times a launch", m.groups) : "");
  }
  return text;
}

std::string prefetch_text(const compiler::Explanation& explanation) {
  if (explanation.prefetch.empty()) return "";
  report::Table ahead{{"section", "symbol", "an iteration", "room ahead", "waits for"}, {}};
  for (const compiler::PrefetchExplanation& p : explanation.prefetch) {
    ahead.add({p.section, p.symbol, report::format_bytes(static_cast<double>(p.bytes)),
               report::format_bytes(static_cast<double>(p.ahead_bytes)), p.waits_for});
  }
  return "\nWhat of the next iteration is loaded while one drains\n" + report::table_text(ahead);
}

std::string explain_text(const compiler::Explanation& explanation) {
  report::Table bounds{{"section", "runs", "bound by", "compute", "PMU reads", "HBM", "mesh", "of HBM stream",
                        "GEMM PCUs", "GEMM of peak", "PCUs", "PMUs"},
                       {}};
  report::Table borders{{"section", "border bytes", "cycles", "launch cycles", "why it ends there"}, {}};
  for (const compiler::SectionExplanation& s : explanation.sections) {
    bounds.add({s.name, fmt::to_string(s.runs), s.bound_by, cycles_text(s.stage_cycles),
                cycles_text(s.read_cycles), cycles_text(s.hbm_cycles), cycles_text(s.mesh_cycles),
                report::format_percent(s.hbm_of_stream), fmt::to_string(s.gemm_pcus),
                report::format_percent(s.gemm_of_peak), fmt::to_string(s.pcus), fmt::to_string(s.pmus)});
    borders.add({s.name, report::format_bytes(static_cast<double>(s.border_bytes)),
                 cycles_text(s.border_cycles), cycles_text(s.launch_cycles), s.border_reason});
  }
  std::string text = "\nWhat bounds a run of each section, cycles by the compiler's estimate\n" +
                     report::table_text(bounds) + "\nWhat its borders cost\n" + report::table_text(borders) +
                     holdings_text(explanation) + prefetch_text(explanation);
  if (!explanation.spills.empty()) {
    report::Table spills{{"spilled to DDR", "bytes", "uses", "costs a run"}, {}};
    for (const compiler::SpillExplanation& s : explanation.spills) {
      spills.add({s.symbol, report::format_bytes(static_cast<double>(s.bytes)), fmt::to_string(s.uses),
                  report::format_time(s.seconds)});
    }
    text += "\nHBM is full; these lose least by it\n" + report::table_text(spills);
  }
  text += "\nWhat one larger budget would change\n";
  for (const std::string& line : explanation.what_if) text += "  " + line + "\n";
  return text;
}

report::Json explain_json(const compiler::Explanation& explanation) {
  report::Json json;
  json["sections"] = report::Json::array();
  for (const compiler::SectionExplanation& s : explanation.sections) {
    json["sections"].push_back({{"name", s.name},
                                {"launches", s.launches},
                                {"runs", s.runs},
                                {"bound_by", s.bound_by},
                                {"compute_cycles", s.stage_cycles},
                                {"pmu_read_cycles", s.read_cycles},
                                {"hbm_cycles", s.hbm_cycles},
                                {"mesh_cycles", s.mesh_cycles},
                                {"hbm_fraction_of_stream", s.hbm_of_stream},
                                {"gemm_pcus", s.gemm_pcus},
                                {"gemm_fraction_of_peak", s.gemm_of_peak},
                                {"pcus", s.pcus},
                                {"pmus", s.pmus},
                                {"border_bytes", s.border_bytes},
                                {"border_cycles", s.border_cycles},
                                {"launch_cycles", s.launch_cycles},
                                {"border_reason", s.border_reason}});
  }
  json["holdings"] = report::Json::array();
  for (const compiler::HoldingExplanation& h : explanation.holdings) {
    json["holdings"].push_back({{"name", h.name},
                                {"cut", h.cut},
                                {"tensors", h.tensors},
                                {"bytes_per_socket", h.socket_bytes},
                                {"bytes_uncut", h.whole_bytes}});
  }
  json["mixtures"] = report::Json::array();
  for (const compiler::MixtureExplanation& m : explanation.mixtures) {
    json["mixtures"].push_back(
        {{"stage", m.stage}, {"groups", m.groups}, {"blocks", m.blocks}, {"block_rows", m.block_rows}});
  }
  for (const compiler::PrefetchExplanation& p : explanation.prefetch) {
    json["prefetch"].push_back({{"section", p.section},
                                {"symbol", p.symbol},
                                {"bytes", p.bytes},
                                {"ahead_bytes", p.ahead_bytes},
                                {"waits_for", p.waits_for}});
  }
  json["spills"] = report::Json::array();
  for (const compiler::SpillExplanation& s : explanation.spills) {
    json["spills"].push_back(
        {{"symbol", s.symbol}, {"bytes", s.bytes}, {"uses", s.uses}, {"cost_s", s.seconds}});
  }
  json["what_if"] = explanation.what_if;
  return json;
}

// "decode.rdu" of stage 1: "decode.stage1.rdu".
std::string stage_path(const std::string& output, size_t stage) {
  std::filesystem::path path(output);
  const std::string extension = path.extension().string();
  return path.replace_extension(fmt::format(".stage{}{}", stage, extension)).string();
}

// One program: printed, saved to `output` if that is named.
Result<report::Json> compile_one(Session& session, const Options& options, const compiler::Graph& graph,
                                 const ChosenNode& chosen, compiler::CompileOptions compile,
                                 const std::string& output) {
  report::Table passes{{"pass", "wall time"}, {}};
  compile.skip = options.skip;
  compiler::Explanation explanation;
  if (options.explain) compile.explanation = &explanation;
  compile.after_pass = [&](std::string_view pass, double time_s, const std::function<std::string()>& dump) {
    passes.add({std::string(pass), report::format_time(time_s)});
    const auto& wanted = options.dump_after;
    if (std::find(wanted.begin(), wanted.end(), pass) == wanted.end()) return;
    session.print(fmt::format("# after {}\n{}", pass, dump()));
  };
  RDU_ASSIGN(const Program program, compiler::compile(graph, chosen.node.chip, compile));

  if (options.dump_after.empty()) {
    session.print(report::table_text(sections_table(program)));
    session.print(fmt::format("\n{}: {} launches, {} a socket\n", program.name, program.launches.size(),
                              tier_line(program)));
    if (options.explain) session.print(explain_text(explanation) + ahead_text(explanation, program, chosen));
    session.note(report::table_text(passes));
  }
  if (!output.empty()) RDU_CHECK_OK(write_file_atomically(output, print_program(program)));
  report::Json json = program_json(program);
  if (options.explain) {
    json["explanation"] = explain_json(explanation);
    if (!explanation.ahead.empty()) json["explanation"]["ahead"] = ahead_json(explanation, program, chosen);
  }
  return json;
}

Result<report::Json> compile_stages(Session& session, const Options& options, const compiler::Graph& graph,
                                    const ChosenNode& chosen) {
  const int64_t count = options.pipeline.stages;
  RDU_ASSIGN(const int64_t sockets, sockets_of_stage(chosen.node.sockets, count));
  const auto compile = compile_options(options.compile, sockets, chosen.stack);
  RDU_ASSIGN(const auto staged, cut_for(graph, chosen.node, count, compile));
  report::Json json;
  json["name"] = graph.name;
  json["pipeline"] = {{"stages", count}, {"sockets_per_stage", sockets}};
  json["stages"] = report::Json::array();
  json["borders"] = report::Json::array();
  for (size_t s = 0; s < staged.stages.size(); ++s) {
    const compiler::Stage& stage = staged.stages[s];
    const std::string name = stage_name(s, stage.first_layer, stage.last_layer);
    if (options.dump_after.empty()) session.print(fmt::format("{}{}\n", s > 0 ? "\n" : "", name));
    const std::string output = options.output.empty() ? "" : stage_path(options.output, s);
    auto one = compile_one(session, options, stage.graph, chosen, compile, output);
    if (!one.ok()) {
      Error error = one.take_error();
      error.where = name + ": " + error.where;
      return error;
    }
    (*one)["first_layer"] = stage.first_layer;
    (*one)["last_layer"] = stage.last_layer;
    json["stages"].push_back(std::move(*one));
  }
  for (const compiler::Border& border : staged.borders)
    json["borders"].push_back({{"values", border.values}, {"bytes", border.bytes}});
  return json;
}

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(check_pass_names(options.dump_after));
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, options.node));
  RDU_ASSIGN(const auto model, load_chosen_model(session, options.model));
  RDU_ASSIGN(const auto request, graph_request(options.pass, *model));
  const Progress progress("compiling " + options.model, session.quiet);
  RDU_ASSIGN(const auto graph, model->build(request));
  RDU_ASSIGN(
      const report::Json json,
      options.pipeline.stages > 1
          ? compile_stages(session, options, graph, chosen)
          : compile_one(session, options, graph, chosen,
                        compile_options(options.compile, chosen.node.sockets, chosen.stack), options.output));
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

}  // namespace

void add_compile(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("compile", "compile a model's pass to a program of the chip");
  command
      ->add_option("MODEL", options->model,
                   "a name of configs/models/, a folder with a config.json, or an ONNX file")
      ->required();
  add_node_options(*command, options->node);
  add_pass_options(*command, options->pass);
  add_compile_options(*command, options->compile);
  add_stages_option(*command, options->pipeline);
  command
      ->add_option("--dump-after", options->dump_after,
                   "print the text of the program after this pass; repeatable")
      ->type_name("PASS")
      ->allow_extra_args(false);
  command->add_option("--skip", options->skip, "leave this pass out; repeatable")
      ->type_name("PASS")
      ->allow_extra_args(false);
  command->add_flag("--explain", options->explain,
                    "what bounds each section, what its borders cost, what was spilled, what would help");
  command
      ->add_option("-o,--output", options->output,
                   "save the program; rdusim simulate FILE runs it. With --pipeline one file a stage, "
                   "NAME.stage0.EXT and on")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  rdusim compile llama-2-7b --node sn40l-8 --phase decode --batch 1 --context 4096 -o decode.rdu\n"
      "  rdusim compile llama-2-7b --phase prefill --context 512 --fusion none --dump-after fuse\n"
      "  rdusim compile llama-2-70b --pipeline 2 -o out/decode.rdu         out/decode.stage0.rdu and stage1");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
