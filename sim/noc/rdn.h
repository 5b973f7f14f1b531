// The three networks of the reconfigurable dataflow network (RDN) as configurations of the flow network:
// vector and scalar are packet switched with credits per hop, control is circuit switched, a bundle of single
// wires. Source: Prabhakar et al., MICRO 2024 (arXiv 2405.07518), Sec. IV-C. What is not published is
// assumed, each value with its reason.
#pragma once

#include <cstdint>

#include "sim/noc/flow.h"

namespace rdusim::sim::noc {

// Of the mesh, both dies together; the values of a chip file.
struct RdnShape {
  int64_t columns = 52;
  int64_t rows = 40;
  int64_t dies = 2;
  int64_t link_bytes_per_cycle = 64;
  int64_t hop_latency_cycles = 2;
  double die_link_bytes_per_cycle = 64;
  int64_t die_hop_latency_cycles = 8;
};

struct RdnNetworks {
  FlowNetworkSpec vector;
  FlowNetworkSpec scalar;
  int64_t control_wires_per_link = 0;
  int64_t control_hop_cycles = 0;
};

// assumed: 4 virtual channels (software-managed flow classes), FIFOs as deep as the credit round trip of
// their link and twice that, so that one channel alone fills the link. assumed: a scalar is one 32-bit word.
// assumed: 16 control wires a link, as many as a unit has counters to report on; a wire passes one switch a
// cycle.
RdnNetworks rdn_networks(const RdnShape& shape);

// A done event over the control network: cycles from the unit that raises it to the last that waits for it.
int64_t control_latency_cycles(const RdnNetworks& rdn, const Flow& flow);

}  // namespace rdusim::sim::noc
