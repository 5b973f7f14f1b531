// Random weights for any graph.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/dtype.h"
#include "base/random.h"
#include "compiler/graph/graph.h"

namespace rdusim::testing {

// Tensor of the file that a source is, or is derived from ("plus_one?of=model.norm.weight").
inline std::string stored_tensor(const std::string& source) {
  const size_t at = source.find("?of=");
  return at == std::string::npos ? source : source.substr(at + 4);
}

// A safetensors file in memory that holds a random tensor for every weight of the graph.
inline std::vector<uint8_t> random_weights(const compiler::Graph& graph, Random& random) {
  std::string header = "{";
  std::vector<uint8_t> data;
  for (const compiler::Value& v : graph.values) {
    const std::string name = stored_tensor(v.source);
    if (v.role != SymbolRole::kWeight || header.find("\"" + name + "\"") != std::string::npos) continue;
    const size_t begin = data.size();
    const double scale = v.shape.rows() == 1 ? 0.5 : 1.0 / std::sqrt(static_cast<double>(v.shape.cols()));
    for (int64_t i = 0; i < v.shape.elements(); ++i) {
      const uint16_t bits = bf16_bits(
          static_cast<float>((random.uniform() * 2 - 1) * 1.7 * scale + (v.shape.rows() == 1 ? 1 : 0)));
      data.push_back(static_cast<uint8_t>(bits & 0xFF));
      data.push_back(static_cast<uint8_t>(bits >> 8));
    }
    const std::string shape = v.shape.rows() == 1 ? fmt::format("{}", v.shape.cols())
                                                  : fmt::format("{},{}", v.shape.rows(), v.shape.cols());
    header += fmt::format("{}\"{}\":{{\"dtype\":\"BF16\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", name, shape, begin, data.size());
  }
  header += "}";
  std::vector<uint8_t> file;
  file.reserve(8 + header.size() + data.size());
  for (size_t byte = 0; byte < 8; ++byte)
    file.push_back(static_cast<uint8_t>(header.size() >> (8 * byte) & 0xFF));
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

}  // namespace rdusim::testing
