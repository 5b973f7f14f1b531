// rdusim explain: why a result is what it is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/explaining.h"

namespace rdusim::cli {
namespace {

Result<int> run(Session& session, const std::string& path) {
  RDU_CHECK_OK(session.record_file(path));
  RDU_ASSIGN(const auto rerun, read_result(session, path));
  RDU_ASSIGN(const ExplainedResult explained, explain_result(*rerun));
  session.print(explained.text);
  RDU_CHECK_OK(session.write_json(*explained.json));
  return kExitOk;
}

}  // namespace

void add_explain(CLI::App& app, Session& session) {
  auto path = std::make_shared<std::string>();
  auto* command = app.add_subcommand("explain", "why a result takes as long as it does, and what would help");
  command->add_option("RESULT", *path, "JSON file that rdusim simulate or serve wrote")->required();
  command->footer(
      "The command that made the result is run again, from its manifest: its files must be as they were.\n"
      "\n"
      "Examples:\n"
      "  rdusim simulate llama-2-7b --json out/decode.json && rdusim explain out/decode.json\n"
      "  rdusim explain out/decode.json --json out/why.json\n"
      "  rdusim serve samba-coe-v0.3 --requests configs/prompts/demo.jsonl --json out/coe.json && rdusim "
      "explain out/coe.json");
  command->callback([&session, path] { session.body = [path](Session& s) { return run(s, *path); }; });
}

}  // namespace rdusim::cli
