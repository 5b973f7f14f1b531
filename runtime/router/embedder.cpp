// Training and use of the built-in embedder; see embedder.h.
#include "runtime/router/embedder.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "runtime/repeatable_math.h"
#include "runtime/router/features.h"
#include "runtime/router/subspace.h"

namespace rdusim::runtime {
namespace {

// A direction that fewer texts than this span is chance: small training sets get fewer dimensions.
constexpr int64_t kRowsPerDimension = 4;
constexpr int64_t kLeastDimensions = 8;

Status check_options(const EmbedderOptions& o) {
  const bool sound = o.buckets > 0 && o.sketch_dimensions > 0 && o.dimensions > 0 &&
                     o.minimum_documents > 0 && o.word_share >= 0 && o.word_share <= 1 && o.flattening >= 0 &&
                     o.flattening <= 1 && o.iterations > 0;
  if (sound) return {};
  return Error{ErrorCode::kInvalidInput, "router embedder", "an option is out of range",
               "sizes are positive, word_share and flattening lie in [0, 1]"};
}

size_t bucket_of(uint64_t hash, size_t buckets) {
  return static_cast<size_t>(hash % buckets);
}

// Smoothed inverse document frequency of every bucket, 0 for those seen too seldom.
std::vector<float> train_idf(const std::vector<std::string>& texts, const EmbedderOptions& options) {
  std::vector<int64_t> documents(static_cast<size_t>(options.buckets), 0);
  std::vector<size_t> touched;
  for (const std::string& text : texts) {
    touched.clear();
    for (const FeatureCount& f : text_features(text)) touched.push_back(bucket_of(f.hash, documents.size()));
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (const size_t bucket : touched) ++documents[bucket];
  }
  std::vector<float> idf(documents.size(), 0.0F);
  const auto n = static_cast<double>(texts.size());
  for (size_t i = 0; i < idf.size(); ++i) {
    if (documents[i] < options.minimum_documents) continue;
    idf[i] = static_cast<float>(1 + repeatable_log((1 + n) / (1 + static_cast<double>(documents[i]))));
  }
  return idf;
}

}  // namespace

Embedder::SketchRow Embedder::sketch(const std::string& text) const {
  const std::vector<FeatureCount> features = text_features(text);
  std::vector<double> weights(features.size(), 0.0);
  double norm2[kFeatureFamilies] = {0, 0};
  for (size_t i = 0; i < features.size(); ++i) {
    const double idf = static_cast<double>(idf_[bucket_of(features[i].hash, idf_.size())]);
    weights[i] = (1 + repeatable_log(static_cast<double>(features[i].count))) * idf;
    norm2[static_cast<size_t>(features[i].family)] += weights[i] * weights[i];
  }
  const double share[kFeatureFamilies] = {word_share_, 1 - word_share_};
  std::vector<std::pair<int32_t, float>> cells;
  for (size_t i = 0; i < features.size(); ++i) {
    if (weights[i] <= 0) continue;
    const auto family = static_cast<size_t>(features[i].family);
    const double value = weights[i] / std::sqrt(norm2[family]) * share[family];
    const uint64_t draw = Random(features[i].hash).next();  // column and sign, independent of the bucket
    const auto column = static_cast<int32_t>((draw >> 8) % static_cast<uint64_t>(sketch_dimensions_));
    cells.emplace_back(column, static_cast<float>((draw & 1) != 0 ? value : -value));
  }
  std::stable_sort(cells.begin(), cells.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  SketchRow row;
  for (const auto& [column, value] : cells) {
    if (!row.columns.empty() && row.columns.back() == column) {
      row.values.back() += value;
    } else {
      row.columns.push_back(column);
      row.values.push_back(value);
    }
  }
  return row;
}

Result<Embedder> Embedder::train(const std::vector<std::string>& texts, const EmbedderOptions& options) {
  RDU_CHECK_OK(check_options(options));
  if (texts.empty()) {
    return Error{ErrorCode::kInvalidInput, "router embedder", "no training texts",
                 "give a labelled JSONL file with rows"};
  }
  Embedder embedder;
  embedder.sketch_dimensions_ = options.sketch_dimensions;
  embedder.word_share_ = options.word_share;
  embedder.idf_ = train_idf(texts, options);
  SparseRows matrix;
  matrix.cols = options.sketch_dimensions;
  for (const std::string& text : texts) {
    const SketchRow row = embedder.sketch(text);
    matrix.columns.insert(matrix.columns.end(), row.columns.begin(), row.columns.end());
    matrix.values.insert(matrix.values.end(), row.values.begin(), row.values.end());
    matrix.row_begin.push_back(static_cast<int64_t>(matrix.columns.size()));
  }
  const int64_t rows = static_cast<int64_t>(texts.size());
  const int64_t dimensions =
      std::min(options.dimensions, std::max(kLeastDimensions, rows / kRowsPerDimension));
  SingularSpace space = leading_singular_space(matrix, dimensions, options.iterations, options.seed);
  if (space.dimensions == 0) {
    return Error{ErrorCode::kInvalidInput, "router embedder", "the training texts share no features",
                 "train on more rows: a feature counts when two texts have it"};
  }
  embedder.dimensions_ = space.dimensions;
  const auto width = static_cast<size_t>(space.dimensions);
  for (size_t i = 0; i < space.vectors.size(); ++i) {
    space.vectors[i] *= static_cast<float>(
        repeatable_exp(-options.flattening * repeatable_log(space.singular_values[i % width])));
  }
  embedder.projection_ = std::move(space.vectors);
  return embedder;
}

Tensor Embedder::embed(const std::vector<std::string>& texts) const {
  Tensor out(static_cast<int64_t>(texts.size()), dimensions_);
  const auto width = static_cast<size_t>(dimensions_);
  std::vector<double> sum(width);
  for (size_t t = 0; t < texts.size(); ++t) {
    const SketchRow row = sketch(texts[t]);
    std::fill(sum.begin(), sum.end(), 0.0);
    for (size_t i = 0; i < row.columns.size(); ++i) {
      const float* p = projection_.data() + static_cast<size_t>(row.columns[i]) * width;
      const auto value = static_cast<double>(row.values[i]);
      for (size_t d = 0; d < width; ++d) sum[d] += value * static_cast<double>(p[d]);
    }
    double norm2 = 0;
    for (const double x : sum) norm2 += x * x;
    if (norm2 <= 0) continue;
    const double scale = 1 / std::sqrt(norm2);
    for (size_t d = 0; d < width; ++d) out.values[t * width + d] = static_cast<float>(sum[d] * scale);
  }
  return out;
}

void Embedder::write(ByteWriter& writer) const {
  writer.number(sketch_dimensions_);
  writer.number(dimensions_);
  writer.number(word_share_);
  writer.list(idf_);
  writer.list(projection_);
}

Result<Embedder> Embedder::read(ByteReader& reader) {
  Embedder e;
  RDU_ASSIGN(e.sketch_dimensions_, reader.number<int64_t>("the sketch size"));
  RDU_ASSIGN(e.dimensions_, reader.number<int64_t>("the vector size"));
  RDU_ASSIGN(e.word_share_, reader.number<double>("the word share"));
  RDU_ASSIGN(e.idf_, reader.list<float>("the document frequencies"));
  RDU_ASSIGN(e.projection_, reader.list<float>("the projection"));
  constexpr int64_t kLargest = 1 << 24;  // keeps the product below inside 64 bits
  const bool sized = e.sketch_dimensions_ > 0 && e.sketch_dimensions_ < kLargest && e.dimensions_ > 0 &&
                     e.dimensions_ < kLargest && !e.idf_.empty();
  if (!sized || static_cast<int64_t>(e.projection_.size()) != e.sketch_dimensions_ * e.dimensions_) {
    return reader.broken("the embedder's sizes do not agree");
  }
  return e;
}

}  // namespace rdusim::runtime
