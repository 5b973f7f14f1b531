// Training of the router: embedder, stored vectors, k and the entropy threshold T.
//
// Known rows carry a label that a class serves; unknown rows carry another. The embedder learns from all
// training texts (no label is used); the stored vectors are the known training rows only. On the validation
// rows:
//  1. For each k of the grid: accuracy of the vote on known rows without fall-back. A is the best of them.
//  2. Over all k and T: the largest share of unknown rows that fall back, while the detection of known rows
//     (right class and H <= T) stays at least A - `max_detection_loss`. For one k both shares change with T
//     alone, so its T is the smallest that keeps the detection; of equal ones the largest, halfway between
//     two entropies that occurred. A loss that is allowed is at least one row. Ties between k: the higher
//     detection, then the smaller k.
//
// Without unknown rows, or without a base expert, nothing falls back: T lies above every entropy, k is the
// most accurate. The published router states the rule (largest gain in correct fall-back that hardly lowers
// detection) without numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/router/router.h"
#include "runtime/workload/labelled_prompts.h"

namespace rdusim::runtime {

struct RouterTrainingOptions {
  std::vector<RouterClass> classes;
  bool fall_back = true;  // the composition has a base expert
  std::vector<int64_t> k_grid = {1, 3, 5, 9, 15, 25, 40};
  VoteWeighting weighting = VoteWeighting::kDistance;
  double max_detection_loss = 0.02;
  EmbedderOptions embedder;
};

struct LabelledSet {
  std::string name;  // for errors
  std::vector<LabelledPrompt> rows;
  std::optional<Tensor> embeddings;  // [rows, d], from a file; else the built-in embedder
};

struct KTrial {
  int64_t k = 0;
  double accuracy = 0;  // known validation rows, without fall-back
};

struct RouterTraining {
  Router router;
  std::vector<KTrial> k_trials;  // in the grid's order
  double detection_rate = 0;     // at T, known validation rows
  double fallback_rate = 0;      // at T, unknown validation rows (0 if there are none)
  int64_t stored_vectors = 0;
};

// Fails when a class has no training or validation rows, sizes do not agree, or an option is out of range.
Result<RouterTraining> train_router(const LabelledSet& train, const LabelledSet& validation,
                                    const RouterTrainingOptions& options);

// One class a label, sorted by name: a router that knows every label.
std::vector<RouterClass> classes_of_labels(const std::vector<LabelledPrompt>& rows);

// Holds out every n-th row of each label, in file order: {the others, held out}. For when no validation file
// is given.
std::pair<std::vector<LabelledPrompt>, std::vector<LabelledPrompt>> hold_out(
    const std::vector<LabelledPrompt>& rows, int64_t every);

struct ThresholdChoice {
  double threshold_nats = 0;
  double detection_rate = 0;
  double fallback_rate = 0;
};
// Step 2 for one k. `known`: entropy and whether the voted class is right; `unknown`: entropies. Absent when
// even without fall-back less is detected than asked.
std::optional<ThresholdChoice> choose_threshold(const std::vector<std::pair<double, bool>>& known,
                                                const std::vector<double>& unknown,
                                                double least_detection_rate, double above_every_entropy);

}  // namespace rdusim::runtime
