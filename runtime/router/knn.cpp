// Exact cosine k-NN; see knn.h for the definition.
#include "runtime/router/knn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "runtime/repeatable_math.h"

namespace rdusim::runtime {
namespace {

constexpr size_t kTile = 512;  // stored vectors whose FP64 sums stay in the L1 cache
constexpr size_t kRun = 32;    // dimensions summed in FP32 before they are added in FP64
constexpr double kSmallestDistance =
    1e-6;  // an exact repeat of a stored vector weighs at most this much more

double norm(const float* v, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(v[i]) * static_cast<double>(v[i]);
  return std::sqrt(sum);
}

Error bad_index(std::string what) {
  return {ErrorCode::kInvalidInput, "router vectors", std::move(what),
          "train the router again, or check the embeddings file"};
}

}  // namespace

Result<KnnIndex> KnnIndex::make(Tensor vectors, std::vector<int32_t> labels, int32_t classes) {
  const auto n = labels.size();
  if (vectors.shape.dims.size() != 2 || vectors.rows() != static_cast<int64_t>(n)) {
    return bad_index(
        fmt::format("{} labels for {} stored vectors", n, vectors.shape.dims.empty() ? 0 : vectors.rows()));
  }
  if (n == 0 || vectors.cols() == 0) return bad_index("no stored vectors");
  for (const int32_t label : labels) {
    if (label < 0 || label >= classes)
      return bad_index(fmt::format("label {} is not one of {} classes", label, classes));
  }
  if (!std::all_of(vectors.values.begin(), vectors.values.end(), [](float x) { return std::isfinite(x); })) {
    return bad_index("a stored vector has a value that is not finite");
  }
  KnnIndex index;
  const auto d = static_cast<size_t>(vectors.cols());
  index.by_dimension_.resize(n * d);
  index.norms_.resize(n);
  for (size_t i = 0; i < n; ++i) {
    index.norms_[i] = norm(&vectors.values[i * d], d);
    for (size_t j = 0; j < d; ++j) index.by_dimension_[j * n + i] = vectors.values[i * d + j];
  }
  index.vectors_ = std::move(vectors);
  index.labels_ = std::move(labels);
  index.classes_ = classes;
  return index;
}

std::vector<std::vector<Neighbour>> KnnIndex::nearest(const Tensor& queries, int64_t k) const {
  const auto n = labels_.size();
  const auto d = static_cast<size_t>(dimensions());
  RDU_CHECK(queries.cols() == dimensions(), "query of {} dimensions, stored {}", queries.cols(),
            dimensions());
  const size_t kept = std::min(n, static_cast<size_t>(std::max<int64_t>(k, 0)));
  const auto count = static_cast<size_t>(queries.rows());
  std::vector<std::vector<Neighbour>> result(count);
  std::vector<Neighbour> all(n);
  std::vector<double> sums(kTile);
  std::vector<float> part(kTile);
  for (size_t q = 0; q < count; ++q) {
    const float* query = &queries.values[q * d];
    const double query_norm = norm(query, d);
    for (size_t begin = 0; begin < n; begin += kTile) {
      const size_t width = std::min(kTile, n - begin);
      std::fill(sums.begin(), sums.end(), 0.0);
      // Every sum runs over the dimensions in the same order, so equal vectors have equal similarities to the
      // last bit.
      for (size_t from = 0; from < d; from += kRun) {
        std::fill(part.begin(), part.end(), 0.0F);
        for (size_t j = from; j < std::min(d, from + kRun); ++j) {
          const float* stored = &by_dimension_[j * n + begin];
          for (size_t i = 0; i < width; ++i) part[i] += query[j] * stored[i];
        }
        for (size_t i = 0; i < width; ++i) sums[i] += static_cast<double>(part[i]);
      }
      for (size_t i = 0; i < width; ++i) {
        const double scale = query_norm * norms_[begin + i];
        all[begin + i] = {static_cast<int32_t>(begin + i),
                          static_cast<float>(scale > 0 ? sums[i] / scale : 0)};
      }
    }
    const auto nearer = [](const Neighbour& a, const Neighbour& b) {
      return a.similarity != b.similarity ? a.similarity > b.similarity : a.index < b.index;
    };
    std::partial_sort(all.begin(), all.begin() + static_cast<int64_t>(kept), all.end(), nearer);
    result[q].assign(all.begin(), all.begin() + static_cast<int64_t>(kept));
  }
  return result;
}

KnnVote KnnIndex::vote(const std::vector<Neighbour>& neighbours, int64_t k, VoteWeighting weighting) const {
  const size_t count = std::min(neighbours.size(), static_cast<size_t>(std::max<int64_t>(k, 0)));
  RDU_CHECK(count > 0, "a vote needs a neighbour, k {}", k);
  KnnVote result;
  result.probabilities.assign(static_cast<size_t>(classes_), 0.0);
  double total = 0;
  const bool none_alike = neighbours.front().similarity <= 0;
  for (size_t i = 0; i < count; ++i) {
    const double s = static_cast<double>(neighbours[i].similarity);
    double weight = 1;
    if (weighting == VoteWeighting::kDistance) weight = 1 / std::max(1 - s, kSmallestDistance);
    if (weighting == VoteWeighting::kSimilarity && !none_alike) weight = std::max(s, 0.0);
    result.probabilities[static_cast<size_t>(labels_[static_cast<size_t>(neighbours[i].index)])] += weight;
    total += weight;
  }
  for (double& p : result.probabilities) {
    p /= total;
    if (p > 0) result.entropy_nats -= p * repeatable_log(p);
  }
  const auto best =
      std::max_element(result.probabilities.begin(), result.probabilities.end());  // the first of equals
  result.label = static_cast<int32_t>(best - result.probabilities.begin());
  return result;
}

}  // namespace rdusim::runtime
