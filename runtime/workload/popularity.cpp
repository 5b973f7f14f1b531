// Popularity laws.
#include "runtime/workload/popularity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "runtime/repeatable_math.h"

namespace rdusim::runtime {
std::string PopularityLaw::to_string() const {
  if (kind == Kind::kZipf) return fmt::format("zipf:{}", exponent);
  return kind == Kind::kUniform ? "uniform" : "round-robin";
}

Result<PopularityLaw> parse_popularity(std::string_view text) {
  if (text == "uniform") return PopularityLaw{PopularityLaw::Kind::kUniform, 0};
  if (text == "round-robin") return PopularityLaw{PopularityLaw::Kind::kRoundRobin, 0};
  constexpr std::string_view kZipfPrefix = "zipf:";
  if (text.starts_with(kZipfPrefix)) {
    const std::string_view number = text.substr(kZipfPrefix.size());
    double exponent = 0;
    const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), exponent);
    if (problem == std::errc() && end == number.data() + number.size() && exponent > 0 && exponent <= 10) {
      return PopularityLaw{PopularityLaw::Kind::kZipf, exponent};
    }
    return Error{ErrorCode::kInvalidInput, "popularity",
                 fmt::format("zipf exponent '{}' is not in (0, 10]", number), "for example: zipf:0.9"};
  }
  return Error{ErrorCode::kInvalidInput, "popularity", fmt::format("unknown popularity law '{}'", text),
               "known: uniform, round-robin, zipf:A"};
}

ExpertDraw::ExpertDraw(const PopularityLaw& law, size_t experts, uint64_t seed)
    : law_(law), experts_(experts), random_(seed) {
  RDU_CHECK(experts > 0, "no experts to draw from");
  if (law.kind != PopularityLaw::Kind::kZipf) return;
  double sum = 0;
  for (size_t rank = 1; rank <= experts; ++rank) {
    sum += repeatable_exp(-law.exponent * repeatable_log(static_cast<double>(rank)));
    cumulative_.push_back(sum);
  }
}

ExpertId ExpertDraw::next() {
  if (law_.kind == PopularityLaw::Kind::kRoundRobin) return ExpertId(turn_++ % experts_);
  if (law_.kind == PopularityLaw::Kind::kUniform)
    return ExpertId(static_cast<size_t>(random_.below(experts_)));
  const double point = random_.uniform() * cumulative_.back();
  const auto above = std::upper_bound(cumulative_.begin(), cumulative_.end(), point);
  return ExpertId(std::min(static_cast<size_t>(above - cumulative_.begin()), experts_ - 1));
}

}  // namespace rdusim::runtime
