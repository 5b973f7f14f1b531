// A program in other words: units, channels, routes, tiles and AGCU ports listed in another order. What a run
// says must not change.
#pragma once

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/program/program.h"
#include "base/program/run_result.h"
#include "base/random.h"

namespace rdusim::testing {

template <typename T>
void shuffle(std::vector<T>& things, Random& random) {
  for (size_t i = things.size(); i > 1; --i) std::swap(things[i - 1], things[random.below(i)]);
}

inline std::vector<size_t> permutation(size_t n, Random& random) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  shuffle(order, random);
  return order;
}

// The same tree: at every step one of the points whose parents are listed already.
inline Route shuffled(const Route& from, Random& random) {
  constexpr size_t kNotYet = ~size_t{0};
  std::vector<size_t> places(from.points.size(), kNotYet);
  std::vector<size_t> open{0};
  Route out;
  while (!open.empty()) {
    std::swap(open.back(), open[random.below(open.size())]);
    const size_t at = open.back();
    open.pop_back();
    places[at] = out.points.size();
    Waypoint w = from.points[at];
    w.parent = at == 0 ? 0 : static_cast<uint32_t>(places[w.parent]);
    out.points.push_back(w);
    for (size_t i = 1; i < from.points.size(); ++i) {
      if (places[i] == kNotYet && from.points[i].parent == at) open.push_back(i);
    }
  }
  return out;
}

inline Section shuffled(const Section& from, Random& random) {
  Section out = from;
  const std::vector<size_t> units = permutation(from.units.size(), random);
  const std::vector<size_t> channels = permutation(from.channels.size(), random);
  std::vector<size_t> new_place(channels.size());
  for (size_t i = 0; i < channels.size(); ++i) {
    Channel& channel = out.channels[i];
    channel = from.channels[channels[i]];
    new_place[channels[i]] = i;
    shuffle(channel.tiles, random);
    for (std::vector<Route>& leg : channel.legs) {
      shuffle(leg, random);
      for (Route& route : leg) route = shuffled(route, random);
    }
  }
  for (size_t i = 0; i < units.size(); ++i) {
    Unit& unit = out.units[i];
    unit = from.units[units[i]];
    for (InputPort& port : unit.inputs) port.channel = ChannelId(new_place[port.channel.value]);
    for (OutputPort& port : unit.outputs) {
      for (ChannelId& c : port.channels) c = ChannelId(new_place[c.value]);
      shuffle(port.channels, random);
    }
    shuffle(unit.tiles, random);
    shuffle(unit.agcus, random);
  }
  return out;
}

inline Program shuffled(const Program& from, Random& random) {
  Program out = from;
  for (Section& section : out.sections) section = shuffled(section, random);
  return out;
}

// Units of each section by name, so that runs of programs in other words can be compared.
inline RunResult by_name(RunResult r) {
  for (SectionResult& s : r.sections) {
    std::sort(s.units.begin(), s.units.end(),
              [](const UnitResult& a, const UnitResult& b) { return a.name < b.name; });
  }
  return r;
}

}  // namespace rdusim::testing
