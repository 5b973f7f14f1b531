#include "cli/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/io/file.h"

#ifndef RDUSIM_VERSION
#error "the build defines RDUSIM_VERSION"
#endif

namespace rdusim::cli {
namespace {

// Options that say where results are written, how many processes work on them, or what is shown meanwhile:
// the results do not depend on them, so the manifest, which must be equal for equal results, leaves them out.
const std::set<std::string>& options_without_effect() {
  static const std::set<std::string> options{"--json", "--trace",   "--html",    "--output", "-o",
                                             "--csv",  "--records", "--workers", "--quiet",  "-q"};
  return options;
}

std::string shell_quoted(const std::string& argument) {
  const bool plain = !argument.empty() && argument.find_first_not_of(
                                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_./:,=@%+-") == std::string::npos;
  if (plain) return argument;
  std::string quoted = "'";
  for (const char letter : argument) quoted += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return quoted + "'";
}

std::string command_line(const std::vector<std::string>& arguments) {
  std::string line = "rdusim";
  // `cache replay` reads the file of --trace; elsewhere it is where a timeline is written.
  const bool trace_is_read = std::find(arguments.begin(), arguments.end(), "cache") != arguments.end();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = arguments[i].substr(0, arguments[i].find('='));
    if (options_without_effect().contains(name) && !(trace_is_read && name == "--trace")) {
      const bool takes_value = name != "--quiet" && name != "-q";
      if (takes_value && name == arguments[i]) ++i;
      continue;
    }
    line += ' ';
    line += shell_quoted(arguments[i]);
  }
  return line;
}

// Files of the configs/ folder are named from there, so that a manifest does not depend on where the project
// lies.
std::string portable_path(const std::string& path, const std::string& config_dir) {
  if (!config_dir.empty() && path.starts_with(config_dir + "/"))
    return "configs" + path.substr(config_dir.size());
  return path;
}

}  // namespace

int guarded(const std::function<int()>& body) {
  constexpr const char* kHint =
      "  hint: this is a bug of rdusim; please report it with the command that led here\n";
  try {
    return body();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n%s", failure.what(), kHint);
  } catch (...) {
    std::fprintf(stderr, "unknown failure\n%s", kHint);
  }
  return kExitBug;
}

std::string version() {
  return RDUSIM_VERSION;
}

Status Session::open() {
  for (const auto& text : sets) {
    RDU_ASSIGN(Override parsed, parse_override(text));
    config.overrides.push_back(std::move(parsed));
  }
  config.override_used.assign(config.overrides.size(), false);
  RDU_ASSIGN(config.config_dir, find_config_dir(executable));
  return {};
}

Status Session::record_file(const std::string& path) {
  RDU_ASSIGN(std::string hash, sha256_hex_of_file(path));
  config.files.push_back({path, std::move(hash)});
  return {};
}

report::Manifest Session::manifest() const {
  report::Manifest manifest{version(), command_line(arguments), {}, seed};
  std::set<std::string> seen;
  for (const auto& file : config.files) {
    const std::string path = portable_path(file.path, config.config_dir);
    if (seen.insert(path).second) manifest.configs.push_back({path, file.sha256});
  }
  return manifest;
}

void Session::print(const std::string& text) const {
  if (json_path != "-") std::fwrite(text.data(), 1, text.size(), stdout);
}

void Session::note(const std::string& text) const {
  if (!quiet) std::fwrite(text.data(), 1, text.size(), stderr);
}

Status Session::write_json(const report::Json& result) const {
  if (json_path.empty()) return {};
  const std::string text = report::json_text(report::with_manifest(manifest(), result));
  if (json_path != "-") return write_file_atomically(json_path, text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return {};
  return Error{ErrorCode::kIo, "standard output", "could not be written", "is the reader still there?"};
}

Status Session::expect_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;
  if (folder == "out") std::filesystem::create_directory(folder, ignored);
  if (folder.empty() || std::filesystem::is_directory(folder, ignored)) return {};
  return Error{ErrorCode::kNotFound, path, fmt::format("there is no folder {}", folder.string()),
               "make it first"};
}

Status Session::write_csv(const std::string& path, const std::string& text) const {
  RDU_CHECK_OK(write_file_atomically(path, text));
  // The hash says which CSV the manifest belongs to: the two files can be parted, or one be edited.
  RDU_ASSIGN(std::string hash, sha256_hex_of_file(path));
  const report::Json hashes = {{"sha256", std::move(hash)}};
  return write_file_atomically(path + ".manifest.json",
                               report::json_text(report::with_manifest(manifest(), hashes)));
}

Status Session::write_trace(const report::Timeline& timeline) const {
  if (trace_path.empty()) return {};
  return write_file_atomically(trace_path, report::trace_text(timeline));
}

}  // namespace rdusim::cli
