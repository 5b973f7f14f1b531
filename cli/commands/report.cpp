// rdusim report: results that were written as JSON or CSV as one page.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/explaining.h"
#include "report/page.h"
#include "report/result_page.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::vector<std::string> results;
  std::string output = "out/report.html";
  bool as_it_is = false;
};

// Of a CSV, the manifest is the file beside it, if there is one.
Result<report::Manifest> manifest_of(const report::ResultFile& file) {
  if (!file.is_table) return report::read_manifest(file.root);
  const std::string beside = file.name + ".manifest.json";
  if (!std::filesystem::exists(beside)) return report::Manifest{};
  RDU_ASSIGN(const auto document, read_document(beside));
  return report::read_manifest(document);
}

// What explain says of a result of simulate or serve, so that its page says what it waits for. Absent, with a
// note why, where the result cannot be made again.
std::shared_ptr<const DocumentNode> why_of(const Session& session, const report::ResultFile& file) {
  const bool explained =
      !file.is_table && (file.root.find("floorplan") != nullptr || file.root.find("composition") != nullptr);
  if (!explained || file.root.find("manifest") == nullptr) return nullptr;
  const auto explain = [&]() -> Result<DocumentNode> {
    RDU_ASSIGN(const auto rerun, read_result(session, file.name));
    RDU_ASSIGN(const ExplainedResult why, explain_result(*rerun));
    return read_json_text(report::json_text(*why.json), file.name);
  };
  auto why = explain();
  if (why.ok()) return std::make_shared<const DocumentNode>(std::move(*why));
  session.note(
      fmt::format("{}\n  so the page has no critical path and no derivatives\n", why.error().to_string()));
  return nullptr;
}

Result<int> run(Session& session, const Options& options) {
  std::vector<report::ResultFile> files;
  std::vector<report::NamedManifest> manifests;
  for (const auto& path : options.results) {
    RDU_ASSIGN(auto file, report::read_result_file(path));
    RDU_ASSIGN(auto manifest, manifest_of(file));
    if (!options.as_it_is) file.why = why_of(session, file);
    manifests.push_back({path, std::move(manifest)});
    files.push_back(std::move(file));
  }
  RDU_ASSIGN(const auto page, report::result_page(files));
  const std::string html = report::page_html(page, manifests);
  RDU_CHECK_OK(write_file_atomically(options.output, html));
  for (const auto& answer : page.answers) session.print(fmt::format("{} {}\n", answer.question, answer.text));
  session.print(fmt::format("{}\n", options.output));
  return kExitOk;
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("report", "results as one page that opens without network");
  command->add_option("RESULT", options->results, "what any command wrote with --json, or the CSV of a sweep")
      ->required();
  command->add_option("-o,--output", options->output, "page to write (default out/report.html)")
      ->type_name("FILE");
  command->add_flag("--as-it-is", options->as_it_is,
                    "do not make results of simulate and serve again to explain them");
  command->footer(
      "The page needs neither network nor script; it reads in the light, in the dark and on paper. What is "
      "in the\n"
      "files is shown as text, whatever it says. Results of simulate and serve are made again, as rdusim "
      "explain "
      "does,\n"
      "for their critical path and derivatives, if their files are as they were.\n"
      "\n"
      "Examples:\n"
      "  rdusim simulate llama-2-7b --context 4096 --json out/decode.json\n"
      "  rdusim report out/decode.json -o out/decode.html\n"
      "  rdusim report out/fused.json out/unfused.json      the runs beside each other\n"
      "  rdusim report out/memory-bandwidths.csv");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
