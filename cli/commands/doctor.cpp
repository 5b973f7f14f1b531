// rdusim doctor: is everything in place? Reads every configuration file and runs one small program at both
// fidelities.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "cli/sweep_spec.h"
#include "report/format.h"
#include "report/table.h"
#include "runtime/composition.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

namespace fs = std::filesystem;

struct Finding {
  std::string what;
  bool good = true;
  std::string detail;
};

// Reads every YAML file of a configs/ folder with `load`; the detail is the number read, or the first error.
template <typename Load>
Finding check_folder(const Session& session, const std::string& folder, Load load) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(session.config.config_dir + "/" + folder, failure)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    ConfigContext context;
    context.config_dir = session.config.config_dir;
    if (const Status status = load(context, file.string()); !status.ok())
      return {folder, false, status.error().to_string()};
  }
  return {folder, !files.empty(), fmt::format("{} files read", files.size())};
}

Status load_any_node(ConfigContext& context, const std::string& path) {
  RDU_ASSIGN(const bool gpu, is_gpu_node(context, path));
  if (gpu) {
    RDU_ASSIGN(const auto node, load_gpu_node(context, path));
    return node.gpus > 0 ? Status{} : Error{ErrorCode::kInvalidInput, path, "no GPUs", ""};
  }
  RDU_ASSIGN(const auto node, load_node(context, path));
  if (node.find_stack(node.default_stack) != nullptr) return {};
  return Error{ErrorCode::kInvalidInput, path, "default_stack names no stack of the node", ""};
}

Finding check_models(Session& session) {
  const auto names = list_models(session.config.config_dir);
  if (!names.ok()) return {"models", false, names.error().to_string()};
  size_t modelled = 0;
  for (const auto& name : *names)
    modelled += models::load_model(session.config.config_dir, name).ok() ? 1 : 0;
  return {"models", modelled > 0,
          fmt::format("{} configurations, {} of modelled families", names->size(), modelled)};
}

Finding check_sweeps(const Session& session) {
  return check_folder(session, "sweeps", [](ConfigContext& context, const std::string& path) -> Status {
    RDU_ASSIGN(const DocumentNode document, read_config(context, path));
    RDU_ASSIGN(const SweepSpec spec, parse_sweep_spec(document));
    return spec.points() > 0 ? Status{} : Error{ErrorCode::kInvalidInput, path, "no points", ""};
  });
}

// The smallest end-to-end run: one decode step, compiled and simulated.
Result<std::string> simulate_once(Session& session, Fidelity fidelity) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, {}));
  RDU_ASSIGN(const auto model, models::load_model(session.config.config_dir, "llama-2-7b"));
  RDU_ASSIGN(const auto request, graph_request({"decode", 1, 128}));
  RDU_ASSIGN(const auto graph, model->build(request));
  RDU_ASSIGN(const auto program, compiler::compile(graph, chosen.node.chip,
                                                   compile_options({}, chosen.node.sockets, chosen.stack)));
  sim::RunOptions options;
  options.fidelity = fidelity;
  RDU_ASSIGN(const auto result, sim::run(program, chosen.node, chosen.stack, options));
  return fmt::format("one decode step of llama-2-7b on {}: {}", chosen.node.name,
                     report::format_time(result.latency_s()));
}

Finding check_simulation(Session& session, Fidelity fidelity) {
  const auto text = simulate_once(session, fidelity);
  const std::string what = fmt::format("{} simulation", fidelity_name(fidelity));
  return text.ok() ? Finding{what, true, *text} : Finding{what, false, text.error().to_string()};
}

Finding check_writing() {
  const std::string path = fs::temp_directory_path().string() + fmt::format("/rdusim-doctor-{}", getpid());
  const Status written = write_file_atomically(path, "doctor");
  std::error_code ignored;
  fs::remove(path, ignored);
  return {"writing files", written.ok(),
          written.ok() ? fs::temp_directory_path().string() : written.error().to_string()};
}

Result<int> run(Session& session) {
  const Progress progress("checking", session.quiet);
  std::vector<Finding> findings;
  findings.push_back(
      {"rdusim", true,
       fmt::format("version {}, {} processors", version(), std::thread::hardware_concurrency())});
  findings.push_back({"configs", true, session.config.config_dir});
  findings.push_back(check_folder(session, "nodes", load_any_node));
  findings.push_back(
      check_folder(session, "compositions", [](ConfigContext& context, const std::string& path) -> Status {
        RDU_ASSIGN(const auto composition, runtime::load_composition(context, path));
        return composition.experts.empty() ? Error{ErrorCode::kInvalidInput, path, "no experts", ""}
                                           : Status{};
      }));
  findings.push_back(check_sweeps(session));
  findings.push_back(check_models(session));
  findings.push_back(check_simulation(session, Fidelity::kAnalytic));
  findings.push_back(check_simulation(session, Fidelity::kEvent));
  findings.push_back(check_writing());

  report::Table table{{"check", "", "detail"}, {}};
  report::Json checks = report::Json::array();
  bool good = true;
  for (const auto& finding : findings) {
    table.add({finding.what, finding.good ? "ok" : "PROBLEM", finding.detail});
    checks.push_back({{"name", finding.what}, {"ok", finding.good}, {"detail", finding.detail}});
    good = good && finding.good;
  }
  session.print(report::table_text(table));
  RDU_CHECK_OK(session.write_json({{"checks", std::move(checks)}, {"ok", good}}));
  return good ? kExitOk : kExitFellShort;
}

}  // namespace

void add_doctor(CLI::App& app, Session& session) {
  auto* command =
      app.add_subcommand("doctor", "check the installation: configuration files, simulators, writing");
  command->footer("Exit code 1 when something is wrong.\n\nExample:\n  rdusim doctor");
  command->callback([&session] { session.body = run; });
}

}  // namespace rdusim::cli
