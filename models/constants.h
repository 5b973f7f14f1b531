// Constants that a graph names and WeightSource computes. The name holds all parameters, so equal names are
// equal tensors:
//   rope_table?dim=128&positions=4096&scaling=none&theta=10000     [positions, dim]: cosines, then sines
//   ...&scaling=linear&factor=4...   ...&scaling=llama3&factor=8&low=1&high=4&original=8192...
//   ...&turn=back                    the same with the sines negated: turns back (gradients)
//   ...&past=100&parents=-1.0.0.1    the rows of a tree of candidates: a node at position past + its depth
//   inverse_norms?of=embeddings      [1, N]: 1 / |row|, 0 for a zero row, of a tensor [N, d] of the weights
//   file
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"

namespace rdusim::models {

struct RopeScaling {
  enum class Kind : uint8_t { kNone, kLinear, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1;
  double low_freq_factor = 1;  // llama3 only, as the following
  double high_freq_factor = 4;
  double original_positions = 8192;
};

struct RopeParameters {
  double theta = 10000;
  RopeScaling scaling;
};

std::string rope_table_source(const RopeParameters& rope, int64_t head_dim, int64_t positions);
std::string tree_rope_source(const RopeParameters& rope, int64_t head_dim, int64_t past,
                             const std::vector<int64_t>& parents);
std::string inverse_norms_source(const std::string& tensor);

// Absent: `source` is not a constant but the name of a tensor. `read` reads a tensor of the weights file.
std::optional<Result<Tensor>> generate_constant(
    const std::string& source, const std::function<Result<Tensor>(const std::string&)>& read);

}  // namespace rdusim::models
