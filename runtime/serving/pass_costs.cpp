// Flat tables of pass costs; see pass_costs.h.
#include "runtime/serving/pass_costs.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

int64_t wire_bytes(const PassCost& cost, Wire wire) {
  int64_t sum = 0;
  for (const int64_t n : cost.bytes[static_cast<size_t>(wire)]) sum += n;
  return sum;
}

StreamCost stream_cost(const PassCost& cost) {
  return {cost.time.value,
          {wire_bytes(cost, Wire::kHbm), wire_bytes(cost, Wire::kDdr), wire_bytes(cost, Wire::kLink)},
          cost.energy_nj};
}

void add_bytes(ByteCounts& sum, const ByteCounts& bytes, int64_t times) {
  for (size_t w = 0; w < kWireCount; ++w) {
    for (size_t c = 0; c < kCauseCount; ++c) sum[w][c] += bytes[w][c] * times;
  }
}

size_t octave_of(int64_t context) {
  if (context < MemoisedExecution::kFirstDecodeAnchor) return 0;
  return static_cast<size_t>(
      std::bit_width(static_cast<uint64_t>(context / MemoisedExecution::kFirstDecodeAnchor)));
}

}  // namespace

StreamCost& StreamCost::operator+=(const StreamCost& other) {
  time_ps += other.time_ps;
  energy_nj += other.energy_nj;
  for (size_t r = 0; r < kSharedResources; ++r) bytes[r] += other.bytes[r];
  return *this;
}

Bandwidths demand_of(const StreamCost& cost) {
  Bandwidths demand{};
  if (cost.time_ps <= 0) return demand;
  for (size_t r = 0; r < kSharedResources; ++r) {
    demand[r] = static_cast<double>(cost.bytes[r]) / (static_cast<double>(cost.time_ps) * 1e-12);
  }
  return demand;
}

Result<size_t> PassCosts::prompt_cell(uint64_t pass, uint32_t model, int64_t batch, int64_t tokens) {
  RDU_CHECK(model < (1U << 14) && batch < (1 << 14) && tokens < (int64_t{1} << 34),
            "model {} batch {} tokens {}", model, batch, tokens);
  const uint64_t key = pass << 62 | static_cast<uint64_t>(model) << 48 | static_cast<uint64_t>(batch) << 34 |
                       static_cast<uint64_t>(tokens);
  if (const uint32_t* known = prompt_index_.find(key)) return size_t{*known};
  PassCost cost;
  if (pass == 0) {
    RDU_ASSIGN(cost, memo_.prefill(model, batch, tokens));
  } else {
    RDU_ASSIGN(cost, memo_.embed(model, batch, tokens));
  }
  return add_cell(key, cost);
}

size_t PassCosts::add_cell(uint64_t key, const PassCost& cost) {
  prompts_.push_back({0, cost, stream_cost(cost)});
  prompt_index_[key] = static_cast<uint32_t>(prompts_.size() - 1);
  return prompts_.size() - 1;
}

Result<size_t> PassCosts::chunk_cell(uint32_t model, int64_t from, int64_t tokens) {
  constexpr int64_t kMost = int64_t{1} << 24;
  RDU_CHECK(model < (1 << 14) && from < kMost && tokens < kMost, "model {}, {} tokens behind {}", model,
            tokens, from);
  const uint64_t key = uint64_t{2} << 62 | static_cast<uint64_t>(model) << 48 |
                       static_cast<uint64_t>(from) << 24 | static_cast<uint64_t>(tokens);
  if (const uint32_t* known = prompt_index_.find(key)) return size_t{*known};
  RDU_ASSIGN(const PassCost cost, memo_.prefill_after(model, from, tokens));
  return add_cell(key, cost);
}

Result<StreamCost> PassCosts::prompt(uint64_t pass, uint32_t model, int64_t batch, int64_t tokens) {
  RDU_ASSIGN(const size_t at, prompt_cell(pass, model, batch, tokens));
  ++prompts_[at].count;
  return prompts_[at].stream;
}

Result<StreamCost> PassCosts::chunk(uint32_t model, int64_t from, int64_t to) {
  if (from == 0) return prefill(model, 1, to);
  RDU_ASSIGN(const size_t at, chunk_cell(model, from, to - from));
  ++prompts_[at].count;
  return prompts_[at].stream;
}

