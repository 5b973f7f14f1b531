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

  [[nodiscard]] std::string to_string() const;  // parses back
};

// "uniform", "round-robin", "zipf:0.9" (exponent in (0, 10]).
Result<PopularityLaw> parse_popularity(std::string_view text);

// Draws experts by a law; the first expert is the most popular one. Equal seeds draw equal sequences.
class ExpertDraw {
 public:
  ExpertDraw(const PopularityLaw& law, size_t experts, uint64_t seed);
  ExpertId next();

 private:
  PopularityLaw law_;
  size_t experts_;
  size_t turn_ = 0;
  Random random_;
  std::vector<double> cumulative_;  // kZipf: running sums of the weights
};

}  // namespace rdusim::runtime
