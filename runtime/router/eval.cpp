// Evaluation of a router.
#include "runtime/router/eval.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "runtime/repeatable_math.h"

namespace rdusim::runtime {
namespace {

struct Tally {
  int64_t rows = 0;
  int64_t right = 0;
  int64_t fallback = 0;
};

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

EntropyHistogram histogram(const std::vector<double>& known, const std::vector<double>& unknown, double top,
                           int bins) {
  EntropyHistogram h;
  const double width = std::max(top, 1e-9) / bins;
  for (int i = 0; i <= bins; ++i) h.edges_nats.push_back(width * i);
  const auto fill = [&](const std::vector<double>& from, std::vector<int64_t>& into) {
    into.assign(static_cast<size_t>(bins), 0);
    for (const double x : from)
      ++into[static_cast<size_t>(std::clamp(static_cast<int>(x / width), 0, bins - 1))];
  };
  fill(known, h.known);
  fill(unknown, h.unknown);
  return h;
}

}  // namespace

double auroc(const std::vector<double>& positive, const std::vector<double>& negative) {
  RDU_CHECK(!positive.empty() && !negative.empty(), "auroc of {} and {} scores", positive.size(),
            negative.size());
  std::vector<double> sorted = negative;
  std::sort(sorted.begin(), sorted.end());
  int64_t half_wins = 0;  // a win counts 2, a tie 1
  for (const double p : positive) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), p);
    half_wins += (low - sorted.begin()) + (high - sorted.begin());
  }
  return static_cast<double>(half_wins) / 2 / static_cast<double>(positive.size()) /
         static_cast<double>(negative.size());
}

Result<RouterEvaluation> evaluate_router(const Router& router, const LabelledSet& set, int histogram_bins) {
  RDU_CHECK(histogram_bins > 0, "a histogram of {} bins", histogram_bins);
  std::vector<std::string> texts;
  for (const LabelledPrompt& row : set.rows) texts.push_back(row.text);
  if (set.embeddings && set.embeddings->rows() != static_cast<int64_t>(set.rows.size())) {
    return Error{ErrorCode::kInvalidInput, set.name, "rows and embeddings differ in number",
                 "store one embedding a row"};
  }
  RDU_ASSIGN(const std::vector<RouteDecision> decisions,
             set.embeddings ? router.route(*set.embeddings) : router.route(texts));
  RouterEvaluation e;
  std::map<std::string, Tally> tallies;
  std::vector<double> known;
  std::vector<double> unknown;
  Tally all_known;
  Tally all_unknown;
  int64_t votes_right = 0;
  for (size_t i = 0; i < set.rows.size(); ++i) {
    const auto truth = router.class_of_label(set.rows[i].label);
    const bool fallback = !decisions[i].expert_class.has_value();
    const bool right = truth ? decisions[i].expert_class == truth : fallback;
    (truth ? known : unknown).push_back(decisions[i].entropy_nats);
    for (Tally* tally : {&tallies[set.rows[i].label], truth ? &all_known : &all_unknown}) {
      ++tally->rows;
      tally->right += right ? 1 : 0;
      tally->fallback += fallback ? 1 : 0;
    }
    votes_right += truth && decisions[i].voted_class == *truth ? 1 : 0;
  }
  e.rows = static_cast<int64_t>(set.rows.size());
  e.known_rows = all_known.rows;
  e.accuracy = share(all_known.right, all_known.rows);
  e.accuracy_without_fallback = share(votes_right, all_known.rows);
  e.fallback_rate = share(all_known.fallback + all_unknown.fallback, e.rows);
  e.fallback_rate_known = share(all_known.fallback, all_known.rows);
  e.fallback_rate_unknown = share(all_unknown.fallback, all_unknown.rows);
  for (const auto& [label, t] : tallies) {
    e.per_label.push_back({label, router.class_of_label(label).has_value(), t.rows, share(t.right, t.rows),
                           share(t.fallback, t.rows)});
  }
  if (!known.empty() && !unknown.empty()) e.auroc_unknown = auroc(unknown, known);
  e.entropy =
      histogram(known, unknown, repeatable_log(static_cast<double>(router.classes.size())), histogram_bins);
  return e;
}

}  // namespace rdusim::runtime
