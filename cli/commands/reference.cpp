// rdusim reference: the reference pages of the documentation, written from the code: commands, configuration
// keys, operators, tile operations, policies, formats. The pages of docs/reference/ are checked to be these.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>

#include "base/arch/chip_fields.h"
#include "base/io/file.h"
#include "base/program/program.h"
#include "cli/commands/commands.h"
#include "cli/study_spec.h"
#include "compiler/ops/op.h"
#include "runtime/composition.h"
#include "runtime/eviction/policy.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/serving/engine_options.h"
#include "runtime/workload/generator.h"
#include "runtime/workload/workload.h"

namespace rdusim::cli {
namespace {

using Pages = std::map<std::string, std::string>;  // by file name

constexpr const char* kMadeBy = "<!-- Written by `rdusim reference`; edits are lost. -->\n\n";

// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    if (letter == '|') escaped += '\\';
    escaped += letter == '\n' ? ' ' : letter;
  }
  return escaped;
}

void append_command(std::string& page, const CLI::App& command, const std::string& name, int level) {
  page += fmt::format("{} {}\n\n```\n{}```\n\n", std::string(static_cast<size_t>(level), '#'), name,
                      command.get_formatter()->make_help(&command, name, CLI::AppFormatMode::Normal));
  for (const auto* inner : command.get_subcommands([](const CLI::App*) { return true; }))
    append_command(page, *inner, name + " " + inner->get_name(), level + 1);
}

std::string commands_page(const CLI::App& app) {
  std::string page = std::string(kMadeBy) + "# Commands\n\nWhat `--help` says.\n\n";
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    append_command(page, *command, "rdusim " + command->get_name(), 2);
  return page;
}

std::string configuration_page() {
  std::string page = std::string(kMadeBy) +
                     "# Configuration keys\n\nBy kind of file. Every key can be overridden: `--set "
                     "chip.hbm.bandwidth_bytes_per_s=2e12`.\n\n";
  const auto add = [&](const std::string& name, const std::string& table) {
    page += fmt::format("## {}\n\n{}\n", name, table);
  };
  for (const auto& kind : config_kinds()) add(kind.name, kind.fields->docs_table());
  add("composition", runtime::composition_docs_table());
  add("serving", runtime::engine_fields().docs_table());
  add("workload", runtime::workload_docs_table());
  add("study", study_fields().docs_table());
  return page;
}

std::string operators_page() {
  std::string page = std::string(kMadeBy) +
                     "# Operators\n\n## Of graphs\n\n| operator | meaning | attributes |\n|---|---|---|\n";
  const auto add = [&](std::string_view name, const compiler::OpRecord& record) {
    std::string attributes;
    for (const auto& attribute : record.attributes)
      attributes += fmt::format("{}`{}`", attributes.empty() ? "" : ", ", attribute);
    for (const auto& attribute : record.optional_attributes)
      attributes += fmt::format("{}`{}` (optional)", attributes.empty() ? "" : ", ", attribute);
    page += fmt::format("| `{}` | {} | {} |\n", name, cell(record.doc), attributes);
  };
#define RDU_OP(enumerator, name) add(name, compiler::enumerator##Record);
#include "compiler/ops/ops.def"
#undef RDU_OP
  page +=
      "\n## Of tiles\n\nWhat a unit's firing is made of.\n\n| operation | operands | meaning "
      "|\n|---|---|---|\n";
#define RDU_TILE_OP(enumerator, name, operands, op_class, doc) \
  page += fmt::format("| `{}` | {} | {} |\n", name, operands, cell(doc));
#include "base/program/tile_op.def"
#undef RDU_TILE_OP
  return page;
}

std::string policies_page() {
  std::string page = std::string(kMadeBy) +
                     "# Policies and formats\n\n## Eviction\n\n| policy | what goes first |\n|---|---|\n";
  for (const auto& policy : runtime::eviction_policies())
    page += fmt::format("| `{}` | {} |\n", policy.name, cell(policy.description));
  page += "\n## Schedulers\n\n| scheduler | what it does |\n|---|---|\n";
  for (const auto& scheduler : runtime::schedulers())
    page += fmt::format("| `{}` | {} |\n", scheduler.name, cell(scheduler.description));
  page += "\n## Request files\n\n| format | what it is |\n|---|---|\n";
  for (const auto& format : runtime::workload_formats())
    page += fmt::format("| `{}` | {} |\n", format.name, cell(format.description));
  return page;
}

Pages pages_of(const CLI::App& app) {
  return {{"commands.md", commands_page(app)},
          {"configuration.md", configuration_page()},
          {"operators.md", operators_page()},
          {"policies.md", policies_page()}};
}

Result<int> check(const Session& session, const Pages& pages, const std::string& folder) {
  int differ = 0;
  for (const auto& [name, text] : pages) {
    const auto there = read_text_file(folder + "/" + name);
    if (there.ok() && *there == text) continue;
    ++differ;
    session.print(fmt::format("{}/{} is not what the code says\n", folder, name));
  }
  if (differ == 0) return kExitOk;
  session.print(fmt::format("rdusim reference -o {} writes them anew\n", folder));
  return kExitFellShort;
}

Result<int> write(const Session& session, const Pages& pages, const std::string& folder) {
  std::error_code ignored;  // writing says what is wrong
  std::filesystem::create_directories(folder, ignored);
  for (const auto& [name, text] : pages) {
    RDU_CHECK_OK(write_file_atomically(folder + "/" + name, text));
    session.print(fmt::format("{}/{}\n", folder, name));
  }
  return kExitOk;
}

}  // namespace

void add_reference(CLI::App& app, Session& session) {
  struct Options {
    std::string output = "docs/reference";
    std::string check;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("reference", "write the documentation's reference pages from the code");
  command->add_option("-o,--output", options->output, "folder (default docs/reference)")->type_name("FOLDER");
  command->add_option("--check", options->check, "compare with the pages of a folder instead")
      ->type_name("FOLDER");
  command->footer(
      "Examples:\n"
      "  rdusim reference\n"
      "  rdusim reference --check docs/reference     exit code 1 when a page is out of date");
  const CLI::App* all = &app;
  command->callback([&session, options, all] {
    session.body = [options, all](Session& s) {
      const Pages pages = pages_of(*all);
      return options->check.empty() ? write(s, pages, options->output) : check(s, pages, options->check);
    };
  });
}

}  // namespace rdusim::cli
