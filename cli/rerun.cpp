#include "cli/rerun.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"

namespace rdusim::cli {

Result<std::vector<std::string>> split_command_line(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;  // a word has begun
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      quoted = c != '\'';
      if (quoted) word += c;
    } else if (c == '\'') {
      open = quoted = true;
    } else if (c == '\\' && i + 1 < line.size()) {
      open = true;
      word += line[++i];
    } else if (c == ' ') {
      if (open) words.push_back(std::exchange(word, {}));
      open = false;
    } else {
      open = true;
      word += c;
    }
  }
  if (quoted) return Error{ErrorCode::kInvalidInput, "manifest.command", "a quote is not closed", ""};
  if (open) words.push_back(word);
  return words;
}

namespace {

Error no_result(const std::string& path, const std::string& what) {
  return Error{ErrorCode::kInvalidInput, path, what,
               "name a file that rdusim simulate or serve wrote with --json"};
}

// The words of the manifest's command line behind "rdusim".
Result<std::vector<std::string>> recorded_arguments(const Rerun& rerun) {
  const report::Json& json = *rerun.result;
  const bool has_command = json.is_object() && json.contains("manifest") && json["manifest"].is_object() &&
                           json["manifest"].contains("command") && json["manifest"]["command"].is_string();
  if (!has_command) return no_result(rerun.path, "it has no manifest with a command");
  RDU_ASSIGN(std::vector<std::string> words,
             split_command_line(json["manifest"]["command"].get<std::string>()));
  if (words.empty() || words.front() != "rdusim") return no_result(rerun.path, "its command is not rdusim's");
  words.erase(words.begin());
  return words;
}

Status parse_arguments(Rerun& rerun) {
  CLI::App app{"", "rdusim"};
  app.fallthrough();
  app.require_subcommand(1);
  add_global_options(app, rerun.session);
  add_simulation_options(*app.add_subcommand("simulate"), rerun.simulation);
  add_serving_options(*app.add_subcommand("serve"), rerun.composition, rerun.serving);
  std::vector<std::string> reversed(rerun.session.arguments.rbegin(), rerun.session.arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::Error& failure) {
    return no_result(
        rerun.path,
        fmt::format("its command is not one of simulate or serve that can be run again: {}", failure.what()));
  }
  rerun.command = app.get_subcommands().front()->get_name();
  return {};
}

}  // namespace

Result<std::unique_ptr<Rerun>> read_result(const Session& outer, const std::string& path) {
  auto rerun = std::make_unique<Rerun>();
  rerun->path = path;
  RDU_ASSIGN(const std::string text, read_text_file(path));
  rerun->result = std::make_shared<const report::Json>(report::Json::parse(text, nullptr, false));
  if (rerun->result->is_discarded()) return no_result(path, "it is no JSON");
  RDU_ASSIGN(rerun->session.arguments, recorded_arguments(*rerun));
  rerun->session.executable = outer.executable;
  RDU_CHECK_OK(parse_arguments(*rerun));
  rerun->session.quiet = outer.quiet;
  RDU_CHECK_OK(rerun->session.open());
  return rerun;
}

namespace {

std::string text_of(const report::Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

}  // namespace

Status check_same_inputs(const Rerun& rerun) {
  const report::Json& manifest = (*rerun.result)["manifest"];
  if (!manifest.contains("configs") || !manifest["configs"].is_array())
    return no_result(rerun.path, "its manifest names no files");
  for (const auto& now : rerun.session.manifest().configs) {
    const auto& then = manifest["configs"];
    const auto known = std::find_if(then.begin(), then.end(), [&](const report::Json& file) {
      return text_of(file, "path") == now.path;
    });
    if (known != then.end() && text_of(*known, "sha256") == now.sha256) continue;
    return Error{ErrorCode::kInvalidInput, rerun.path,
                 fmt::format("{} is not what the result was made from", now.path),
                 "make the result again with the files as they are now"};
  }
  return {};
}

}  // namespace rdusim::cli
