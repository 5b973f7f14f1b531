// See derived.h.
#include "models/derived.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "models/dft.h"

namespace rdusim::models {
namespace {

// "kind?a=1&b=x" by key.
struct Query {
  std::string source;
  std::map<std::string, std::string> members;

  explicit Query(const std::string& text) : source(text) {
    std::string_view rest = std::string_view(text).substr(std::min(text.size(), text.find('?') + 1));
    while (!rest.empty()) {
      const std::string_view member = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), member.size() + 1));
      const size_t equals = std::min(member.find('='), member.size());
      members[std::string(member.substr(0, equals))] = member.substr(std::min(member.size(), equals + 1));
    }
  }
  [[nodiscard]] Error error(std::string what) const {
    return Error{ErrorCode::kInvalidInput, "derived tensor " + source, std::move(what), ""};
  }
  [[nodiscard]] Result<std::string> text(const std::string& key) const {
    const auto found = members.find(key);
    if (found == members.end() || found->second.empty()) return error("has no " + key);
    return found->second;
  }
  [[nodiscard]] Result<int64_t> number(const std::string& key) const {
    RDU_ASSIGN(const std::string digits, text(key));
    int64_t value = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    constexpr int64_t kMost = int64_t{1} << 31;
    if (failure != std::errc() || end != digits.data() + digits.size() || value < 0 || value > kMost)
      return error(key + " is not a number from 0 to 2^31");
    return value;
  }
};

// As [first dimension, all others]; a vector [n] as [n, 1].
Tensor as_matrix(Tensor t) {
  const int64_t rows = t.shape.dims.empty() ? 1 : t.shape.dims.front();
  const int64_t elements = t.shape.elements();
  t.shape = Shape{{rows, rows > 0 ? elements / rows : 0}};
  return t;
}

Tensor transposed(const Tensor& t) {
  Tensor result(t.cols(), t.rows());
  for (int64_t r = 0; r < t.rows(); ++r) {
    for (int64_t c = 0; c < t.cols(); ++c) result.at(c, r) = t.at(r, c);
  }
  return result;
}

void copy_row(const Tensor& from, int64_t row, Tensor& to, int64_t to_row) {
  std::copy_n(from.values.begin() + row * from.cols(), from.cols(), to.values.begin() + to_row * to.cols());
}

Result<Tensor> part(const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const std::string of, query.text("of"));
  RDU_ASSIGN(const int64_t begin, query.number("begin"));
  RDU_ASSIGN(const int64_t count, query.number("count"));
  RDU_ASSIGN(const int64_t period, query.number("period"));
  RDU_ASSIGN(Tensor whole, read(of));
  const bool vector = whole.shape.dims.size() == 1;
  whole = as_matrix(std::move(whole));
  if (period < 1 || begin + count > period || whole.rows() % period != 0)
    return query.error(fmt::format("does not fit the {} entries of {}", whole.rows(), of));
  Tensor result(whole.rows() / period * count, whole.cols());
  for (int64_t r = 0; r < result.rows(); ++r)
    copy_row(whole, r / count * period + begin + r % count, result, r);
  if (vector) result.shape = Shape{{1, result.rows()}};
  return result;
}

Tensor interleaved(const std::vector<Tensor>& experts) {
  const auto count = static_cast<int64_t>(experts.size());
  Tensor result(experts.front().rows() * count, experts.front().cols());
  for (int64_t e = 0; e < count; ++e) {
    for (int64_t r = 0; r < experts.front().rows(); ++r)
      copy_row(experts[static_cast<size_t>(e)], r, result, r * count + e);
  }
  return result;
}

Result<Tensor> experts(const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const std::string of, query.text("of"));
  RDU_ASSIGN(const int64_t count, query.number("experts"));
  const size_t place = of.find("{}");
  if (place == std::string::npos || count < 1) return query.error("names no experts");
  std::vector<Tensor> parts;
  for (int64_t e = 0; e < count; ++e) {
    RDU_ASSIGN(Tensor one, read(of.substr(0, place) + fmt::to_string(e) + of.substr(place + 2)));
    if (e > 0 && one.shape != parts.front().shape) return query.error("its experts differ in shape");
    parts.push_back(std::move(one));
  }
  return interleaved(parts);
}