Result<PassCosts::DecodeLine*> PassCosts::line(uint32_t model, int64_t batch, int64_t context) {
  const size_t octave = octave_of(context);
  RDU_CHECK(octave < kOctaves, "context of {} tokens", context);
  auto& table = decode_[model];
  const size_t at = static_cast<size_t>(batch) * kOctaves + octave;
  if (at >= table.size()) table.resize((static_cast<size_t>(batch) + 1) * kOctaves);
  DecodeLine& found = table[at];
  if (found.known) return &found;
  constexpr int64_t kFirst = MemoisedExecution::kFirstDecodeAnchor;
  const int64_t below = octave == 0 ? 1 : kFirst << (octave - 1);
  const int64_t above = octave == 0 ? kFirst : below * 2;
  RDU_ASSIGN(found.low, memo_.decode(model, batch, below, 1));
  RDU_ASSIGN(found.high, memo_.decode(model, batch, above, 1));
  found.below = below;
  found.span = above - below;
  found.known = true;
  return &found;
}

// Calls visit(line, steps, sum of their distances from the line's begin) for each octave that the run
// crosses.
template <typename Visit>
Status PassCosts::over_lines(uint32_t model, int64_t batch, int64_t context, int64_t steps, Visit visit) {
  const int64_t end = context + steps;
  for (int64_t at = context; at < end;) {
    RDU_ASSIGN(DecodeLine* const cells, line(model, batch, at));
    const int64_t count = std::min(end, cells->below + cells->span) - at;
    // An arithmetic series; within int64: tokens are below 2^31.
    const int64_t distances = count * (2 * (at - cells->below) + count - 1) / 2;
    visit(*cells, count, distances);
    at += count;
  }
  return {};
}

Result<StreamCost> PassCosts::decode(uint32_t model, int64_t batch, int64_t context, int64_t steps) {
  StreamCost sum;
  RDU_CHECK_OK(over_lines(model, batch, context, steps, [&](DecodeLine& l, int64_t n, int64_t weight) {
    const auto at = [&](int64_t low, int64_t high) { return along_line(low, high, n, weight, l.span); };
    sum.time_ps += at(l.low.time.value, l.high.time.value);
    if (l.high.energy_nj != 0) sum.energy_nj += at(l.low.energy_nj, l.high.energy_nj);
    constexpr std::array kWires = {Wire::kHbm, Wire::kDdr, Wire::kLink};
    for (size_t r = 0; r < kSharedResources; ++r) {
      sum.bytes[r] += at(wire_bytes(l.low, kWires[r]), wire_bytes(l.high, kWires[r]));
    }
  }));
  return sum;
}

Status PassCosts::charge_decode(uint32_t model, int64_t batch, int64_t context, int64_t steps) {
  return over_lines(model, batch, context, steps, [](DecodeLine& l, int64_t n, int64_t weight) {
    l.count += n;
    l.weight += weight;
  });
}

Result<StreamCost> PassCosts::nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch,
                                                 int64_t k, int64_t classes) {
  RDU_ASSIGN(const PassCost cost, memo_.nearest_neighbours(vectors, dimensions, batch, k, classes));
  add_bytes(neighbour_bytes_, cost.bytes, 1);
  return stream_cost(cost);
}

ByteCounts PassCosts::total_bytes() const {
  ByteCounts sum = neighbour_bytes_;
  for (const PromptCell& cell : prompts_) add_bytes(sum, cell.cost.bytes, cell.count);
  for (const auto& table : decode_) {
    for (const DecodeLine& l : table) {
      if (l.count == 0) continue;
      for (size_t w = 0; w < kWireCount; ++w) {
        for (size_t c = 0; c < kCauseCount; ++c)
          sum[w][c] += along_line(l.low.bytes[w][c], l.high.bytes[w][c], l.count, l.weight, l.span);
      }
    }
  }
  return sum;
}

void PassCosts::persist(Archive& a) {
  a.mark("COST");
  prompt_index_.persist(a);
  a.pods(prompts_);
  for (auto& table : decode_) a.pods(table);
  a.pod(neighbour_bytes_);
}

}  // namespace rdusim::runtime
