// Who is at the two ends of each channel of a section, and which operations of a unit a firing has to do.
// Shared by the verifier, the cost model, the analytic model and the event engine.
#pragma once

#include <cstdint>
#include <vector>

#include "base/program/program.h"

namespace rdusim {

// Firings among [0, firings) at which a port with these phases is active.
int64_t active_firings(const Phases& phases, int64_t firings);

struct ChannelEnds {
  std::optional<UnitId> producer;
  size_t output_port = 0;
  std::optional<UnitId> consumer;
  size_t input_port = 0;
};
// Fails when a port names no channel, or a channel has not exactly one producer and one consumer.
Result<std::vector<ChannelEnds>> channel_ends(const Section& section);

// Operations of the body that a firing needs: those that an output port reads now. A port reads its source at
// its active firings, and at every firing if it accumulates. `outputs_read[i]`: port i reads. Result: one
// flag a register.
std::vector<bool> needed_registers(const Unit& unit, const std::vector<bool>& outputs_read);

}  // namespace rdusim
