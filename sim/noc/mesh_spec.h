// What a packet-switched mesh is made of: its size, its routers' buffers and pipeline, its channels. The
// router is the input-queued virtual-channel router of Dally and Towles, "Principles and Practices of
// Interconnection Networks", chapters 16 and 17: routing computation, virtual-channel allocation, switch
// allocation, switch traversal, then the channel.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace rdusim::sim::noc {

// Ports of a router; the same numbers serve inputs (from there) and outputs (to there).
inline constexpr unsigned kEast = 0;   // +x
inline constexpr unsigned kWest = 1;   // -x
inline constexpr unsigned kSouth = 2;  // +y
inline constexpr unsigned kNorth = 3;  // -y
inline constexpr unsigned kLocal = 4;  // the node itself
inline constexpr unsigned kPorts = 5;

struct MeshSpec {
  int64_t columns = 8;
  int64_t rows = 8;
  int64_t virtual_channels =
      2;                     // of every channel; at most 12, so that a router's input VCs fit a 64-bit mask
  int64_t buffer_flits = 8;  // of one virtual channel
  int64_t routing_delay_cycles = 0;            // 0: computed one hop ahead
  int64_t vc_allocation_delay_cycles = 1;      // at least 1
  int64_t switch_allocation_delay_cycles = 1;  // at least 1
  int64_t switch_traversal_delay_cycles = 1;   // 0 counts as 1: a flit crosses in the cycle after its grant
  bool speculative = false;            // bid for the switch in the same cycle as for a virtual channel
  int64_t channel_latency_cycles = 1;  // between routers, flits and credits; node to router is always 1
  int64_t credit_delay_cycles = 1;     // in the router, from arrival of a credit to its use

  [[nodiscard]] int64_t nodes() const { return columns * rows; }
  // Cycles from a head flit's arrival until it is on the channel, without contention.
  [[nodiscard]] int64_t pipeline_cycles() const;
  // Latency of a packet between nodes `hops` links apart in an empty mesh, creation to last flit.
  [[nodiscard]] int64_t zero_load_latency_cycles(int64_t hops, int64_t packet_flits) const;
};

// Ranges of every member; `where` names the origin for the message.
Status validate(const MeshSpec& spec, std::string_view where);

// Manhattan distance of two nodes; node = row * columns + column.
int64_t mesh_distance(const MeshSpec& spec, int64_t from, int64_t to);

}  // namespace rdusim::sim::noc
