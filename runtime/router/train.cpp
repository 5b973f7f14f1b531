// Training of the router; the rules are in train.h.
#include "runtime/router/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "runtime/repeatable_math.h"

namespace rdusim::runtime {
namespace {

constexpr double kRounding = 1e-9;  // of shares that are equal as fractions; far below one row of any split

Error bad_training(const std::string& where, std::string what, std::string hint) {
  return {ErrorCode::kInvalidInput, where, std::move(what), std::move(hint)};
}

Status check_training(const LabelledSet& train, const LabelledSet& validation,
                      const RouterTrainingOptions& options) {
  if (options.classes.empty()) {
    return bad_training("router", "no expert serves a label", "give the composition's experts labels");
  }
  if (options.k_grid.empty() || *std::min_element(options.k_grid.begin(), options.k_grid.end()) < 1) {
    return bad_training("router k_grid", "every k must be at least 1", "for example: [1, 5, 15]");
  }
  if (!(options.max_detection_loss >= 0 && options.max_detection_loss <= 1)) {
    return bad_training("router max_detection_loss", "the loss is a share between 0 and 1",
                        "for example: 0.02");
  }
  for (const LabelledSet* set : {&train, &validation}) {
    if (set->embeddings && set->embeddings->rows() != static_cast<int64_t>(set->rows.size())) {
      return bad_training(set->name,
                          fmt::format("{} rows but {} embeddings", set->rows.size(), set->embeddings->rows()),
                          "store one embedding a row, in the same order");
    }
  }
  if (train.embeddings.has_value() != validation.embeddings.has_value()) {
    return bad_training(validation.name, "embeddings are given for one of the two splits only",
                        "give both or neither: the two must come from one embedder");
  }
  return {};
}

// Labels of the served classes per row, or an error naming the expert that no row belongs to.
Result<std::vector<std::optional<int32_t>>> row_classes(const LabelledSet& set, const Router& router) {
  std::vector<std::optional<int32_t>> classes;
  std::vector<int64_t> count(router.classes.size(), 0);
  for (const LabelledPrompt& row : set.rows) {
    classes.push_back(router.class_of_label(row.label));
    if (classes.back()) ++count[static_cast<size_t>(*classes.back())];
  }
  for (size_t c = 0; c < count.size(); ++c) {
    if (count[c] > 0) continue;
    return bad_training(set.name,
                        fmt::format("no row has a label of expert {} ({})", router.classes[c].expert,
                                    fmt::join(router.classes[c].labels, ", ")),
                        "the file's labels and the composition's must be the same words");
  }
  return classes;
}

std::vector<std::string> texts_of(const LabelledSet& set) {
  std::vector<std::string> texts;
  for (const LabelledPrompt& row : set.rows) texts.push_back(row.text);
  return texts;
}

Status build_index(const LabelledSet& train, const std::vector<std::optional<int32_t>>& classes,
                   Router& router) {
  Tensor all;
  if (train.embeddings) {
    all = *train.embeddings;
  } else {
    RDU_ASSIGN(all, router.embed(texts_of(train)));
  }
  std::vector<int32_t> labels;
  Tensor known(0, all.cols());
  for (size_t i = 0; i < classes.size(); ++i) {
    if (!classes[i]) continue;
    labels.push_back(*classes[i]);
    const auto row = all.values.begin() + static_cast<int64_t>(i) * all.cols();
    known.values.insert(known.values.end(), row, row + all.cols());
  }
  known.shape.dims[0] = static_cast<int64_t>(labels.size());
  RDU_ASSIGN(router.index, KnnIndex::make(std::move(known), std::move(labels),
                                          static_cast<int32_t>(router.classes.size())));
  return {};
}

using Neighbourhoods = std::vector<std::vector<Neighbour>>;
using RowClasses = std::vector<std::optional<int32_t>>;

std::vector<KTrial> try_every_k(const Router& router, const Neighbourhoods& neighbours,
                                const RowClasses& truth, const std::vector<int64_t>& grid) {
  std::vector<KTrial> trials;
  for (const int64_t k : grid) {
    if (k > router.index.size() && k != grid.front()) continue;
    int64_t right = 0;
    int64_t known = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
      if (!truth[i]) continue;
      ++known;
      right += router.index.vote(neighbours[i], k, router.weighting).label == *truth[i] ? 1 : 0;
    }
    trials.push_back({k, static_cast<double>(right) / static_cast<double>(known)});
  }
  return trials;
}

// Step 2 for one k.
std::optional<ThresholdChoice> threshold_at(const Router& router, const Neighbourhoods& neighbours,
                                            const RowClasses& truth, int64_t k, bool fall_back,
                                            double least_detection_rate) {
  std::vector<std::pair<double, bool>> known;
  std::vector<double> unknown;
  for (size_t i = 0; i < truth.size(); ++i) {
    const KnnVote vote = router.index.vote(neighbours[i], k, router.weighting);
    if (truth[i]) {
      known.emplace_back(vote.entropy_nats, vote.label == *truth[i]);
    } else if (fall_back) {
      unknown.push_back(vote.entropy_nats);
    }
  }
  const double never = repeatable_log(static_cast<double>(router.classes.size())) + 1;
  return choose_threshold(known, unknown, least_detection_rate, never);
}

void choose_k_and_threshold(const Neighbourhoods& neighbours, const RowClasses& truth,
                            const RouterTrainingOptions& options, RouterTraining& result) {
  Router& router = result.router;
  double best = 0;
  for (const KTrial& t : result.k_trials) best = std::max(best, t.accuracy);
  const auto known = std::count_if(truth.begin(), truth.end(), [](const auto& t) { return t.has_value(); });
  // A loss that is allowed at all is at least one row: a small split cannot tell less.
  const double one_row = 1 / static_cast<double>(known);
  const double loss = options.max_detection_loss > 0 ? std::max(options.max_detection_loss, one_row) : 0;
  const double least = best - loss - kRounding;
  std::optional<std::tuple<double, double, int64_t>> winner;  // fall-back, detection, -k
  for (const KTrial& trial : result.k_trials) {
    const auto choice = threshold_at(router, neighbours, truth, trial.k, options.fall_back, least);
    if (!choice) continue;
    const std::tuple rank{choice->fallback_rate, choice->detection_rate, -trial.k};
    if (winner && rank <= *winner) continue;
    winner = rank;
    router.k = trial.k;
    router.entropy_threshold_nats = choice->threshold_nats;
    result.detection_rate = choice->detection_rate;
    result.fallback_rate = choice->fallback_rate;
  }
}

}  // namespace

