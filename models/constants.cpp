// Rotary tables and inverse norms. Frequencies and angles are FP32, as in the Hugging Face classes: at
// position 4000 the FP32 angle differs from the exact one by up to 2e-4, and the reference has that same
// difference. Cosine and sine of the FP32 angle are taken in FP64 and rounded once, so they do not depend on
// the C library's single-precision versions. Scaling formulas: linear divides frequencies; llama3 keeps high
// ones, divides low ones, and blends between (Llama 3.1).
#include "models/constants.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>

#include "models/candidate_tree.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

constexpr std::string_view kRopeTable = "rope_table?";
constexpr std::string_view kInverseNorms = "inverse_norms?";
constexpr int64_t kMaxTableElements = int64_t{1} << 31;

// "a=1&b=x" by key.
std::map<std::string, std::string> parse_query(std::string_view query) {
  std::map<std::string, std::string> members;
  while (!query.empty()) {
    const std::string_view member = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), member.size() + 1));
    const size_t equals = std::min(member.find('='), member.size());
    members[std::string(member.substr(0, equals))] = member.substr(std::min(member.size(), equals + 1));
  }
  return members;
}

Result<double> number(const std::map<std::string, std::string>& query, const std::string& key,
                      const std::string& source) {
  const auto member = query.find(key);
  double value = 0;
  if (member != query.end()) {
    const std::string& text = member->second;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure == std::errc() && end == text.data() + text.size() && std::isfinite(value) && value > 0)
      return value;
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("constant {}", source),
               fmt::format("{} is not a positive number", key), ""};
}

Result<RopeParameters> parse_rope(const std::map<std::string, std::string>& query,
                                  const std::string& source) {
  RopeParameters rope;
  RDU_ASSIGN(rope.theta, number(query, "theta", source));
  const auto kind = query.find("scaling");
  if (kind == query.end() || kind->second == "none") return rope;
  RDU_ASSIGN(rope.scaling.factor, number(query, "factor", source));
  rope.scaling.kind = RopeScaling::Kind::kLinear;
  if (kind->second == "linear") return rope;
  if (kind->second != "llama3") {
    return Error{ErrorCode::kUnsupported, fmt::format("constant {}", source),
                 fmt::format("unknown scaling {}", kind->second), "known: none, linear, llama3"};
  }
  rope.scaling.kind = RopeScaling::Kind::kLlama3;
  RDU_ASSIGN(rope.scaling.low_freq_factor, number(query, "low", source));
  RDU_ASSIGN(rope.scaling.high_freq_factor, number(query, "high", source));
  RDU_ASSIGN(rope.scaling.original_positions, number(query, "original", source));
  return rope;
}

float scaled_frequency(float frequency, const RopeScaling& scaling) {
  const auto factor = static_cast<float>(scaling.factor);
  if (scaling.kind == RopeScaling::Kind::kNone) return frequency;
  if (scaling.kind == RopeScaling::Kind::kLinear) return frequency / factor;
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto high = static_cast<float>(scaling.high_freq_factor);
  const auto original = static_cast<float>(scaling.original_positions);
  const float wavelength = 2.0F * std::numbers::pi_v<float> / frequency;
  if (wavelength < original / high) return frequency;
  if (wavelength > original / low) return frequency / factor;
  const float smooth = (original / wavelength - low) / (high - low);
  return (1.0F - smooth) * frequency / factor + smooth * frequency;
}

// theta^(-2i/dim) in FP32: the power is taken in FP64 of FP32 operands, then rounded.
float base_frequency(double theta, int64_t i, int64_t dim) {
  const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
  const auto power = static_cast<float>(
      std::pow(static_cast<double>(static_cast<float>(theta)), static_cast<double>(exponent)));
  return 1.0F / power;
}

// "-1.0.0.1": parents[0] is -1, every other one is before its node.
Result<std::vector<int64_t>> parse_parents(const std::map<std::string, std::string>& query,
                                           const std::string& source) {
  const auto member = query.find("parents");
  std::string_view text = member == query.end() ? std::string_view() : member->second;
  std::vector<int64_t> parents;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find('.'));
    int64_t parent = -2;
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), parent);
    const auto node = static_cast<int64_t>(parents.size());
    const bool before = node == 0 ? parent == -1 : parent >= 0 && parent < node;
    if (failure != std::errc() || end != word.data() + word.size() || !before) break;
    parents.push_back(parent);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  if (text.empty() && !parents.empty()) return parents;
  return Error{ErrorCode::kInvalidInput, fmt::format("constant {}", source), "parents are no tree",
               "a number a node, -1 first, then each before its node"};
}

