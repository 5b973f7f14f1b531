#include "sim/noc/mesh_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace rdusim::sim::noc {

int64_t MeshSpec::pipeline_cycles() const {
  const int64_t traversal = std::max<int64_t>(1, switch_traversal_delay_cycles);
  const int64_t allocation = speculative
                                 ? std::max(vc_allocation_delay_cycles, switch_allocation_delay_cycles)
                                 : vc_allocation_delay_cycles + switch_allocation_delay_cycles;
  return routing_delay_cycles + allocation + traversal;
}

int64_t MeshSpec::zero_load_latency_cycles(int64_t hops, int64_t packet_flits) const {
  // Node to first router: 2 cycles (written, carried); every router: its pipeline and one channel, of which
  // the last is the 1-cycle channel to the node.
  return 2 + (hops + 1) * (pipeline_cycles() + 1) + hops * (channel_latency_cycles - 1) + packet_flits - 1;
}

Status validate(const MeshSpec& spec, std::string_view where) {
  struct Limit {
    const char* name;
    int64_t value, low, high;
  };
  const Limit limits[] = {
      {"columns", spec.columns, 1, 256},
      {"rows", spec.rows, 1, 256},
      {"virtual channels", spec.virtual_channels, 1, 12},
      {"buffer flits", spec.buffer_flits, 1, 128},
      {"routing delay", spec.routing_delay_cycles, 0, 16},
      {"VC allocation delay", spec.vc_allocation_delay_cycles, 1, 16},
      {"switch allocation delay", spec.switch_allocation_delay_cycles, 1, 16},
      {"switch traversal delay", spec.switch_traversal_delay_cycles, 0, 16},
      {"channel latency", spec.channel_latency_cycles, 1, 64},
      {"credit delay", spec.credit_delay_cycles, 0, 64},
  };
  for (const Limit& limit : limits) {
    if (limit.value >= limit.low && limit.value <= limit.high) continue;
    return Error{ErrorCode::kOutOfRange, std::string(where),
                 fmt::format("{} is {}, must be {} to {}", limit.name, limit.value, limit.low, limit.high),
                 ""};
  }
  return {};
}

int64_t mesh_distance(const MeshSpec& spec, int64_t from, int64_t to) {
  return std::abs(from % spec.columns - to % spec.columns) +
         std::abs(from / spec.columns - to / spec.columns);
}

}  // namespace rdusim::sim::noc