std::vector<RouterClass> classes_of_labels(const std::vector<LabelledPrompt>& rows) {
  std::set<std::string> labels;
  for (const LabelledPrompt& row : rows) labels.insert(row.label);
  std::vector<RouterClass> classes;
  for (const std::string& label : labels) classes.push_back({label, {label}});
  return classes;
}

std::pair<std::vector<LabelledPrompt>, std::vector<LabelledPrompt>> hold_out(
    const std::vector<LabelledPrompt>& rows, int64_t every) {
  std::map<std::string, int64_t> seen;
  std::pair<std::vector<LabelledPrompt>, std::vector<LabelledPrompt>> parts;
  for (const LabelledPrompt& row : rows) {
    const bool held = ++seen[row.label] % every == 0;
    (held ? parts.second : parts.first).push_back(row);
  }
  return parts;
}

std::optional<ThresholdChoice> choose_threshold(const std::vector<std::pair<double, bool>>& known,
                                                const std::vector<double>& unknown,
                                                double least_detection_rate, double above_every_entropy) {
  const auto at = [&](double threshold) {
    ThresholdChoice choice{threshold, 0, 0};
    for (const auto& [entropy, right] : known) choice.detection_rate += right && entropy <= threshold ? 1 : 0;
    for (const double entropy : unknown) choice.fallback_rate += entropy > threshold ? 1 : 0;
    if (!known.empty()) choice.detection_rate /= static_cast<double>(known.size());
    if (!unknown.empty()) choice.fallback_rate /= static_cast<double>(unknown.size());
    return choice;
  };
  std::set<double> entropies(unknown.begin(), unknown.end());
  for (const auto& [entropy, right] : known) entropies.insert(entropy);
  std::vector<double> candidates{above_every_entropy};
  const std::vector<double> sorted(entropies.begin(), entropies.end());
  for (size_t i = sorted.size(); i-- > 1;) candidates.push_back((sorted[i - 1] + sorted[i]) / 2);
  // From the largest down: detection only falls, fall-back only rises.
  std::optional<ThresholdChoice> best;
  for (const double threshold : candidates) {
    const ThresholdChoice choice = at(threshold);
    if (choice.detection_rate < least_detection_rate) break;
    if (!best || choice.fallback_rate > best->fallback_rate) best = choice;
  }
  return best;
}

Result<RouterTraining> train_router(const LabelledSet& train, const LabelledSet& validation,
                                    const RouterTrainingOptions& options) {
  RDU_CHECK_OK(check_training(train, validation, options));
  RouterTraining result;
  Router& router = result.router;
  router.classes = options.classes;
  router.weighting = options.weighting;
  RDU_ASSIGN(const auto train_classes, row_classes(train, router));
  RDU_ASSIGN(const auto truth, row_classes(validation, router));
  if (!train.embeddings) {
    RDU_ASSIGN(router.embedder, Embedder::train(texts_of(train), options.embedder));
  }
  RDU_CHECK_OK(build_index(train, train_classes, router));
  Tensor queries;
  if (validation.embeddings) {
    queries = *validation.embeddings;
  } else {
    RDU_ASSIGN(queries, router.embed(texts_of(validation)));
  }
  if (queries.cols() != router.index.dimensions()) {
    return bad_training(validation.name,
                        fmt::format("embeddings of {} dimensions, those of {} have {}", queries.cols(),
                                    train.name, router.index.dimensions()),
                        "embed both splits with one model");
  }
  const auto neighbours =
      router.index.nearest(queries, *std::max_element(options.k_grid.begin(), options.k_grid.end()));
  result.k_trials = try_every_k(router, neighbours, truth, options.k_grid);
  choose_k_and_threshold(neighbours, truth, options, result);
  result.stored_vectors = router.index.size();
  return result;
}

}  // namespace rdusim::runtime
