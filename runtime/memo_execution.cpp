// Memo and interpolation of pass costs; see memo_execution.h.
#include "runtime/memo_execution.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

__extension__ using Int128 = __int128;

int64_t rounded_quotient(Int128 numerator, int64_t denominator) {
  const Int128 half = denominator / 2;
  return static_cast<int64_t>((numerator + (numerator < 0 ? -half : half)) / denominator);
}

// count x a + (b - a) x weight / span, for time and every byte count.
PassCost along_line(const PassCost& a, const PassCost& b, int64_t count, Int128 weight, int64_t span) {
  const auto at = [&](int64_t from, int64_t to) {
    return count * from + rounded_quotient((to - from) * weight, span);
  };
  PassCost sum;
  sum.time = Picoseconds(at(a.time.value, b.time.value));
  sum.energy_nj = at(a.energy_nj, b.energy_nj);
  for (size_t w = 0; w < kWireCount; ++w) {
    for (size_t c = 0; c < kCauseCount; ++c) sum.bytes[w][c] = at(a.bytes[w][c], b.bytes[w][c]);
  }
  return sum;
}

// Grid of prompt sizes: eight to the octave. Returns {below or equal, above}.
std::pair<int64_t, int64_t> prompt_grid(int64_t tokens) {
  int64_t octave = MemoisedExecution::kExactPromptTokens;
  while (octave * 2 <= tokens) octave *= 2;
  const int64_t step = octave / 8;
  const int64_t below = tokens / step * step;
  return {below, below + step};
}

// Grid of short prompts: 1 and the multiples of `step`.
std::pair<int64_t, int64_t> short_grid(int64_t tokens, int64_t step) {
  const int64_t below = tokens / step * step;
  return {std::max<int64_t>(below, 1), below + step};
}

// Contexts at which decode steps are priced: 1, 64, 128, 256, ...
std::pair<int64_t, int64_t> decode_anchors(int64_t context) {
  if (context < MemoisedExecution::kFirstDecodeAnchor) return {1, MemoisedExecution::kFirstDecodeAnchor};
  int64_t below = MemoisedExecution::kFirstDecodeAnchor;
  while (below * 2 <= context) below *= 2;
  return {below, below * 2};
}

}  // namespace

int64_t along_line(int64_t from, int64_t to, int64_t count, int64_t weight, int64_t span) {
  int64_t product = 0;
  if (__builtin_mul_overflow(to - from, weight, &product) || std::abs(product) > INT64_MAX / 2)
    return count * from + rounded_quotient(static_cast<Int128>(to - from) * weight, span);
  // The same quotient in 64 bits: a division by a variable of 128 bits costs ten times as much.
  const int64_t half = span / 2;
  return count * from + (product < 0 ? product - half : product + half) / span;
}

PassCost& operator+=(PassCost& a, const PassCost& b) {
  a.time += b.time;
  a.energy_nj += b.energy_nj;
  for (size_t w = 0; w < kWireCount; ++w) {
    for (size_t c = 0; c < kCauseCount; ++c) a.bytes[w][c] += b.bytes[w][c];
  }
  return a;
}

MemoisedExecution::MemoisedExecution(ExecutionModel& execution, std::vector<std::string> models,
                                     MemoOptions options)
    : execution_(execution), models_(std::move(models)), options_(options) {}

Result<PassCost> MemoisedExecution::price(Pass pass, uint32_t model, int64_t batch, int64_t tokens) {
  const bool power = std::has_single_bit(static_cast<uint64_t>(batch));
  if (!options_.batch_grid || power) return price_exactly(pass, model, batch, tokens);
  const auto above = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(batch)));
  const int64_t below = above / 2;
  RDU_ASSIGN(const PassCost low, price_exactly(pass, model, below, tokens));
  RDU_ASSIGN(const PassCost high, price_exactly(pass, model, above, tokens));
  return along_line(low, high, 1, batch - below, above - below);
}

