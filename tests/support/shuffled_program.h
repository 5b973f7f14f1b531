// A program's first section with its units and channels in another order: what a run says must not change.
#pragma once

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/program/program.h"
#include "base/program/run_result.h"
#include "base/random.h"

namespace rdusim::testing {

inline Program shuffled(const Program& p, Random& random) {
  const auto permutation = [&](size_t n) {
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    return order;
  };
  Program out = p;
  Section& section = out.sections[0];
  const Section& from = p.sections[0];
  const std::vector<size_t> units = permutation(from.units.size());
  const std::vector<size_t> channels = permutation(from.channels.size());
  std::vector<size_t> new_place(channels.size());
  for (size_t i = 0; i < channels.size(); ++i) {
    section.channels[i] = from.channels[channels[i]];
    new_place[channels[i]] = i;
  }
  for (size_t i = 0; i < units.size(); ++i) {
    Unit unit = from.units[units[i]];
    for (InputPort& port : unit.inputs) port.channel = ChannelId(new_place[port.channel.value]);
    for (OutputPort& port : unit.outputs) {
      for (ChannelId& c : port.channels) c = ChannelId(new_place[c.value]);
    }
    section.units[i] = std::move(unit);
  }
  return out;
}

inline void sort_units(RunResult& r) {
  for (SectionResult& s : r.sections) {
    std::sort(s.units.begin(), s.units.end(),
              [](const UnitResult& a, const UnitResult& b) { return a.name < b.name; });
  }
}

}  // namespace rdusim::testing
