// The mesh of a section run: the chip's links and AGCU ports as links of the burst network, and which virtual
// channel each way takes.
//
// A way takes one virtual channel all along: the one in which least passes, of the ways laid before it, on
// the links that it crosses. So ways that meet stand in line for each other as little as four FIFOs a link
// allow, and what is chosen follows from the ways alone.
//
// assumed: the compiler assigns virtual channels (sim/noc/rdn.h calls them software-managed flow classes);
// how the real one does is not published.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/program.h"
#include "sim/cycle/burst_network.h"

namespace rdusim::sim::cycle {

// How a way lies in its links.
struct Lane {
  uint32_t virtual_channel = 0;
  int64_t vectors = 0;  // that pass in a launch
};

class Mesh {
 public:
  // Adds the links to the network. References both.
  Mesh(const Fabric& fabric, const RdnSpec& rdn, BurstNetwork& network);

  [[nodiscard]] const Fabric& fabric() const { return fabric_; }
  [[nodiscard]] BurstNetwork& network() { return network_; }
  // Network's number of the way out to the AGCU at a tile; kNone: there is none.
  [[nodiscard]] uint32_t agcu_sink(TileId tile) const { return agcu_sinks_[tile.value]; }

  // The virtual channel for a way over the route's links, from an AGCU port (absent: from a unit).
  [[nodiscard]] uint32_t virtual_channel(const Route& route, std::optional<size_t> agcu_port) const;
  // The point behind a link or AGCU entry that a way takes next, after `parent`.
  uint32_t add_hop(uint32_t parent, LinkId link, const Lane& lane);
  uint32_t add_entry(uint32_t root, size_t agcu_port, const Lane& lane);

 private:
  using Load = std::array<int64_t, BurstNetwork::kVirtualChannels>;  // vectors a launch

  const Fabric& fabric_;
  BurstNetwork& network_;
  std::vector<uint32_t> links_;         // network's number, by LinkId
  std::vector<uint32_t> agcu_entries_;  // ... of a port's way into the mesh
  std::vector<uint32_t> agcu_sinks_;    // by tile
  std::vector<Load> loads_;             // by LinkId
  std::vector<Load> entry_loads_;       // by AGCU port
};

}  // namespace rdusim::sim::cycle
