// Expansion of fault specifications; see faults.h.
#include "runtime/serving/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/random.h"
#include "runtime/repeatable_math.h"

namespace rdusim::runtime {
namespace {

constexpr std::array kKinds = {"hbm-channel", "ddr-channel", "slow-link", "socket-down", "corrupt", "cancel"};
constexpr size_t kMostRandomFaults = 1'000'000;  // of one row: a slipped exponent, not a wish

Result<FaultEvent> base_event(const FaultSpec& spec, size_t row, const ExpertRoster& roster, size_t groups,
                              size_t requests) {
  const std::string where = fmt::format("serving.faults[{}]", row);
  FaultEvent event;
  const auto kind = std::find(kKinds.begin(), kKinds.end(), spec.kind);
  if (kind == kKinds.end()) {
    return Error{ErrorCode::kInvalidInput, where, fmt::format("unknown kind of fault '{}'", spec.kind),
                 fmt::format("known: {}", fmt::join(kKinds, ", "))};
  }
  event.kind = static_cast<FaultKind>(kind - kKinds.begin());
  if (spec.group < 0 || static_cast<size_t>(spec.group) >= groups) {
    return Error{ErrorCode::kOutOfRange, where, fmt::format("group {} of {}", spec.group, groups),
                 "groups count from 0"};
  }
  if (event.kind == FaultKind::kCancel && static_cast<size_t>(spec.request) >= requests) {
    return Error{ErrorCode::kOutOfRange, where, fmt::format("request {} of {}", spec.request, requests),
                 "requests count from 0, in order of arrival"};
  }
  if (!spec.expert.empty()) {
    event.expert = roster.find(spec.expert);
    if (!event.expert) {
      return Error{ErrorCode::kNotFound, where, fmt::format("no expert is called '{}'", spec.expert),
                   "name an expert of the composition"};
    }
  }
  event.group = static_cast<uint16_t>(spec.group);
  event.count = spec.count;
  event.factor = spec.factor;
  event.request = static_cast<uint32_t>(spec.request);
  return event;
}

}  // namespace

Result<std::vector<FaultEvent>> fault_schedule(const EngineOptions& options, const ExpertRoster& roster,
                                               size_t groups, size_t requests, Picoseconds begin,
                                               Picoseconds end) {
  std::vector<FaultEvent> events;
  for (size_t row = 0; row < options.faults.size(); ++row) {
    const FaultSpec& spec = options.faults[row];
    RDU_ASSIGN(FaultEvent event, base_event(spec, row, roster, groups, requests));
    const auto add = [&](Picoseconds at) {
      event.at = at;
      event.recovers = false;
      events.push_back(event);
      if (spec.duration_s <= 0 || event.kind >= FaultKind::kCorrupt) return;
      event.at += picoseconds_from_seconds(spec.duration_s);
      event.recovers = true;
      events.push_back(event);
    };
    if (spec.rate_per_hour <= 0) {
      add(begin + picoseconds_from_seconds(spec.at_s));
      continue;
    }
    Random random(options.fault_seed * 1'000'003 + row);
    Picoseconds at = begin;
    for (size_t n = 0; n < kMostRandomFaults; ++n) {
      const double gap_s = -repeatable_log(1 - random.uniform()) * 3600 / spec.rate_per_hour;
      at += picoseconds_from_seconds(std::min(gap_s, 1e5));
      if (at > end) break;
      add(at);
    }
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const FaultEvent& a, const FaultEvent& b) { return a.at < b.at; });
  return events;
}

}  // namespace rdusim::runtime
