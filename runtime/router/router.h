// The trained router: text or embedding to an expert, or to the base expert when the vote is unsure.
//
//   text ──► Embedder ──► KnnIndex: k nearest, vote, entropy H ──► H <= T ? voted expert : base expert
//
// A class is one expert with the labels it serves; the stored vectors are the training rows of those labels.
// Saved as one file (magic, version, length, SHA-256, content), equal bytes for equal training.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "runtime/router/embedder.h"
#include "runtime/router/knn.h"

namespace rdusim::runtime {

struct RouterClass {
  std::string expert;
  std::vector<std::string> labels;
};

struct RouteDecision {
  std::optional<int32_t> expert_class;  // absent: fall back to the base expert
  int32_t voted_class = 0;
  double entropy_nats = 0;
};

struct Router {
  std::vector<RouterClass> classes;
  std::optional<Embedder> embedder;  // absent: trained on embeddings from a file
  KnnIndex index;
  int64_t k = 1;
  VoteWeighting weighting = VoteWeighting::kUniform;
  double entropy_threshold_nats = 0;

  // Class that serves a label; absent for a label of another kind.
  [[nodiscard]] std::optional<int32_t> class_of_label(const std::string& label) const;
  // Fails when the router was trained on embeddings from a file.
  [[nodiscard]] Result<Tensor> embed(const std::vector<std::string>& texts) const;
  // One decision a row of `embeddings` [n, index.dimensions()]. Fails on another width.
  [[nodiscard]] Result<std::vector<RouteDecision>> route(const Tensor& embeddings) const;
  [[nodiscard]] Result<std::vector<RouteDecision>> route(const std::vector<std::string>& texts) const;

  [[nodiscard]] std::string to_bytes() const;
  static Result<Router> from_bytes(std::string_view bytes, const std::string& file_name);
};

Status save_router(const Router& router, const std::string& path);
Result<Router> load_router(const std::string& path);

// [n, d] embeddings from .npy, or from a safetensors file (tensor "embeddings", or its only tensor).
Result<Tensor> read_embeddings(const std::string& path);

}  // namespace rdusim::runtime