Result<Tensor> packed_experts(const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const std::string of, query.text("of"));
  RDU_ASSIGN(const int64_t count, query.number("experts"));
  RDU_ASSIGN(const int64_t turn, query.number("transpose"));
  RDU_ASSIGN(const Tensor whole, read(of));
  if (count < 1 || whole.rows() % count != 0) return query.error("its rows are not whole experts");
  const int64_t rows = whole.rows() / count;
  std::vector<Tensor> parts;
  for (int64_t e = 0; e < count; ++e) {
    Tensor one(rows, whole.cols());
    for (int64_t r = 0; r < rows; ++r) copy_row(whole, e * rows + r, one, r);
    parts.push_back(turn != 0 ? transposed(one) : std::move(one));
  }
  return interleaved(parts);
}

// Distances up to half the buckets have one each, larger ones share, on a logarithmic scale up to
// max_distance (Raffel et al. 2020, the causal form).
int64_t bucket_of(int64_t distance, int64_t buckets, int64_t max_distance) {
  const int64_t exact = buckets / 2;
  if (distance < exact) return distance;
  const float scaled = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                       std::log(static_cast<float>(max_distance) / static_cast<float>(exact)) *
                       static_cast<float>(buckets - exact);
  return std::min(exact + static_cast<int64_t>(scaled), buckets - 1);
}

Result<Tensor> relative_bias(const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const std::string of, query.text("of"));
  RDU_ASSIGN(const int64_t max_distance, query.number("distance"));
  RDU_ASSIGN(const int64_t positions, query.number("positions"));
  RDU_ASSIGN(const Tensor table, read(of));
  if (table.rows() < 2 || max_distance <= table.rows() / 2)
    return query.error("its buckets do not fit the distance");
  Tensor result(table.cols(), positions);
  for (int64_t d = 0; d < positions; ++d) {
    const int64_t bucket = bucket_of(d, table.rows(), max_distance);
    for (int64_t head = 0; head < table.cols(); ++head) result.at(head, d) = table.at(bucket, head);
  }
  return result;
}

// Slopes 2^(-8 k / n) for a power of two n; other head counts take those of the power below and every other
// of the power above.
double alibi_slope(int64_t head, int64_t heads) {
  int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  if (head < power) return std::exp2(-8.0 * static_cast<double>(head + 1) / static_cast<double>(power));
  const int64_t odd = 2 * (head - power) + 1;
  return std::exp2(-8.0 * static_cast<double>(odd) / static_cast<double>(2 * power));
}

Result<Tensor> alibi(const Query& query) {
  RDU_ASSIGN(const int64_t heads, query.number("heads"));
  RDU_ASSIGN(const int64_t positions, query.number("positions"));
  Tensor result(heads, positions);
  for (int64_t head = 0; head < heads; ++head) {
    const double slope = alibi_slope(head, heads);
    for (int64_t d = 0; d < positions; ++d)
      result.at(head, d) = static_cast<float>(-slope * static_cast<double>(d));
  }
  return result;
}

Result<Tensor> class_positions(const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const std::string of, query.text("of"));
  RDU_ASSIGN(const std::string row, query.text("class"));
  RDU_ASSIGN(Tensor table, read(of));
  RDU_ASSIGN(const Tensor first, read(row));
  if (first.shape.elements() != table.cols()) return query.error("its class row has another width");
  for (int64_t c = 0; c < table.cols(); ++c) table.at(0, c) += first.values[static_cast<size_t>(c)];
  return table;
}

Result<Tensor> tree_mask(const Query& query) {
  RDU_ASSIGN(const std::string list, query.text("parents"));
  std::vector<int64_t> parents = {0};
  for (std::string_view rest = list; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    int64_t parent = -1;
    std::from_chars(one.data(), one.data() + one.size(), parent);
    if (parent < 0 || parent >= static_cast<int64_t>(parents.size()))
      return query.error("a parent comes after its child");
    parents.push_back(parent);
  }
  const auto nodes = static_cast<int64_t>(parents.size());
  Tensor mask(nodes, nodes);
  for (int64_t n = 0; n < nodes; ++n) {
    int64_t at = n;
    mask.at(n, 0) = 1;
    for (; at != 0; at = parents[static_cast<size_t>(at)]) mask.at(n, at) = 1;
  }
  return mask;
}

// Of one tensor, element by element or in another shape.
Result<Tensor> reformed(const std::string& kind, const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const std::string of, query.text("of"));
  RDU_ASSIGN(Tensor t, read(of));
  if (kind == "matrix") return as_matrix(std::move(t));
  if (kind == "plus_one") {
    for (float& v : t.values) v += 1.0F;
    return t;
  }
  t = transposed(as_matrix(std::move(t)));
  if (kind == "decay") {
    for (float& v : t.values) v = -std::exp(v);
  }
  return t;
}

