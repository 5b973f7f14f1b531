// The schedule of faults of a run: what is set for a time, and what comes at a rate (exponential gaps,
// seeded), as one list by time. Recovery after a duration is an event of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/composition.h"
#include "runtime/serving/engine_options.h"

namespace rdusim::runtime {

enum class FaultKind : uint8_t { kHbmChannel, kDdrChannel, kSlowLink, kSocketDown, kCorrupt, kCancel };

struct FaultEvent {
  Picoseconds at;
  FaultKind kind = FaultKind::kCancel;
  bool recovers = false;  // the end of one
  uint16_t group = 0;
  int64_t count = 1;
  double factor = 1;
  std::optional<ExpertId> expert;
  uint32_t request = 0;
};

// `begin` and `end`: first and last arrival; random faults come between. Fails on unknown experts, groups and
// requests.
Result<std::vector<FaultEvent>> fault_schedule(const EngineOptions& options, const ExpertRoster& roster,
                                               size_t groups, size_t requests, Picoseconds begin,
                                               Picoseconds end);

}  // namespace rdusim::runtime
