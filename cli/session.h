// One call of rdusim: the global options, the configuration it loads, and where results go. The only place
// that prints; libraries return values and errors.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/arch/load.h"
#include "base/result.h"
#include "report/manifest.h"
#include "report/trace_writer.h"

namespace rdusim::cli {

// Exit codes: 0 fine, 1 a check that the user asked for fell short, 2 bad input, 3 a bug of ours.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFellShort = 1;
inline constexpr int kExitBadInput = 2;
inline constexpr int kExitBug = 3;

struct Session {
  // Global options.
  std::vector<std::string> sets;
  std::string json_path;   // "-" is standard output; empty: none
  std::string trace_path;  // empty: none
  uint64_t seed = 1;
  bool quiet = false;

  std::string executable;              // path of the running binary
  std::vector<std::string> arguments;  // as typed, without the program's name
  ConfigContext config;

  // What the chosen subcommand does; its value is the exit code.
  std::function<Result<int>(Session&)> body;

  // Reads the overrides and finds configs/; called before the body.
  Status open();
  // Records a file that the result depends on, for the manifest.
  Status record_file(const std::string& path);
  [[nodiscard]] report::Manifest manifest() const;

  // Text for people; goes nowhere when standard output carries the JSON.
  void print(const std::string& text) const;
  // Text about the run itself (wall times), on standard error, so that results stay the same bytes.
  void note(const std::string& text) const;
  // The file of --json, with manifest and schema version; nothing without --json.
  Status write_json(const report::Json& result) const;
  // Before a long run whose result goes to `path`: its folder must be there. `out`, where results go unless
  // told otherwise, is made.
  [[nodiscard]] static Status expect_folder(const std::string& path);
  // A CSV file that a user named, and `path`.manifest.json beside it: what its rows were made from.
  Status write_csv(const std::string& path, const std::string& text) const;
  Status write_trace(const report::Timeline& timeline) const;
};

// Runs `body`; whatever it throws (a failed internal check above all) is printed and becomes exit code 3.
int guarded(const std::function<int()>& body);

// rdusim's version, as the build says.
std::string version();

}  // namespace rdusim::cli
