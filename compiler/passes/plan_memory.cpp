// plan_memory: tier and offset of every symbol. HBM first. Symbols with disjoint lifetimes share addresses
// (the published compiler's "garbage collection", P Sec V-A). What does not fit is spilled to DDR, the
// symbols with the smallest total transfer first.
#include <algorithm>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

// Every symbol starts on its own DMA page, so that one may be copied without touching its neighbour. assumed:
// 256 B, four bursts.
constexpr int64_t kAlignment = 256;

constexpr int64_t aligned(int64_t bytes) {
  return ceil_div(bytes, kAlignment) * kAlignment;
}

bool alive_together(const Symbol& a, const Symbol& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

// First fit: the lowest offset where the symbol overlaps no placed symbol that is alive with it. Persistent
// symbols are all alive together, so they are stacked without search.
int64_t place_tier(std::vector<Symbol>& symbols, const std::vector<size_t>& members, int64_t last_step) {
  int64_t persistent = 0;
  std::vector<size_t> placed;
  for (const size_t i : members) {
    Symbol& s = symbols[i];
    if (s.first_step != 0 || s.last_step != last_step) continue;
    s.offset_bytes = persistent;
    persistent += aligned(s.bytes());
  }
  int64_t high_water = persistent;
  for (const size_t i : members) {
    Symbol& s = symbols[i];
    if (s.first_step == 0 && s.last_step == last_step) continue;
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (const size_t j : placed) {
      const Symbol& other = symbols[j];
      if (alive_together(s, other))
        taken.emplace_back(other.offset_bytes, other.offset_bytes + aligned(other.bytes()));
    }
    std::sort(taken.begin(), taken.end());
    int64_t offset = persistent;
    for (const auto& [begin, end] : taken) {
      if (offset + aligned(s.bytes()) <= begin) break;
      offset = std::max(offset, end);
    }
    s.offset_bytes = offset;
    placed.push_back(i);
    high_water = std::max(high_water, offset + aligned(s.bytes()));
  }
  return high_water;
}

std::vector<int64_t> uses_of(const Program& program) {
  std::vector<int64_t> uses(program.symbols.size(), 0);
  for (const Launch& launch : program.launches) {
    for (const SymbolId id : launch.bindings) ++uses[id.value];
  }
  return uses;
}

std::vector<size_t> members_of(const Program& program, Tier tier) {
  std::vector<size_t> members;
  for (size_t i = 0; i < program.symbols.size(); ++i) {
    if (program.symbols[i].tier == tier) members.push_back(i);
  }
  return members;
}

}  // namespace

Status plan_memory(Compilation& compilation) {
  Program& program = compilation.program;
  const ChipSpec& chip = *compilation.chip;
  const int64_t last = program_steps(program) - 1;
  for (Symbol& s : program.symbols) s.tier = Tier::kHbm;
  auto place = [&](Tier tier) { return place_tier(program.symbols, members_of(program, tier), last); };
  int64_t hbm = place(Tier::kHbm);
  if (hbm > chip.hbm.capacity_bytes) {
    const std::vector<int64_t> uses = uses_of(program);
    std::vector<size_t> order(program.symbols.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto transfer = [&](size_t i) { return program.symbols[i].bytes() * uses[i]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return transfer(a) < transfer(b); });
    // Sharing makes a symbol's share of the high-water mark unknown beforehand, so place again until it fits.
    size_t next = 0;
    while (hbm > chip.hbm.capacity_bytes && next < order.size()) {
      int64_t excess = hbm - chip.hbm.capacity_bytes;
      for (; next < order.size() && excess > 0; ++next) {
        program.symbols[order[next]].tier = Tier::kDdr;
        excess -= aligned(program.symbols[order[next]].bytes());
      }
      hbm = place(Tier::kHbm);
    }
  }
  const int64_t ddr = place(Tier::kDdr);
  program.tiers[static_cast<size_t>(Tier::kHbm)].bytes = hbm;
  program.tiers[static_cast<size_t>(Tier::kDdr)].bytes = ddr;
  if (hbm <= chip.hbm.capacity_bytes && ddr <= chip.ddr.capacity_bytes) return {};
  return Error{ErrorCode::kCapacity, program.name,
               fmt::format("needs {} B of HBM and {} B of DDR a socket; the chip has {} and {}", hbm, ddr,
                           chip.hbm.capacity_bytes, chip.ddr.capacity_bytes),
               "use more sockets, a smaller batch or a shorter context"};
}

}  // namespace rdusim::compiler
