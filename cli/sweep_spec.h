// A sweep: a grid of settings over one rdusim command, and the numbers of its JSON result that become
// columns.
//
//   name: memory-bandwidths
//   command: serve configs/compositions/llama2-7b-x150.yaml --node sn40l-8 --requests synthetic:...
//   grid:                                     # the last axis changes fastest
//     - {column: hbm_bytes_per_s, set: chip.hbm.bandwidth_bytes_per_s, values: [1.2e12, 1.6e12]}
//     - {column: batch, option: --batch, values: [1, 8]}
//   columns:
//     - {column: mean_s, path: nodes.sn40l-8.latency.mean_s}
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/result.h"

namespace rdusim::cli {

struct SweepAxis {
  std::string column;
  std::string set;     // path of an override, or
  std::string option;  // option of the command; one of the two
  std::vector<std::string> values;
};

struct SweepColumn {
  std::string column;
  std::vector<std::string> path;  // keys from the root of the JSON result
};

struct SweepSpec {
  std::string name;
  std::vector<std::string> command;  // words, without "rdusim"
  std::vector<SweepAxis> axes;
  std::vector<SweepColumn> columns;

  [[nodiscard]] int64_t points() const;
  // Values of the axes at a point, in the axes' order.
  [[nodiscard]] std::vector<std::string> values_at(int64_t point) const;
  // The command's words with the point's overrides and options.
  [[nodiscard]] std::vector<std::string> arguments_at(int64_t point) const;
};

// Fails with file:line:col on unknown or missing keys, a command that is not simulate or serve, an empty
// axis, column names that occur twice, more than 10^6 points.
Result<SweepSpec> parse_sweep_spec(const DocumentNode& document);
// Parts between separators, empty ones left out: a command's words, the keys of a path.
std::vector<std::string> split_words(const std::string& text, char separator);
std::string sweep_json_schema();

}  // namespace rdusim::cli
