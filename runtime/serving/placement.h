// Placement: which socket groups hold an expert in their DDR, and so may run it. Follows popularity: experts
// are dealt out from the most to the least asked for, each to the group with the least load for its sockets;
// an expert that is asked for more than one group's fair share is put in as many groups as that takes.
// The popularity is that of the workload itself (a profile taken beforehand).
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/units.h"

namespace rdusim::runtime {

struct GroupRoom {
  int64_t sockets = 1;
  Bytes store;                      // DDR for experts
  std::vector<Bytes> expert_bytes;  // by ExpertId, as this group holds them
};

struct Placement {
  bool fits = true;
  std::vector<std::vector<uint16_t>> homes;  // by ExpertId: groups, first choice first
  std::vector<std::vector<bool>> placed;     // [group][ExpertId]
};

// `asked`: requests by ExpertId.
Placement place_experts(const std::vector<GroupRoom>& groups, const std::vector<int64_t>& asked);

}  // namespace rdusim::runtime
