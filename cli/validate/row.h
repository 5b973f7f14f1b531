// Validation: a published result beside ours, one row each. A row says where the published number comes from,
// what we get, how far off it is, how far off it may be, and the command that gives our number.
//
// A published result is a number, or a range of numbers ("1.5x to 3x", "over 1 TB/s"). The error of a range
// is the distance to its nearer end, none inside; a tolerance counts from there, so that 0 means "inside".
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/progress.h"
#include "cli/session.h"

namespace rdusim::cli {

struct Published {
  double low = 0;
  double high = 0;  // infinite: no upper end

  static Published exactly(double value) { return {value, value}; }
  static Published between(double low, double high) { return {low, high}; }
  static Published at_least(double low) { return {low, std::numeric_limits<double>::infinity()}; }
  static Published at_most(double high) { return {-std::numeric_limits<double>::infinity(), high}; }
  [[nodiscard]] bool is_range() const { return low < high; }
  // The published value that is nearest to `value`.
  [[nodiscard]] double nearest(double value) const { return std::clamp(value, low, high); }
};

struct ValidationRow {
  std::string id;      // stable, without blanks: what tests and scripts go by
  std::string what;    // for people
  std::string source;  // paper and table, or how the number follows from them
  Published published;
  double simulated = 0;
  std::string unit;
  std::optional<double> tolerance_percent;  // absent: shown, not judged; 0: equal, or inside the range
  std::string command;                      // gives the simulated number
  std::string group;                        // set by run_groups()

  [[nodiscard]] double error_percent() const {
    const double nearest = published.nearest(simulated);
    return simulated == nearest ? 0 : (simulated / nearest - 1) * 100;
  }
  [[nodiscard]] bool judged() const { return tolerance_percent.has_value(); }
  [[nodiscard]] bool passed() const {
    // 105 over 100 is 5.000000000000004 % too much.
    constexpr double kRounding = 1e-9;
    return !judged() || std::abs(error_percent()) <= *tolerance_percent + kRounding;
  }
};

using ValidationRows = std::vector<ValidationRow>;

// What a group may use to compute its rows.
struct ValidationContext {
  Session& session;
  Progress& progress;
  std::string stack;  // software stack of single-model serving; empty: the node's default
};

// "Llama-2-7B, n=128" -> "llama-2-7b-n-128": lower case, everything but letters, digits and dots to one dash.
std::string row_id(const std::string& text);

}  // namespace rdusim::cli
