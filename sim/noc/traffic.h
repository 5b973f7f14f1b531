// Synthetic traffic: the destination of a packet from its source. The list is traffic.def.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "sim/noc/mesh_spec.h"

namespace rdusim::sim::noc {

enum class Traffic : uint8_t {
#define RDU_TRAFFIC(name, meaning) k_##name,
#include "sim/noc/traffic.def"
#undef RDU_TRAFFIC
};

std::vector<std::string> traffic_names();
std::string traffic_name(Traffic traffic);
// By its name; an unknown one is an error that lists the known and suggests the nearest.
Result<Traffic> parse_traffic(const std::string& name);
// Whether the pattern is defined on this mesh: bit patterns need a power of two of nodes (transpose an even
// one), digit patterns as many rows as columns.
Status check_traffic(Traffic traffic, const MeshSpec& mesh);

// `random` is drawn from only by the patterns that are random.
uint32_t destination(Traffic traffic, const MeshSpec& mesh, uint32_t source, Random& random);
// Expected latency of a packet in an empty mesh, over all sources.
double zero_load_latency_cycles(Traffic traffic, const MeshSpec& mesh, int64_t packet_flits);

}  // namespace rdusim::sim::noc
