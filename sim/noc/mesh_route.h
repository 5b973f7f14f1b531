// Routing of the mesh: what the two halves of a cycle share (mesh_network.cpp, mesh_router.cpp).
#pragma once

#include "sim/noc/mesh_network.h"

namespace rdusim::sim::noc {

// The front flit of input VC `vc` is a head; it may ask for an output VC from `ready_cycle` on.
template <unsigned V>
inline void MeshNetwork::start_route(uint32_t router, unsigned vc, int64_t ready_cycle) {
  if (ready_cycle > cycle_) {
    routed_.add(ready_cycle, router * kPorts * vcs<V>() + vc);
  } else {
    wait_for_vc<V>(routers_[router], router, vc);
  }
}

// Dimension order: columns first.
template <unsigned V>
inline void MeshNetwork::wait_for_vc(Router& router, uint32_t number, unsigned vc) {
  const uint32_t index = number * kPorts * vcs<V>() + vc;
  InputVc& in = inputs_[index];
  const Flit& flit = buffers_[(size_t{index} << buffer_shift_) + in.head];
  const unsigned x = flit.xy & 0xFFU;
  const unsigned y = flit.xy >> 8;
  unsigned port = kLocal;
  if (x != router.x) {
    port = x > router.x ? kEast : kWest;
  } else if (y != router.y) {
    port = y > router.y ? kSouth : kNorth;
  }
  in.out_port = static_cast<uint16_t>(port);
  router.waiting[port] |= uint64_t{1} << vc;
  router.waited_ports |= 1U << port;
  wake(number);
}

}  // namespace rdusim::sim::noc
