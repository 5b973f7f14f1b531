// How often each expert is asked for, when nothing else says which expert a request needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"

namespace rdusim::runtime {

struct PopularityLaw {
  enum class Kind : uint8_t { kUniform, kRoundRobin, kZipf };
  Kind kind = Kind::kUniform;
  double exponent = 0;  // kZipf: weight of the r-th expert is r^-exponent, r from 1
  // Zipf's ranks over time; 0: they stay. All are redrawn every `phase_requests`; two random ranks change
  // places every `drift_requests`.
  int64_t phase_requests = 0;
  int64_t drift_requests = 0;

  [[nodiscard]] std::string to_string() const;  // parses back
};

// "uniform", "round-robin", "zipf:0.9" (exponent in (0, 10]), "zipf:0.9+phases:4000", "zipf:0.9+drift:100".
Result<PopularityLaw> parse_popularity(std::string_view text);

// Draws experts by a law; the first expert is the most popular one at the start. Equal seeds draw equal
// sequences.
class ExpertDraw {
 public:
  ExpertDraw(const PopularityLaw& law, size_t experts, uint64_t seed);
  ExpertId next();

 private:
  PopularityLaw law_;
  size_t experts_;
  size_t turn_ = 0;
  Random random_;
  Random changes_;                        // of the ranks: the draws are the same with and without
  std::vector<double> cumulative_;        // kZipf: running sums of the weights
  std::vector<uint32_t> expert_of_rank_;  // empty while ranks never change
  void change_ranks();
};

}  // namespace rdusim::runtime