Result<Tensor> column(const Query& query) {
  RDU_ASSIGN(const std::string list, query.text("values"));
  Tensor result(std::count(list.begin(), list.end(), ',') + 1, 1);
  const char* at = list.data();
  const char* const end = at + list.size();
  for (float& value : result.values) {
    int64_t number = 0;
    const auto [next, failure] = std::from_chars(at, end, number);
    if (failure != std::errc() || (next != end && *next != ',')) return query.error("values are no numbers");
    value = static_cast<float>(number);
    at = next + 1;
  }
  return result;
}

Result<Tensor> dft_table(const std::string& kind, const Query& query, const TensorReader& read) {
  RDU_ASSIGN(const int64_t n, query.number("n"));
  RDU_ASSIGN(const int64_t number, query.number("part"));
  constexpr int64_t kMost = int64_t{1} << 12;
  if (n < 1 || n > kMost || number > 1) return query.error("n is from 1 to 4096, part 0 or 1");
  const auto part = static_cast<ComplexPart>(number);
  if (kind == "spectrum") {
    RDU_ASSIGN(const std::string of, query.text("of"));
    RDU_ASSIGN(const Tensor filters, read(of));
    if (filters.cols() <= n * n) return spectrum(filters, n, part);
    return query.error(fmt::format("filters of {} numbers are longer than {}", filters.cols(), n * n));
  }
  RDU_ASSIGN(const int64_t inverse, query.number("inverse"));
  return kind == "dft" ? dft_matrix(n, part, inverse != 0) : twiddles(n, part, inverse != 0);
}

}  // namespace

std::string part_source(const std::string& tensor, int64_t begin, int64_t count, int64_t period) {
  return fmt::format("part?of={}&begin={}&count={}&period={}", tensor, begin, count, period);
}
std::string matrix_source(const std::string& tensor) {
  return "matrix?of=" + tensor;
}
std::string transposed_source(const std::string& tensor) {
  return "transposed?of=" + tensor;
}
std::string plus_one_source(const std::string& tensor) {
  return "plus_one?of=" + tensor;
}
std::string decay_source(const std::string& tensor) {
  return "decay?of=" + tensor;
}
std::string experts_source(const std::string& tensor_with_braces, int64_t experts) {
  return fmt::format("experts?of={}&experts={}", tensor_with_braces, experts);
}
std::string packed_experts_source(const std::string& tensor, int64_t experts, bool transpose) {
  return fmt::format("packed_experts?of={}&experts={}&transpose={}", tensor, experts, transpose ? 1 : 0);
}
std::string relative_bias_source(const std::string& tensor, int64_t max_distance, int64_t positions) {
  return fmt::format("relative_bias?of={}&distance={}&positions={}", tensor, max_distance, positions);
}
std::string alibi_source(int64_t heads, int64_t positions) {
  return fmt::format("alibi?heads={}&positions={}", heads, positions);
}
std::string class_positions_source(const std::string& positions, const std::string& class_row) {
  return fmt::format("class_positions?of={}&class={}", positions, class_row);
}
std::string column_source(const std::vector<int64_t>& values) {
  return fmt::format("column?values={}", fmt::join(values, ","));
}
std::string tree_mask_source(const std::vector<int64_t>& parents) {
  return fmt::format("tree_mask?parents={}", fmt::join(parents, ","));
}

std::optional<Result<Tensor>> derive(const std::string& source, const TensorReader& read) {
  const size_t mark = source.find('?');
  if (mark == std::string::npos) return std::nullopt;
  const std::string kind = source.substr(0, mark);
  const Query query(source);
  if (kind == "part") return part(query, read);
  if (kind == "experts") return experts(query, read);
  if (kind == "packed_experts") return packed_experts(query, read);
  if (kind == "relative_bias") return relative_bias(query, read);
  if (kind == "alibi") return alibi(query);
  if (kind == "class_positions") return class_positions(query, read);
  if (kind == "column") return column(query);
  if (kind == "tree_mask") return tree_mask(query);
  for (const std::string_view known : {"dft", "twiddle", "spectrum"}) {
    if (kind == known) return dft_table(kind, query, read);
  }
  for (const std::string_view known : {"matrix", "transposed", "plus_one", "decay"}) {
    if (kind == known) return reformed(kind, query, read);
  }
  return std::nullopt;
}

}  // namespace rdusim::models
