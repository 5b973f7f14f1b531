// rdusim: reads the command line, runs one subcommand, prints errors, gives the exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/io/document.h"
#include "cli/commands/commands.h"
#include "cli/session.h"

namespace rdusim::cli {
namespace {

constexpr const char* kDescription =
    "rdusim simulates a dataflow chip of the SN40L class: it compiles models onto it, runs them, and serves "
    "a\n"
    "Composition of Experts on a node of such chips.";
constexpr const char* kFooter =
    "Examples:\n"
    "  rdusim doctor                                            is everything in place?\n"
    "  rdusim models show llama-2-7b                            parameters, bytes, FLOPs\n"
    "  rdusim simulate llama-2-7b --node sn40l-8 --phase decode --batch 1 --context 4096\n"
    "  rdusim serve configs/compositions/samba-coe-v0.3.yaml --node sn40l-8 \\\n"
    "      --requests configs/prompts/demo.jsonl --compare dgx-a100,dgx-h100 --html out/coe.html\n"
    "  rdusim validate                                          published results beside ours\n"
    "\n"
    "Exit codes: 0 fine, 1 a check fell short, 2 bad input, 3 a bug of rdusim.\n"
    "rdusim COMMAND --help says more of a command.";

// Every name that the command line could have meant at this place.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const auto* option : at->get_options()) {
      for (const auto& name : option->get_lnames()) words.push_back("--" + name);
    }
  }
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(command->get_name());
  return words;
}

// Help texts end with a line end. A subcommand without a footer inherits rdusim's, whose examples are not its
// own.
void end_footers(CLI::App& app) {
  if (app.get_parent() != nullptr && app.get_footer() == kFooter) app.footer("");
  if (!app.get_footer().empty()) app.footer(app.get_footer() + "\n");
  for (auto* command : app.get_subcommands([](const CLI::App*) { return true; })) end_footers(*command);
}

// The innermost subcommand that was named.
const CLI::App& deepest(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : deepest(*chosen.front());
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

int report_usage_error(const CLI::App& app, const CLI::ParseError& failure,
                       const std::vector<std::string>& arguments) {
  const CLI::App& at = deepest(app);
  std::string what = failure.what();
  std::string hint;
  const auto words = known_words(at);
  for (const auto& argument : arguments) {
    const std::string word = argument.substr(0, argument.find('='));
    if (what.find(word) == std::string::npos || std::find(words.begin(), words.end(), word) != words.end())
      continue;
    if (const std::string near = nearest(word, words); !near.empty() && near != word) {
      hint = fmt::format("did you mean {}?", near);
      break;
    }
  }
  if (&at == &app) {
    const auto word =
        std::find_if(arguments.begin(), arguments.end(), [](const auto& a) { return !a.starts_with('-'); });
    if (word != arguments.end() && std::find(words.begin(), words.end(), *word) == words.end()) {
      what = fmt::format("there is no command {}", *word);
      if (const std::string near = nearest(*word, words); !near.empty())
        hint = fmt::format("did you mean {}?", near);
    }
  }
  if (hint.empty()) hint = fmt::format("{} --help", full_name(at));
  fmt::print(stderr, "command line: error: {}\n  hint: {}\n", what, hint);
  return kExitBadInput;
}

int run(int argc, char** argv) {
  Session session;
  std::error_code ignored;
  session.executable = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  session.arguments.assign(argv + 1, argv + argc);

  CLI::App app{kDescription, "rdusim"};
  app.footer(kFooter);
  app.set_version_flag("--version", "rdusim " + version());
  app.fallthrough();
  app.require_subcommand(1);
  add_global_options(app, session);
#define RDU_COMMAND(name) add_##name(app, session);
#include "cli/commands/commands.def"
#undef RDU_COMMAND
  end_footers(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& failure) {
    return report_usage_error(app, failure, session.arguments);
  }

  Result<int> code = kExitOk;
  if (Status opened = session.open(); opened.ok()) {
    code = session.body(session);
  } else {
    code = opened.take_error();
  }
  if (code.ok()) return *code;
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", code.error().to_string());
  return kExitBadInput;
}

}  // namespace
}  // namespace rdusim::cli

int main(int argc, char** argv) {
  return rdusim::cli::guarded([&] { return rdusim::cli::run(argc, argv); });
}