Result<PassCost> MemoisedExecution::price_exactly(Pass pass, uint32_t model, int64_t batch, int64_t tokens) {
  RDU_CHECK(model < models_.size() && batch > 0 && tokens > 0, "model {} batch {} tokens {}", model, batch,
            tokens);
  const Shape shape{pass, model, batch, tokens};
  if (const auto known = costs_.find(shape); known != costs_.end()) return known->second;
  const std::string& name = models_[model];
  Result<PassCost> cost = pass == Pass::kPrefill ? execution_.prefill(name, batch, tokens)
                          : pass == Pass::kEmbed ? execution_.embed(name, batch, tokens)
                          : pass == Pass::kChunk ? execution_.prefill_after(name, batch, tokens)
                                                 : execution_.decode(name, batch, tokens, 1);
  if (!cost.ok()) return cost;
  RDU_CHECK(cost->time.value >= 0, "{} takes {} ps", name, cost->time.value);
  ++priced_;
  costs_.emplace(shape, *cost);
  return cost;
}

Result<PassCost> MemoisedExecution::prompt_pass(Pass pass, uint32_t model, int64_t batch, int64_t tokens) {
  const bool is_short = tokens <= kExactPromptTokens;
  if (options_.exact_prompts || (is_short && options_.short_prompt_step == 1))
    return price(pass, model, batch, tokens);
  const auto [below, above] = is_short ? short_grid(tokens, options_.short_prompt_step) : prompt_grid(tokens);
  RDU_ASSIGN(const PassCost low, price(pass, model, batch, below));
  if (below == tokens) return low;
  RDU_ASSIGN(const PassCost high, price(pass, model, batch, above));
  return along_line(low, high, 1, tokens - below, above - below);
}

Result<PassCost> MemoisedExecution::prefill(uint32_t model, int64_t batch, int64_t tokens) {
  return prompt_pass(Pass::kPrefill, model, batch, tokens);
}

Result<PassCost> MemoisedExecution::prefill_after(uint32_t model, int64_t cached, int64_t tokens) {
  const auto [below, above] = decode_anchors(cached);  // powers of two: no grid of batches comes between
  RDU_ASSIGN(const PassCost low, prompt_pass(Pass::kChunk, model, below, tokens));
  if (below == cached) return low;
  RDU_ASSIGN(const PassCost high, prompt_pass(Pass::kChunk, model, above, tokens));
  return along_line(low, high, 1, cached - below, above - below);
}

Result<PassCost> MemoisedExecution::embed(uint32_t model, int64_t batch, int64_t tokens) {
  return prompt_pass(Pass::kEmbed, model, batch, tokens);
}

Result<PassCost> MemoisedExecution::decode(uint32_t model, int64_t batch, int64_t context, int64_t steps) {
  PassCost sum;
  const int64_t end = context + steps;
  for (int64_t at = context; at < end;) {
    const auto [below, above] = decode_anchors(at);
    const int64_t count = std::min(end, above) - at;
    RDU_ASSIGN(const PassCost low, price(Pass::kDecodeStep, model, batch, below));
    if (count == 1 && at == below) {
      sum += low;
    } else {
      RDU_ASSIGN(const PassCost high, price(Pass::kDecodeStep, model, batch, above));
      // Distances from `below`: at - below, at - below + 1, ... : an arithmetic series.
      const Int128 distances = static_cast<Int128>(count) * (2 * (at - below) + count - 1) / 2;
      sum += along_line(low, high, count, distances, above - below);
    }
    at += count;
  }
  return sum;
}

Result<PassCost> MemoisedExecution::nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch,
                                                       int64_t k, int64_t classes) {
  const std::tuple shape{vectors, dimensions, batch, k, classes};
  if (const auto known = neighbour_costs_.find(shape); known != neighbour_costs_.end()) return known->second;
  Result<PassCost> cost = execution_.nearest_neighbours(vectors, dimensions, batch, k, classes);
  if (!cost.ok()) return cost;
  ++priced_;
  neighbour_costs_.emplace(shape, *cost);
  return cost;
}

void MemoisedExecution::persist(Archive& a) {
  a.mark("MEMO");
  a.pod(priced_);
  const auto entries = [&a](auto& map, auto key) {
    std::vector<std::pair<decltype(key), PassCost>> all(map.begin(), map.end());
    all.resize(a.length(all.size(), sizeof(PassCost)));
    for (auto& [shape, cost] : all) {
      std::apply([&a](auto&... part) { (a.pod(part), ...); }, shape);
      a.pod(cost);
    }
    if (!a.writes() && a.ok()) map = std::decay_t<decltype(map)>(all.begin(), all.end());
  };
  entries(costs_, Shape{});
  entries(neighbour_costs_, std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>{});
}

}  // namespace rdusim::runtime
