#include "sim/cycle/canonical_section.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/program/topology.h"

namespace rdusim::sim::cycle {

namespace {

// Indices of `count` things in the order of `less`.
template <typename Less>
std::vector<size_t> sorted(size_t count, Less less) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), less);
  return order;
}

std::vector<size_t> places(const std::vector<size_t>& order) {
  std::vector<size_t> places(order.size());
  for (size_t i = 0; i < order.size(); ++i) places[order[i]] = i;
  return places;
}

Route canonical_route(const Route& listed) {
  const std::vector<Waypoint>& points = listed.points;
  std::vector<std::vector<uint32_t>> next(points.size());
  for (uint32_t i = 1; i < points.size(); ++i) next[points[i].parent].push_back(i);
  Route route;
  route.points.reserve(points.size());
  struct Open {
    uint32_t point;
    uint32_t parent;  // in `route`
  };
  std::vector<Open> open{{0, 0}};
  while (!open.empty()) {
    const auto [point, parent] = open.back();
    open.pop_back();
    const auto place = static_cast<uint32_t>(route.points.size());
    route.points.push_back({points[point].tile, parent, points[point].delivers});
    // The last one is taken first.
    std::sort(next[point].begin(), next[point].end(),
              [&](uint32_t a, uint32_t b) { return points[b].tile < points[a].tile; });
    for (const uint32_t n : next[point]) open.push_back({n, place});
  }
  return route;
}

bool goes_before(const Route& a, const Route& b) {
  const auto key = [](const Waypoint& w) { return std::tuple(w.tile, w.parent, w.delivers); };
  return std::lexicographical_compare(a.points.begin(), a.points.end(), b.points.begin(), b.points.end(),
                                      [&](const Waypoint& x, const Waypoint& y) { return key(x) < key(y); });
}

void order_routes(std::vector<Route>& routes) {
  for (Route& route : routes) route = canonical_route(route);
  std::sort(routes.begin(), routes.end(), goes_before);
}

std::vector<size_t> channel_order(const std::vector<ChannelEnds>& ends,
                                  const std::vector<size_t>& unit_places) {
  const auto key = [&](const ChannelEnds& e) {
    return std::tuple(unit_places[e.producer->value], e.output_port, unit_places[e.consumer->value],
                      e.input_port);
  };
  return sorted(ends.size(), [&](size_t a, size_t b) { return key(ends[a]) < key(ends[b]); });
}

void order_unit(Unit& unit, const std::vector<size_t>& channel_places) {
  for (InputPort& port : unit.inputs) port.channel = ChannelId(channel_places[port.channel.value]);
  for (OutputPort& port : unit.outputs) {
    for (ChannelId& c : port.channels) c = ChannelId(channel_places[c.value]);
    std::sort(port.channels.begin(), port.channels.end());
  }
  std::sort(unit.tiles.begin(), unit.tiles.end());
  std::sort(unit.agcus.begin(), unit.agcus.end());
}

}  // namespace

Result<CanonicalSection> canonical_section(const Section& listed) {
  RDU_ASSIGN(const std::vector<ChannelEnds> ends, channel_ends(listed));
  const std::vector<size_t> units = sorted(
      listed.units.size(), [&](size_t a, size_t b) { return listed.units[a].name < listed.units[b].name; });
  CanonicalSection out{{listed.name, listed.arguments, {}, {}}, places(units)};
  const std::vector<size_t> channels = channel_order(ends, out.unit_places);
  const std::vector<size_t> channel_places = places(channels);
  for (const size_t u : units) order_unit(out.section.units.emplace_back(listed.units[u]), channel_places);
  for (const size_t c : channels) {
    Channel& channel = out.section.channels.emplace_back(listed.channels[c]);
    std::sort(channel.tiles.begin(), channel.tiles.end());
    for (std::vector<Route>& leg : channel.legs) order_routes(leg);
  }
  return out;
}

}  // namespace rdusim::sim::cycle
