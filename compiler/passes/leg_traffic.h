// What passes over the legs of a section's channels in a launch: leg 0 leads from the producer to the
// channel's PMUs (or to the consumer, if it has none), leg 1 from there to the consumer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/program/program.h"
#include "base/program/topology.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

class LegTraffic {
 public:
  // Keeps references. `ends`: channel_ends(section).
  LegTraffic(const Section& section, const SectionTraffic& traffic, std::vector<ChannelEnds> ends)
      : section_(section), traffic_(traffic), ends_(std::move(ends)) {}

  [[nodiscard]] const ChannelEnds& ends(size_t c) const { return ends_[c]; }
  [[nodiscard]] size_t producer_index(size_t c) const { return ends_[c].producer->value; }
  [[nodiscard]] size_t consumer_index(size_t c) const { return ends_[c].consumer->value; }
  [[nodiscard]] const Unit& producer(size_t c) const { return section_.units[producer_index(c)]; }
  [[nodiscard]] const Unit& consumer(size_t c) const { return section_.units[consumer_index(c)]; }
  [[nodiscard]] bool computes(size_t c) const {
    return consumer(c).kind == UnitKind::kGemm || consumer(c).kind == UnitKind::kSimd;
  }
  // Its tokens lie in the PMUs of the buffer that made them.
  [[nodiscard]] bool is_view(size_t c) const {
    return producer(c).kind == UnitKind::kBuffer && section_.channels[c].pmus == 0;
  }
  [[nodiscard]] int64_t pmus(size_t c) const {
    return is_view(c) ? producer(c).pmus : section_.channels[c].pmus;
  }
  // The leg over which the consumer reads.
  [[nodiscard]] size_t read_leg(size_t c) const { return is_view(c) ? 0 : 1; }
  // Whether a compute stage reads its operands over the leg.
  [[nodiscard]] bool reads_operands(size_t c, size_t leg) const {
    return computes(c) && pmus(c) > 0 && leg == read_leg(c);
  }
  // Bytes over a leg. What compute units read, they read for every firing.
  [[nodiscard]] int64_t bytes(size_t c, size_t leg) const {
    const bool reads = leg == 1 || producer(c).kind == UnitKind::kBuffer;
    return reads ? traffic_.channels[c].read_bytes : traffic_.channels[c].bytes;
  }
  [[nodiscard]] int64_t widest(size_t c) const {
    return std::max(traffic_.channels[c].bytes, traffic_.channels[c].read_bytes);
  }
  // A stream of the memory. What is read again and again keeps its links busy whoever has the memory's turn.
  [[nodiscard]] bool is_stream(size_t c, size_t leg) const {
    return (producer(c).stream || consumer(c).stream) && bytes(c, leg) <= traffic_.channels[c].bytes;
  }
  // Whether the memory streams into the unit's own channels.
  [[nodiscard]] bool streams_in(size_t unit) const {
    const std::vector<InputPort>& inputs = section_.units[unit].inputs;
    return std::any_of(inputs.begin(), inputs.end(), [&](const InputPort& port) {
      const Unit& from = producer(port.channel.value);
      return from.kind == UnitKind::kLoad && !from.stream->gather;
    });
  }

 private:
  const Section& section_;
  const SectionTraffic& traffic_;
  std::vector<ChannelEnds> ends_;
};

}  // namespace rdusim::compiler
