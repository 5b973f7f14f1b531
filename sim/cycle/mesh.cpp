#include "sim/cycle/mesh.h"

#include <algorithm>

#include "base/program/route.h"

namespace rdusim::sim::cycle {

Mesh::Mesh(const Fabric& fabric, const RdnSpec& rdn, BurstNetwork& network)
    : fabric_(fabric),
      network_(network),
      agcu_sinks_(static_cast<size_t>(fabric.tiles()), BurstNetwork::kNone),
      loads_(static_cast<size_t>(fabric.link_slots()), Load{}),
      entry_loads_(static_cast<size_t>(fabric.agcu_ports()), Load{}) {
  for (int64_t l = 0; l < fabric.link_slots(); ++l) {
    const LinkId link(static_cast<size_t>(l));
    const int64_t rate = std::min(rdn.link_bytes_per_cycle, fabric.link_bytes_per_cycle(rdn, link));
    const int64_t latency = fabric.hop_cycles(rdn, link);
    // FIFOs as in sim/noc/rdn.cpp.
    links_.push_back(network.add_link((rdn.link_bytes_per_cycle + rate - 1) / rate, latency, 4 * latency));
  }
  for (int64_t p = 0; p < fabric.agcu_ports(); ++p) {
    agcu_entries_.push_back(network.add_link(1, 1, 4));
    uint32_t& sink = agcu_sinks_[fabric.agcu_tile(p).value];
    if (sink == BurstNetwork::kNone) sink = network.add_link(1, 0, 0);
  }
}

uint32_t Mesh::virtual_channel(const Route& route, std::optional<size_t> agcu_port) const {
  Load shared{};
  const auto look = [&](const Load& load) {
    for (size_t vc = 0; vc < load.size(); ++vc) shared[vc] += load[vc];
  };
  visit_links(fabric_, route, [&](LinkId l) { look(loads_[l.value]); });
  if (agcu_port) look(entry_loads_[*agcu_port]);
  return static_cast<uint32_t>(std::min_element(shared.begin(), shared.end()) - shared.begin());
}

uint32_t Mesh::add_hop(uint32_t parent, LinkId link, const Lane& lane) {
  loads_[link.value][lane.virtual_channel] += lane.vectors;
  return network_.add_point(parent, links_[link.value], lane.virtual_channel);
}

uint32_t Mesh::add_entry(uint32_t root, size_t agcu_port, const Lane& lane) {
  entry_loads_[agcu_port][lane.virtual_channel] += lane.vectors;
  return network_.add_point(root, agcu_entries_[agcu_port], lane.virtual_channel);
}

}  // namespace rdusim::sim::cycle
