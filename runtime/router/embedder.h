// The built-in embedder: text to a unit vector, deterministic, trained in seconds, nothing to download.
//
//   text ──► hashed n-grams ──► (1 + ln count) · idf ──► signed sketch ──► linear projection ──► unit vector
//            2^18 buckets       each family to unit      4096              192 (learnt)
//
// It stands in for the deployed system's e5-mistral-7b-instruct, whose weights are not here: the time of the
// embedding pass is that model's (composition: router.model), the vectors are these. The projection is the
// leading right singular space of the training sketches (randomised subspace iteration: Halko, Martinsson,
// Tropp 2011), no label is looked at. Leaves out: word order beyond pairs, meaning across languages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "runtime/router/bytes.h"

namespace rdusim::runtime {

// Defaults chosen by 9-way accuracy and AUROC of unknown labels on the validation split of the router data.
struct EmbedderOptions {
  int64_t buckets = int64_t{1} << 18;  // of the inverse document frequency
  int64_t sketch_dimensions = 4096;
  int64_t dimensions = 192;       // of the vectors; fewer when the training set is smaller
  int64_t minimum_documents = 2;  // a feature seen in fewer training texts is ignored
  double word_share = 0.5;        // weight of the word family; the rest is the character family's
  double flattening = 0.3;        // component i is divided by (singular value i)^flattening
  int iterations = 3;             // of the subspace iteration
  uint64_t seed = 1;
};

class Embedder {
 public:
  // Fails (kInvalidInput) on no texts, texts without any feature, and options that make no sense.
  static Result<Embedder> train(const std::vector<std::string>& texts, const EmbedderOptions& options);

  [[nodiscard]] int64_t dimensions() const { return dimensions_; }
  // [texts, dimensions], unit rows; a text without known features is a zero row.
  [[nodiscard]] Tensor embed(const std::vector<std::string>& texts) const;

  void write(ByteWriter& writer) const;
  static Result<Embedder> read(ByteReader& reader);

 private:
  struct SketchRow {
    std::vector<int32_t> columns;
    std::vector<float> values;
  };
  [[nodiscard]] SketchRow sketch(const std::string& text) const;

  int64_t sketch_dimensions_ = 0;
  int64_t dimensions_ = 0;
  double word_share_ = 0;
  std::vector<float> idf_;         // [buckets]; 0 = ignored
  std::vector<float> projection_;  // [sketch_dimensions, dimensions]
};

}  // namespace rdusim::runtime
