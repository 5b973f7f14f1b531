#include "sim/memory_pattern.h"

#include <algorithm>

#include "sim/resource_rates.h"

namespace rdusim::sim {
namespace {

struct Sums {
  double bytes = 0;
  double squares = 0;
  double written = 0;
  double weighted_run = 0;
};

// Bytes of a stream in one launch, and of one of its runs.
struct StreamBytes {
  double all = 0;
  double run = 0;
};

StreamBytes stream_bytes(const Section& section, const Unit& unit, const Symbol& symbol) {
  const MemoryStream& s = *unit.stream;
  const auto row = static_cast<double>(s.cols * dtype_bytes(symbol.dtype));
  if (s.gather) {
    const auto numbers = static_cast<double>(section.channels[unit.inputs[0].channel.value].rows);
    return {static_cast<double>(unit.firings) * numbers * row, row};
  }
  const auto rows = static_cast<double>(s.repeats * s.segments * s.rows);
  const bool whole_rows = s.cols == symbol.cols;
  return {rows * row, whole_rows ? static_cast<double>(std::min(s.rows, s.rows_per_token)) * row : row};
}

}  // namespace

std::array<MemoryPattern, kTierCount> memory_patterns(const Program& program, const Section& section,
                                                      const Launch& launch) {
  std::array<Sums, kTierCount> sums;
  for (const Unit& unit : section.units) {
    if (!unit.stream) continue;
    const Symbol& symbol = program.symbols[launch.bindings[unit.stream->argument.value].value];
    const StreamBytes bytes = stream_bytes(section, unit, symbol);
    Sums& sum = sums[static_cast<size_t>(symbol.tier)];
    sum.bytes += bytes.all;
    sum.squares += bytes.all * bytes.all;
    sum.written += unit.kind == UnitKind::kStore ? bytes.all : 0;
    sum.weighted_run += bytes.all * bytes.run;
  }
  std::array<MemoryPattern, kTierCount> patterns;
  for (size_t t = 0; t < kTierCount; ++t) {
    const Sums& sum = sums[t];
    if (sum.bytes <= 0) continue;
    patterns[t] = {sum.bytes * sum.bytes / sum.squares, sum.weighted_run / sum.bytes,
                   sum.written / sum.bytes};
  }
  return patterns;
}

std::array<int64_t, kTierCount> memory_rates(const Program& program, const Section& section,
                                             const Launch& launch, const ChipSpec& chip) {
  const auto patterns = memory_patterns(program, section, launch);
  std::array<int64_t, kTierCount> rates{};
  for (const Tier tier : {Tier::kHbm, Tier::kDdr}) {
    const auto t = static_cast<size_t>(tier);
    rates[t] = memory_bytes_per_s(chip, tier, patterns[t]);
  }
  return rates;
}

}  // namespace rdusim::sim
