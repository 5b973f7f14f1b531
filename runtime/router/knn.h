// The k-NN classifier of the Composition of Experts: cosine similarity to stored vectors, k nearest, vote,
// entropy, threshold. Exact (brute force) and deterministic; the chip's kernel (compiler/) computes the same
// definition.
//
// Definition: similarity = dot / (|q| |e|), 0 when a norm is 0. Neighbours by similarity descending, then
// index ascending. Probability of a class = its share of the neighbours' vote weights; voted class = the
// largest, ties to the lowest id. Entropy H = -sum p ln p, in nats. Fall back to the base expert when H >
// threshold. The published router names none of k, T, N, metric and weights: all are configuration values
// here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"

namespace rdusim::runtime {

enum class VoteWeighting : uint8_t {
  kUniform,
  kDistance,    // 1 / (1 - similarity), the distance at least 1e-6
  kSimilarity,  // max(similarity, 0); all neighbours alike when none is above 0
};
inline constexpr std::string_view kVoteWeightingNames[] = {"uniform", "distance", "similarity"};

struct Neighbour {
  int32_t index = 0;
  float similarity = 0;
};

struct KnnVote {
  int32_t label = 0;
  double entropy_nats = 0;
  std::vector<double> probabilities;  // by class
};

class KnnIndex {
 public:
  KnnIndex() = default;
  // vectors [n, d]; labels[n] in [0, classes). Fails on sizes that do not agree, non-finite values, labels
  // out of range.
  static Result<KnnIndex> make(Tensor vectors, std::vector<int32_t> labels, int32_t classes);

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(labels_.size()); }
  [[nodiscard]] int64_t dimensions() const { return vectors_.cols(); }
  [[nodiscard]] int32_t classes() const { return classes_; }
  [[nodiscard]] const Tensor& vectors() const { return vectors_; }
  [[nodiscard]] const std::vector<int32_t>& labels() const { return labels_; }

  // For every row of `queries` [m, dimensions]: its min(k, size) nearest, nearest first.
  [[nodiscard]] std::vector<std::vector<Neighbour>> nearest(const Tensor& queries, int64_t k) const;
  // The vote of the first min(k, given) neighbours.
  [[nodiscard]] KnnVote vote(const std::vector<Neighbour>& neighbours, int64_t k,
                             VoteWeighting weighting) const;

 private:
  Tensor vectors_;
  std::vector<float>
      by_dimension_;  // vectors transposed [d, n]: one query's similarities advance side by side
  std::vector<double> norms_;
  std::vector<int32_t> labels_;
  int32_t classes_ = 0;
};

}  // namespace rdusim::runtime
