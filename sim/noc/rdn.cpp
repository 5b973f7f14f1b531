#include "sim/noc/rdn.h"

#include <algorithm>
#include <cstdlib>

namespace rdusim::sim::noc {

RdnNetworks rdn_networks(const RdnShape& shape) {
  RdnNetworks rdn;
  FlowNetworkSpec& vector = rdn.vector;
  vector.columns = shape.columns;
  vector.rows = shape.rows;
  vector.dies = shape.dies;
  vector.flit_bytes = shape.link_bytes_per_cycle;
  vector.virtual_channels = 4;
  vector.hop_latency_cycles = shape.hop_latency_cycles;
  vector.buffer_flits = 4 * shape.hop_latency_cycles;  // a flit and its credit take a hop each
  vector.die_link_bytes_per_cycle = shape.die_link_bytes_per_cycle;
  vector.die_hop_latency_cycles = shape.die_hop_latency_cycles;
  vector.die_buffer_flits = 4 * shape.die_hop_latency_cycles;
  rdn.scalar = vector;
  rdn.scalar.flit_bytes = 4;
  rdn.scalar.die_link_bytes_per_cycle = 4;
  rdn.control_wires_per_link = 16;
  rdn.control_hop_cycles = 1;
  return rdn;
}

int64_t control_latency_cycles(const RdnNetworks& rdn, const Flow& flow) {
  // The depth of the tree: how many links follow one another from the source.
  const int64_t columns = rdn.vector.columns;
  std::vector<int64_t> at{flow.source};
  int64_t depth = 0;
  while (true) {
    std::vector<int64_t> next;
    for (const int64_t link : flow.links) {
      if (std::find(at.begin(), at.end(), link / 4) == at.end()) continue;
      const int64_t step[] = {1, columns, -1, -columns};
      next.push_back(link / 4 + step[link % 4]);
    }
    if (next.empty()) break;
    ++depth;
    at = std::move(next);
  }
  return 1 + depth * rdn.control_hop_cycles + 1;  // onto the wire, and into the unit's control logic
}

}  // namespace rdusim::sim::noc
