// Parsing and evaluation of service objectives.
#include "runtime/planning/objective.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/io/document.h"

namespace rdusim::runtime {
namespace {

constexpr std::array<std::string_view, 5> kMetrics = {"ttft", "tpot", "e2e", "queueing", "switching"};
constexpr double kMostSeconds = 1e6;
constexpr size_t kMostClauses = 32;

struct Word {
  std::string text;  // small letters
  size_t column = 1;
};

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Words end at blanks and around "<", "<=" and ","; a unit parts from its number.
std::vector<Word> split(std::string_view text) {
  std::vector<Word> words;
  for (size_t i = 0; i < text.size();) {
    if (is_space(text[i])) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    const auto ends_word = [](char c) { return is_space(c) || c == '<' || c == '>' || c == '=' || c == ','; };
    if (text[i] == '<' || text[i] == '>' || text[i] == '=') {
      if (end < text.size() && text[end] == '=') ++end;
    } else if (text[i] != ',') {
      while (end < text.size() && !ends_word(text[end])) ++end;
    }
    std::string word(text.substr(i, end - i));
    for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    words.push_back({std::move(word), i + 1});
    i = end;
  }
  return words;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : words_(split(text)), end_column_(text.size() + 1) {}

  Result<Objective> parse() {
    Objective objective;
    for (;;) {
      RDU_ASSIGN(const ObjectiveClause clause, parse_clause());
      objective.clauses.push_back(clause);
      if (at_ == words_.size()) return objective;
      if (objective.clauses.size() == kMostClauses) return wrong("too many clauses", "32 at most");
      if (words_[at_].text != "and" && words_[at_].text != ",")
        return wrong(fmt::format("expected 'and', found '{}'", words_[at_].text),
                     "clauses are joined by 'and'");
      ++at_;
    }
  }

 private:
  Error wrong(std::string what, std::string hint) const {
    const size_t column = at_ < words_.size() ? words_[at_].column : end_column_;
    return {ErrorCode::kInvalidInput, fmt::format("objective:1:{}", column), std::move(what),
            hint.empty() ? "for example: p95 ttft < 0.5 s" : std::move(hint)};
  }
  Error expected(const std::string& kind, const std::vector<std::string>& known) const {
    if (at_ == words_.size())
      return wrong(fmt::format("expected {} at the end", kind),
                   fmt::format("known: {}", fmt::join(known, ", ")));
    const std::string near = nearest(words_[at_].text, known);
    return wrong(fmt::format("'{}' is no {}", words_[at_].text.substr(0, 40), kind),
                 fmt::format("{}known: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                             fmt::join(known, ", ")));
  }

  Result<ObjectiveClause> parse_clause() {
    ObjectiveClause clause;
    RDU_CHECK_OK(parse_statistic(clause));
    const std::vector<std::string> metrics(kMetrics.begin(), kMetrics.end());
    const auto metric =
        at_ < words_.size() ? std::find(kMetrics.begin(), kMetrics.end(), words_[at_].text) : kMetrics.end();
    if (metric == kMetrics.end()) return expected("metric", metrics);
    clause.metric = static_cast<ObjectiveClause::Metric>(metric - kMetrics.begin());
    ++at_;
    if (at_ == words_.size() || (words_[at_].text != "<" && words_[at_].text != "<="))
      return expected("comparison", {"<", "<="});
    clause.or_equal = words_[at_++].text == "<=";
    RDU_CHECK_OK(parse_limit(clause));
    return clause;
  }

  Status parse_statistic(ObjectiveClause& clause) {
    const std::vector<std::string> known = {"mean", "max", "p50", "p90", "p95", "p99", "p99.9"};
    if (at_ == words_.size()) return expected("statistic", known);
    const std::string& word = words_[at_].text;
    if (word == "mean" || word == "max") {
      clause.statistic =
          word == "mean" ? ObjectiveClause::Statistic::kMean : ObjectiveClause::Statistic::kMax;
      ++at_;
      return {};
    }
    const auto [end, problem] =
        std::from_chars(word.data() + 1, word.data() + word.size(), clause.percent, std::chars_format::fixed);
    if (word[0] != 'p' || problem != std::errc() || end != word.data() + word.size() ||
        !(clause.percent > 0) || !(clause.percent < 100)) {
      return expected("statistic", known);
    }
    clause.statistic = ObjectiveClause::Statistic::kPercentile;
    ++at_;
    return {};
  }

  Status parse_limit(ObjectiveClause& clause) {
    if (at_ == words_.size()) return wrong("expected a time at the end", "for example: 0.5 s, 40 ms");
    const std::string& word = words_[at_].text;
    double value = 0;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (problem != std::errc() || !std::isfinite(value) || value <= 0)
      return wrong(fmt::format("'{}' is no time above 0", word.substr(0, 40)), "for example: 0.5 s, 40 ms");
    std::string unit(end, word.data() + word.size());
    if (unit.empty()) {
      ++at_;
      if (at_ < words_.size()) unit = words_[at_].text;
    }
    const double scale = unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "us" ? 1e-6 : 0;
    if (scale == 0) return wrong("a time needs its unit", "known: s, ms, us");
    clause.limit_s = value * scale;
    if (!(clause.limit_s > 0) || clause.limit_s > kMostSeconds)
      return wrong("the time is beyond 10^6 s, or nothing", "for example: 0.5 s, 40 ms");
    ++at_;
    return {};
  }

  std::vector<Word> words_;
  size_t end_column_;
  size_t at_ = 0;
};

// Seconds of one request; negative: it has none (one token has no later ones).
double metric_s(const RequestRecord& r, ObjectiveClause::Metric metric) {
  switch (metric) {
    case ObjectiveClause::Metric::kTtft:
      return seconds(r.time_to_first_token());
    case ObjectiveClause::Metric::kTpot:
      return r.output_tokens < 2 ? -1 : seconds(r.decode) / static_cast<double>(r.output_tokens - 1);
    case ObjectiveClause::Metric::kEndToEnd:
      return seconds(r.end_to_end());
    case ObjectiveClause::Metric::kQueueing:
      return seconds(r.queueing);
    case ObjectiveClause::Metric::kSwitching:
      return seconds(r.switching);
  }
  RDU_CHECK(false, "metric {}", static_cast<int>(metric));
}

double statistic_of(std::vector<double> values, const ObjectiveClause& clause) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  if (clause.statistic == ObjectiveClause::Statistic::kMax) return values.back();
  if (clause.statistic == ObjectiveClause::Statistic::kMean) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }
  const double rank = std::ceil(clause.percent / 100 * static_cast<double>(values.size()));
  return values[std::min(values.size(), std::max<size_t>(1, static_cast<size_t>(rank))) - 1];
}

}  // namespace

std::string ObjectiveClause::to_string() const {
  const std::string name = statistic == Statistic::kMean  ? "mean"
                           : statistic == Statistic::kMax ? "max"
                                                          : fmt::format("p{}", percent);
  return fmt::format("{} {} {} {} s", name, kMetrics[static_cast<size_t>(metric)], or_equal ? "<=" : "<",
                     limit_s);
}

std::string Objective::to_string() const {
  std::string text;
  for (const ObjectiveClause& clause : clauses) text += (text.empty() ? "" : " and ") + clause.to_string();
  return text;
}

Result<Objective> parse_objective(std::string_view text) {
  return Parser(text).parse();
}

ObjectiveValue evaluate(const Objective& objective, const std::vector<RequestRecord>& records) {
  ObjectiveValue result;
  for (const RequestRecord& r : records) result.failed += r.failed ? 1 : 0;
  result.met = result.failed == 0;
  for (const ObjectiveClause& clause : objective.clauses) {
    std::vector<double> values;
    for (const RequestRecord& r : records) {
      const double value = metric_s(r, clause.metric);
      if (!r.failed && value >= 0) values.push_back(value);
    }
    ClauseValue value;
    value.value_s = statistic_of(std::move(values), clause);
    value.met = value.value_s < clause.limit_s || (clause.or_equal && value.value_s == clause.limit_s);
    value.share_of_limit = value.value_s / clause.limit_s;
    result.met = result.met && value.met;
    result.worst_share = std::max(result.worst_share, value.share_of_limit);
    result.clauses.push_back(value);
  }
  return result;
}

}  // namespace rdusim::runtime