// Position of each row: 0, 1, 2 ..., or those of a tree of candidates.
Result<std::vector<double>> table_positions(const std::map<std::string, std::string>& query, double dim,
                                            const std::string& source) {
  std::vector<double> positions;
  if (query.contains("parents")) {
    RDU_ASSIGN(const auto parents, parse_parents(query, source));
    RDU_ASSIGN(const double past, number(query, "past", source));
    for (const int64_t depth : depths_of(parents)) positions.push_back(past + static_cast<double>(depth));
    return positions;
  }
  RDU_ASSIGN(const double count, number(query, "positions", source));
  if (dim * count > static_cast<double>(kMaxTableElements)) {
    return Error{ErrorCode::kOutOfRange, fmt::format("constant {}", source), "the table is too large", ""};
  }
  positions.resize(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), 0.0);
  return positions;
}

Result<Tensor> rope_table(const std::string& source) {
  const auto query = parse_query(std::string_view(source).substr(kRopeTable.size()));
  RDU_ASSIGN(const RopeParameters rope, parse_rope(query, source));
  RDU_ASSIGN(const double dim_number, number(query, "dim", source));
  RDU_ASSIGN(const auto positions, table_positions(query, dim_number, source));
  const auto turn = query.find("turn");
  const bool back = turn != query.end() && turn->second == "back";
  const auto dim = static_cast<int64_t>(dim_number);
  const int64_t half = dim / 2;
  Tensor table(static_cast<int64_t>(positions.size()), dim);
  for (int64_t i = 0; i < half; ++i) {
    const float frequency = scaled_frequency(base_frequency(rope.theta, i, dim), rope.scaling);
    for (int64_t p = 0; p < table.rows(); ++p) {
      const float angle = static_cast<float>(positions[static_cast<size_t>(p)]) * frequency;
      table.at(p, i) = static_cast<float>(std::cos(static_cast<double>(angle)));
      table.at(p, half + i) = static_cast<float>(std::sin(static_cast<double>(back ? -angle : angle)));
    }
  }
  return table;
}

Tensor inverse_norms(const Tensor& rows) {
  Tensor result(1, rows.rows());
  for (int64_t r = 0; r < rows.rows(); ++r) {
    float squares = 0;
    for (int64_t c = 0; c < rows.cols(); ++c) squares += rows.at(r, c) * rows.at(r, c);
    result.at(0, r) = squares > 0 ? 1.0F / std::sqrt(squares) : 0.0F;
  }
  return result;
}

Result<Tensor> read_inverse_norms(const std::string& source,
                                  const std::function<Result<Tensor>(const std::string&)>& read) {
  const auto query = parse_query(std::string_view(source).substr(kInverseNorms.size()));
  const auto of = query.find("of");
  if (of == query.end())
    return Error{ErrorCode::kInvalidInput, fmt::format("constant {}", source), "names no tensor", ""};
  RDU_ASSIGN(const Tensor rows, read(of->second));
  return inverse_norms(rows);
}

}  // namespace

namespace {
// `rows`: what says which positions the table has.
std::string rope_source(const RopeParameters& rope, int64_t head_dim, const std::string& rows) {
  const RopeScaling& s = rope.scaling;
  std::string text = fmt::format("{}dim={}&{}&theta={}", kRopeTable, head_dim, rows, rope.theta);
  if (s.kind == RopeScaling::Kind::kNone) return text + "&scaling=none";
  if (s.kind == RopeScaling::Kind::kLinear) return text + fmt::format("&scaling=linear&factor={}", s.factor);
  return text + fmt::format("&scaling=llama3&factor={}&low={}&high={}&original={}", s.factor,
                            s.low_freq_factor, s.high_freq_factor, s.original_positions);
}

}  // namespace

std::string rope_table_source(const RopeParameters& rope, int64_t head_dim, int64_t positions) {
  return rope_source(rope, head_dim, fmt::format("positions={}", positions));
}

std::string tree_rope_source(const RopeParameters& rope, int64_t head_dim, int64_t past,
                             const std::vector<int64_t>& parents) {
  return rope_source(rope, head_dim, fmt::format("past={}&parents={}", past, fmt::join(parents, ".")));
}

std::string inverse_norms_source(const std::string& tensor) {
  return fmt::format("{}of={}", kInverseNorms, tensor);
}

std::optional<Result<Tensor>> generate_constant(
    const std::string& source, const std::function<Result<Tensor>(const std::string&)>& read) {
  if (source.starts_with(kRopeTable)) return rope_table(source);
  if (source.starts_with(kInverseNorms)) return read_inverse_norms(source, read);
  return derive(source, read);
}

Result<Tensor> WeightSource::read(const std::string& source) const {
  if (reader_) return reader_(source);
  // Published BLOOM checkpoints leave out the outermost name that the class has.
  const auto read_file = [this](const std::string& name) {
    constexpr std::string_view kOutermost = "transformer.";
    if (file_->find(name) == nullptr && name.starts_with(kOutermost)) {
      const std::string inner = name.substr(kOutermost.size());
      if (file_->find(inner) != nullptr) return file_->read(inner);
    }
    return file_->read(name);
  };
  if (std::optional<Result<Tensor>> constant = generate_constant(source, read_file))
    return std::move(*constant);
  return read_file(source);
}

}  // namespace rdusim::models
