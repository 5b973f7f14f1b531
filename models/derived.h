// Tensors that a graph wants in another form than the weights file has them: parts of a packed projection, a
// matrix on its side, experts interleaved. A derived tensor is named by a text that holds what it is made
// from and how, so equal names are equal tensors; WeightSource reads them (constants.cpp).
//
//   part?of=T&begin=b&count=c&period=p     of T [n, ...]: entries [g p + b, g p + b + c) for g = 0, 1, ...
//   matrix?of=T                            T [n, a, b, ...] as [n, a b ...]
//   transposed?of=T                        T [n, m] as [m, n]
//   plus_one?of=T                          T + 1
//   decay?of=T                             -exp(T^T): the rates of a state-space model from its A_log
//   experts?of=T{}U&experts=E              rows of T0U .. T(E-1)U interleaved: row r E + e is row r of expert
//   e packed_experts?of=T&experts=E&transpose=t   the same of the E equal parts of T [E n, m], each turned if
//   t = 1 relative_bias?of=T&distance=D&positions=P   T [buckets, heads] as [heads, P] by distance (T5,
//   causal) alibi?heads=H&positions=P              [H, P]: -slope x distance (Press et al. 2022)
//   class_positions?of=T&class=C           T [n, h] with C added to its first row
//   column?values=3,1,2                    [3, 1]: these numbers
//   dft?, twiddle?, spectrum?              tables of Fourier transforms (dft.h)
//   tree_mask?parents=0,0,1                [n + 1, n + 1]: 1 where a node sees another, node 0 being the root
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"

namespace rdusim::models {

std::string part_source(const std::string& tensor, int64_t begin, int64_t count, int64_t period);
std::string matrix_source(const std::string& tensor);
std::string transposed_source(const std::string& tensor);
std::string plus_one_source(const std::string& tensor);
std::string decay_source(const std::string& tensor);
std::string experts_source(const std::string& tensor_with_braces, int64_t experts);
std::string packed_experts_source(const std::string& tensor, int64_t experts, bool transpose);
std::string relative_bias_source(const std::string& tensor, int64_t max_distance, int64_t positions);
std::string alibi_source(int64_t heads, int64_t positions);
std::string class_positions_source(const std::string& positions, const std::string& class_row);
std::string column_source(const std::vector<int64_t>& values);
std::string tree_mask_source(const std::vector<int64_t>& parents);

using TensorReader = std::function<Result<Tensor>(const std::string&)>;
// Absent: `source` is no derived tensor. `read` reads a tensor of the weights file.
std::optional<Result<Tensor>> derive(const std::string& source, const TensorReader& read);

}  // namespace rdusim::models
