// Service objectives as text: "p95 ttft < 0.5 s", "mean e2e <= 2 s and p99 tpot < 40 ms".
//
//   objective := clause { ("and" | ",") clause }
//   clause    := statistic metric ("<" | "<=") number unit
//   statistic := mean | max | p<percent>            p50, p99.9; nearest rank
//   metric    := ttft | tpot | e2e | queueing | switching
//   unit      := s | ms | us
//
// ttft: arrival to first token; tpot: each later token; e2e: arrival to last token; queueing, switching:
// their parts of it. Capitals do not count. Over finished requests; a failed request misses every objective.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/result.h"

namespace rdusim::runtime {

struct ObjectiveClause {
  enum class Statistic : uint8_t { kMean, kMax, kPercentile };
  enum class Metric : uint8_t { kTtft, kTpot, kEndToEnd, kQueueing, kSwitching };
  Statistic statistic = Statistic::kMean;
  double percent = 0;  // kPercentile: in (0, 100)
  Metric metric = Metric::kTtft;
  bool or_equal = false;
  double limit_s = 0;

  [[nodiscard]] std::string to_string() const;  // parses back
};

struct Objective {
  std::vector<ObjectiveClause> clauses;
  [[nodiscard]] std::string to_string() const;
};

// Errors carry "objective:1:column", what was expected, and the nearest known word.
Result<Objective> parse_objective(std::string_view text);

struct ClauseValue {
  double value_s = 0;
  bool met = false;
  // value / limit; below 1 is room to spare.
  double share_of_limit = 0;
};
struct ObjectiveValue {
  std::vector<ClauseValue> clauses;
  int64_t failed = 0;
  bool met = false;
  double worst_share = 0;  // the greatest share_of_limit
};
ObjectiveValue evaluate(const Objective& objective, const std::vector<RequestRecord>& records);

}  // namespace rdusim::runtime
