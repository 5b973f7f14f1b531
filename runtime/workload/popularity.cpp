// Popularity laws.
#include "runtime/workload/popularity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/check.h"
#include "runtime/repeatable_math.h"

namespace rdusim::runtime {

namespace {

constexpr int64_t kMaxPeriod = 1'000'000'000;

template <typename T>
bool read_number(std::string_view text, T& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size();
}

// "phases:4000" or "drift:100".
Status parse_change(std::string_view text, PopularityLaw& law) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view key = text.substr(0, colon);
  if (key != "phases" && key != "drift") {
    return Error{ErrorCode::kInvalidInput, "popularity", fmt::format("unknown change of ranks '{}'", key),
                 "known: phases:N, drift:N"};
  }
  int64_t& period = key == "phases" ? law.phase_requests : law.drift_requests;
  if (read_number(text.substr(std::min(colon + 1, text.size())), period) && period >= 1 &&
      period <= kMaxPeriod)
    return {};
  return Error{ErrorCode::kInvalidInput, "popularity",
               fmt::format("{} needs a number of requests between 1 and {}", key, kMaxPeriod),
               fmt::format("for example: zipf:0.9+{}:4000", key)};
}

}  // namespace

std::string PopularityLaw::to_string() const {
  if (kind != Kind::kZipf) return kind == Kind::kUniform ? "uniform" : "round-robin";
  std::string text = fmt::format("zipf:{}", exponent);
  if (phase_requests > 0) text += fmt::format("+phases:{}", phase_requests);
  if (drift_requests > 0) text += fmt::format("+drift:{}", drift_requests);
  return text;
}

Result<PopularityLaw> parse_popularity(std::string_view text) {
  PopularityLaw law;
  if (text == "uniform") return law;
  if (text == "round-robin") {
    law.kind = PopularityLaw::Kind::kRoundRobin;
    return law;
  }
  constexpr std::string_view kZipfPrefix = "zipf:";
  if (!text.starts_with(kZipfPrefix)) {
    return Error{ErrorCode::kInvalidInput, "popularity", fmt::format("unknown popularity law '{}'", text),
                 "known: uniform, round-robin, zipf:A, zipf:A+phases:N, zipf:A+drift:N"};
  }
  law.kind = PopularityLaw::Kind::kZipf;
  size_t plus = std::min(text.find("+phases"), text.find("+drift"));  // '+' may stand in an exponent: 1e+0
  const std::string_view number =
      text.substr(kZipfPrefix.size(), std::min(plus, text.size()) - kZipfPrefix.size());
  if (!read_number(number, law.exponent) || !(law.exponent > 0 && law.exponent <= 10)) {
    return Error{ErrorCode::kInvalidInput, "popularity",
                 fmt::format("zipf exponent '{}' is not in (0, 10]", number), "for example: zipf:0.9"};
  }
  while (plus < text.size()) {
    const size_t next = std::min(text.find('+', plus + 1), text.size());
    RDU_CHECK_OK(parse_change(text.substr(plus + 1, next - plus - 1), law));
    plus = next;
  }
  return law;
}

ExpertDraw::ExpertDraw(const PopularityLaw& law, size_t experts, uint64_t seed)
    : law_(law), experts_(experts), random_(seed), changes_(~seed) {
  RDU_CHECK(experts > 0, "no experts to draw from");
  if (law.kind != PopularityLaw::Kind::kZipf) return;
  double sum = 0;
  for (size_t rank = 1; rank <= experts; ++rank) {
    sum += repeatable_exp(-law.exponent * repeatable_log(static_cast<double>(rank)));
    cumulative_.push_back(sum);
  }
  if (law.phase_requests == 0 && law.drift_requests == 0) return;
  expert_of_rank_.resize(experts);
  std::iota(expert_of_rank_.begin(), expert_of_rank_.end(), 0U);
}

void ExpertDraw::change_ranks() {
  const auto drawn = static_cast<int64_t>(turn_++);
  if (drawn == 0) return;
  if (law_.phase_requests > 0 && drawn % law_.phase_requests == 0) {
    for (size_t i = experts_ - 1; i > 0; --i)
      std::swap(expert_of_rank_[i], expert_of_rank_[static_cast<size_t>(changes_.below(i + 1))]);
  }
  if (law_.drift_requests > 0 && drawn % law_.drift_requests == 0) {
    const auto a = static_cast<size_t>(changes_.below(experts_));
    const auto b = static_cast<size_t>(changes_.below(experts_));
    std::swap(expert_of_rank_[a], expert_of_rank_[b]);
  }
}

ExpertId ExpertDraw::next() {
  if (law_.kind == PopularityLaw::Kind::kRoundRobin) return ExpertId(turn_++ % experts_);
  if (law_.kind == PopularityLaw::Kind::kUniform)
    return ExpertId(static_cast<size_t>(random_.below(experts_)));
  const double point = random_.uniform() * cumulative_.back();
  const auto above = std::upper_bound(cumulative_.begin(), cumulative_.end(), point);
  const size_t rank = std::min(static_cast<size_t>(above - cumulative_.begin()), experts_ - 1);
  if (expert_of_rank_.empty()) return ExpertId(rank);
  change_ranks();
  return ExpertId(size_t{expert_of_rank_[rank]});
}

}  // namespace rdusim::runtime
