// Service table of a DRAM device: the command-level model over a grid of patterns.
//
// Every point is a closed loop of concurrent streams (traffic.h) on the whole device without refresh, whose
// time the chip file charges by itself; what refresh costs beyond its time is one factor, from a long stream
// (APPROX: mixed traffic loses up to 1 % more). Streams begin anywhere in the device (seeded), so bank
// conflicts between them are those of the mapping. A table follows from the device, the grid and the version
// of the model alone.
#pragma once

#include <string>

#include "base/arch/dram.h"
#include "base/arch/memory_service.h"
#include "base/result.h"

namespace rdusim::sim {

// The grid of the tables that ship; efficiency and hash are empty.
MemoryService memory_service_grid(const std::string& name, const std::string& device_name);

// Achieved share of the peak for one pattern of the grid, without refresh.
Result<double> memory_efficiency(const DramSpec& device, int64_t streams, int64_t granule_bytes,
                                 double write_share, int64_t bursts_per_channel);

// Fills in the grid's efficiency and hash.
Status characterize_memory(const DramSpec& device, MemoryService& service);

}  // namespace rdusim::sim
