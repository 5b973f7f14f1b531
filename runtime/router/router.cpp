// Routing with a trained router.
#include "runtime/router/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/io/tensor_file.h"

namespace rdusim::runtime {

std::optional<int32_t> Router::class_of_label(const std::string& label) const {
  for (size_t c = 0; c < classes.size(); ++c) {
    const auto& labels = classes[c].labels;
    if (std::find(labels.begin(), labels.end(), label) != labels.end()) return static_cast<int32_t>(c);
  }
  return std::nullopt;
}

Result<Tensor> Router::embed(const std::vector<std::string>& texts) const {
  if (embedder.has_value()) return embedder->embed(texts);
  return Error{ErrorCode::kInvalidInput, "router",
               "the router was trained on embeddings from a file and cannot embed text",
               "give the requests' embeddings too, or train the router without an embeddings file"};
}

Result<std::vector<RouteDecision>> Router::route(const Tensor& embeddings) const {
  if (embeddings.cols() != index.dimensions()) {
    return Error{ErrorCode::kInvalidInput, "router",
                 fmt::format("embeddings have {} dimensions, the stored vectors {}", embeddings.cols(),
                             index.dimensions()),
                 "embed the queries with the model that embedded the training rows"};
  }
  std::vector<RouteDecision> decisions;
  for (const auto& neighbours : index.nearest(embeddings, k)) {
    const KnnVote vote = index.vote(neighbours, k, weighting);
    RouteDecision decision{std::nullopt, vote.label, vote.entropy_nats};
    if (vote.entropy_nats <= entropy_threshold_nats) decision.expert_class = vote.label;
    decisions.push_back(decision);
  }
  return decisions;
}

Result<std::vector<RouteDecision>> Router::route(const std::vector<std::string>& texts) const {
  RDU_ASSIGN(const Tensor embeddings, embed(texts));
  return route(embeddings);
}

Result<Tensor> read_embeddings(const std::string& path) {
  const auto ends_with = [&](std::string_view end) {
    return path.size() >= end.size() && path.compare(path.size() - end.size(), end.size(), end) == 0;
  };
  Tensor tensor;
  if (ends_with(".npy")) {
    RDU_ASSIGN(tensor, read_npy(path));
  } else if (ends_with(".safetensors")) {
    RDU_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
    const bool single = file.entries().size() == 1;
    RDU_ASSIGN(tensor, file.read(single ? file.entries().front().name : "embeddings"));
  } else {
    return Error{ErrorCode::kUnsupported, path, "embeddings are read from .npy or .safetensors",
                 "convert the file"};
  }
  if (tensor.shape.dims.size() == 2 && tensor.rows() > 0 && tensor.cols() > 0) return tensor;
  return Error{ErrorCode::kInvalidInput, path,
               fmt::format("embeddings have shape [{}]", fmt::join(tensor.shape.dims, ", ")),
               "store one row a prompt: [prompts, dimensions]"};
}

}  // namespace rdusim::runtime
