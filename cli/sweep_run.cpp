#include "cli/sweep_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/io/file.h"

extern char** environ;

namespace rdusim::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Error system_error(const std::string& where, int code) {
  return {ErrorCode::kIo, where, std::strerror(code), ""};
}

// Key of a point: everything on its command line and the binary. Configuration files are checked through the
// point's manifest.
std::string point_key(const std::vector<std::string>& arguments, const std::string& executable_hash) {
  std::string text = executable_hash;
  for (const auto& argument : arguments) text += '\n' + argument;
  return sha256_hex(text);
}

struct Point {
  std::vector<std::string> arguments;
  std::string file;         // the record
  std::string result_file;  // JSON of a running point
  std::string error_file;   // standard error of a running point
};

// The number at `path` as the JSON prints it; an error names the key that is missing. Below a null (what a
// node that ran out of memory has) everything is null.
Result<std::string> value_at(const Json& result, const SweepColumn& column) {
  const Json* at = &result;
  std::string walked;
  for (const auto& key : column.path) {
    if (at->is_null()) break;
    walked += (walked.empty() ? "" : ".") + key;
    if (!at->is_object() || !at->contains(key)) {
      return Error{ErrorCode::kNotFound, "column " + column.column, "the result has no " + walked,
                   "look at the JSON of one point"};
    }
    at = &(*at)[key];
  }
  return at->is_string() ? at->get<std::string>() : at->dump();
}

SweepRow row_of(const SweepSpec& spec, const Json& record) {
  SweepRow row;
  row.error = record.value("error", "");
  if (!row.error.empty()) return row;
  for (const auto& column : spec.columns) {
    Result<std::string> value = value_at(record["result"], column);
    if (!value.ok()) return {{}, value.error().where + ": " + value.error().what};
    row.values.push_back(*value);
  }
  return row;
}

bool files_unchanged(const Json& record, const std::string& config_dir) {
  if (!record.contains("result")) return true;
  for (const auto& file : record["result"]["manifest"]["configs"]) {
    std::string path = file["path"];
    if (path.starts_with("configs/")) path = config_dir + path.substr(7);
    const auto hash = sha256_hex_of_file(path);
    if (!hash.ok() || *hash != file["sha256"].get<std::string>()) return false;
  }
  return true;
}

// A record that is there and still holds; a torn or foreign file counts as missing.
std::optional<Json> finished(const Point& point, const std::string& config_dir) {
  const auto text = read_text_file(point.file);
  if (!text.ok()) return std::nullopt;
  Json record = Json::parse(*text, nullptr, false);
  if (record.is_discarded() || !record.is_object()) return std::nullopt;
  try {
    if (!files_unchanged(record, config_dir)) return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  return record;
}

Result<pid_t> start(const Point& point, const std::string& executable) {
  std::vector<std::string> words{executable};
  words.insert(words.end(), point.arguments.begin(), point.arguments.end());
  words.insert(words.end(), {"--json", point.result_file, "--quiet"});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, point.error_file.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0644);
  pid_t child = 0;
  const int failure = posix_spawn(&child, executable.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return system_error(executable, failure);
  return child;
}

// Why a process failed, on one line: its error message without the hint.
std::string reason(const Point& point, int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  const auto text = read_text_file(point.error_file);
  const std::string line = text.ok() ? text->substr(0, text->find('\n')) : std::string();
  return line.empty() ? fmt::format("exit code {}", WEXITSTATUS(status)) : line;
}

// Writes the record of a point that has ended.
Result<Json> conclude(const Point& point, int status) {
  Json record;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    RDU_ASSIGN(const std::string text, read_text_file(point.result_file));
    record["result"] = Json::parse(text, nullptr, false);
  } else {
    record["error"] = reason(point, status);
  }
  RDU_CHECK_OK(write_file_atomically(point.file, record.dump(1) + "\n"));
  std::error_code ignored;
  fs::remove(point.result_file, ignored);
  fs::remove(point.error_file, ignored);
  return record;
}

}  // namespace

SweepPlace sweep_place(const Session& session, const std::string& output, int workers) {
  SweepPlace place;
  place.executable = session.executable;
  place.config_dir = session.config.config_dir;
  place.folder = output + ".points";
  place.common_arguments = {"--seed", fmt::to_string(session.seed)};
  const auto processors = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  place.workers = workers > 0 ? workers : processors;
  return place;
}

Result<SweepOutcome> run_sweep(const SweepSpec& spec, const SweepPlace& place,
                               const std::function<void(int64_t, int64_t)>& progress) {
  std::error_code failure;
  fs::create_directories(place.folder, failure);
  if (failure) return system_error(place.folder, failure.value());
  RDU_ASSIGN(const std::string executable_hash, sha256_hex_of_file(place.executable));

  const int64_t all = spec.points();
  SweepOutcome outcome;
  outcome.rows.resize(static_cast<size_t>(all));
  std::map<pid_t, std::pair<int64_t, Point>> running;
  int64_t done = 0;
  const auto take = [&](int64_t index, const Json& record) {
    outcome.rows[static_cast<size_t>(index)] = row_of(spec, record);
    progress(++done, all);
  };
  const auto wait_for_one = [&]() -> Status {
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    if (child < 0) return errno == EINTR ? Status{} : Status{system_error("waiting for a worker", errno)};
    const auto found = running.find(child);
    if (found == running.end()) return {};
    const auto [index, point] = found->second;
    running.erase(found);
    RDU_ASSIGN(const Json record, conclude(point, status));
    take(index, record);
    return {};
  };

  for (int64_t index = 0; index < all; ++index) {
    Point point;
    point.arguments = spec.arguments_at(index);
    point.arguments.insert(point.arguments.end(), place.common_arguments.begin(),
                           place.common_arguments.end());
    const std::string stem = place.folder + "/" + point_key(point.arguments, executable_hash).substr(0, 32);
    point.file = stem + ".json";
    point.result_file = stem + ".result.tmp";
    point.error_file = stem + ".error.tmp";
    if (const auto record = finished(point, place.config_dir)) {
      take(index, *record);
      continue;
    }
    while (running.size() >= static_cast<size_t>(place.workers)) RDU_CHECK_OK(wait_for_one());
    RDU_ASSIGN(const pid_t child, start(point, place.executable));
    running.emplace(child, std::pair{index, std::move(point)});
    ++outcome.ran;
  }
  while (!running.empty()) RDU_CHECK_OK(wait_for_one());
  for (const auto& row : outcome.rows) outcome.failed += row.error.empty() ? 0 : 1;
  return outcome;
}

}  // namespace rdusim::cli
