// How well a router does on labelled rows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/router/train.h"

namespace rdusim::runtime {

struct LabelEvaluation {
  std::string label;
  bool known = false;  // some expert serves it
  int64_t rows = 0;
  // Known label: rows sent to the right expert, fall-backs counted as wrong. Unknown label: rows sent to the
  // base expert.
  double accuracy = 0;
  double fallback_rate = 0;
};

struct EntropyHistogram {
  std::vector<double> edges_nats;  // bins + 1, from 0 to ln(classes)
  std::vector<int64_t> known;      // rows a bin; the last bin includes its upper edge
  std::vector<int64_t> unknown;
};

struct RouterEvaluation {
  int64_t rows = 0;
  int64_t known_rows = 0;
  double accuracy = 0;                   // known rows sent to the right expert, fall-backs counted as wrong
  double accuracy_without_fallback = 0;  // known rows whose vote is right, whatever the threshold says
  double fallback_rate = 0;              // of all rows
  double fallback_rate_known = 0;
  double fallback_rate_unknown = 0;
  std::vector<LabelEvaluation> per_label;  // sorted by label
  // Probability that an unknown row has a higher entropy than a known one, ties half. Absent if one kind is
  // missing.
  std::optional<double> auroc_unknown;
  EntropyHistogram entropy;
};

// Fails when the set's embeddings are missing (router without embedder) or of another width.
Result<RouterEvaluation> evaluate_router(const Router& router, const LabelledSet& set,
                                         int histogram_bins = 20);

// Area under the ROC curve of `positive` scores above `negative` ones (Mann-Whitney, ties half). Both not
// empty.
double auroc(const std::vector<double>& positive, const std::vector<double>& negative);

}  // namespace rdusim::runtime
