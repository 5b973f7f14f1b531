// A section in an order that follows from what it says, not from how it is listed. In the engine much goes by
// turns (bursts over routes), by numbers (virtual channels) or by who comes first in a cycle; built in this
// order, a section runs the same however its parts are listed.
//
//   units      by name, which is unique
//   channels   by the ports at their ends: producer, output port, consumer, input port
//   routes     by their points, the source first; points of a route depth first, by tile
//   tiles, AGCU ports, channels of an output port: ascending
//
// What an order says something by stays: ports of a unit, operations of a body, arguments.
#pragma once

#include <cstddef>
#include <vector>

#include "base/program/program.h"
#include "base/result.h"

namespace rdusim::sim::cycle {

struct CanonicalSection {
  Section section;
  std::vector<size_t> unit_places;  // by unit as listed: its place in `section`
};

// Fails as channel_ends (base/program/topology.h).
Result<CanonicalSection> canonical_section(const Section& listed);

}  // namespace rdusim::sim::cycle
