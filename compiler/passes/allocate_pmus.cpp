#include "compiler/passes/allocate_pmus.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "compiler/passes/operand_widths.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

// assumed: a PCU's input FIFO holds 16 vectors of 64 B (FIFO depth is not published); larger tokens wait in a
// PMU.
constexpr int64_t kFifoBytes = 16 * 64;

// Once links are known, operands are read at twice the pace of their stages where PMUs are left, since other
// flows take a part of the links.
constexpr int64_t kAtTwicePace = 500;

// Tokens of streams that meet. assumed: measured on Mistral-7B's prefill of 2048 tokens, unfused, two
// take 1.6 % longer, four and more differ by less than 1 %; few leave PMUs to others.
constexpr int64_t kInStep = 8;
// Results that may wait for the memory. assumed: measured there, two take 2 % longer, twelve as long as six.
constexpr int64_t kStoreTokens = 6;

// Tokens that memory streams into each channel whose consumer works on them as they come; 0 for other
// channels. A buffer keeps what it gets, so nothing is gained by running ahead of it.
std::vector<int64_t> streamed_tokens(const Section& section) {
  std::vector<int64_t> tokens(section.channels.size(), 0);
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    for (const ChannelId id : unit.outputs[0].channels) tokens[id.value] = unit.stream->tokens();
  }
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kBuffer) continue;
    for (const InputPort& port : unit.inputs) tokens[port.channel.value] = 0;
  }
  return tokens;
}

int64_t pmus_for(const Channel& channel, const ChipSpec& chip) {
  const int64_t bytes = channel.capacity_tokens * channel.token_bytes();
  return bytes <= kFifoBytes ? 0 : ceil_div(bytes, chip.pmu.capacity_bytes);
}

// Channels fed by a buffer: their tokens are views of what the buffer holds.
std::vector<bool> fed_by_buffer(const Section& section) {
  std::vector<bool> fed(section.channels.size(), false);
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kBuffer) continue;
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId id : port.channels) fed[id.value] = true;
    }
  }
  return fed;
}

// Cycles in which HBM can stream all that the section's loads ask for.
int64_t stream_cycles(const Section& section, const ChipSpec& chip) {
  double bytes = 0;
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    const MemoryStream& s = *unit.stream;
    const DType dtype = section.channels[unit.outputs[0].channels.front().value].dtype;
    bytes += static_cast<double>(s.repeats * s.segments * s.rows * s.cols * dtype_bytes(dtype));
  }
  return static_cast<int64_t>(bytes * chip.clock_hz / chip.hbm.achieved_bytes_per_s());
}

// Bytes that go into a buffer in a launch.
int64_t bytes_written(const Section& section, const Unit& unit, const SectionWork& work) {
  int64_t bytes = 0;
  for (const InputPort& port : unit.inputs) {
    const Extent token = work.largest(port.channel.value);
    bytes += token.elements() * dtype_bytes(section.channels[port.channel.value].dtype) *
             active_firings(port.phases, unit.firings);
  }
  return bytes;
}

// Cycles of a launch, as far as work and memory streams go.
int64_t section_cycles(const Section& section, const ChipSpec& chip, int64_t slowest_cycles) {
  return std::max({slowest_cycles, stream_cycles(section, chip), int64_t{2}});
}

// Buffers: storage of their largest emitted token, and enough PMUs side by side that filling one takes at
// most half of the section's time. What reading asks for: operand_widths.h.
int64_t allocate_buffers(Section& section, const SectionWork& work, const ChipSpec& chip,
                         int64_t slowest_cycles) {
  int64_t used = 0;
  const int64_t time = section_cycles(section, chip, slowest_cycles) / 2;
  for (Unit& unit : section.units) {
    if (unit.kind != UnitKind::kBuffer) continue;
    int64_t bytes = 0;
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId id : port.channels) {
        bytes = std::max(bytes,
                         work.largest(id.value).elements() * dtype_bytes(section.channels[id.value].dtype));
      }
    }
    const int64_t storage = ceil_div(bytes, chip.pmu.capacity_bytes);
    const int64_t width = ceil_div(bytes_written(section, unit, work), chip.pmu.port_bytes_per_cycle * time);
    unit.pmus = std::max({int64_t{1}, storage, width});
    used += unit.pmus;
  }
  return used;
}

// Stages that stand between the two ends of each channel on the longest other path. While a token goes that
// way, this many more enter: a residual's channel must hold them, or it stops the pipeline that it runs
// beside.
std::vector<int64_t> stages_beside(const Section& section) {
  std::vector<int64_t> depth(section.units.size(), 0);
  std::vector<size_t> producer(section.channels.size(), 0);
  std::vector<int64_t> beside(section.channels.size(), 0);
  for (size_t u = 0; u < section.units.size(); ++u) {  // in order of creation: producers first
    for (const InputPort& port : section.units[u].inputs)
      depth[u] = std::max(depth[u], depth[producer[port.channel.value]] + 1);
    for (const InputPort& port : section.units[u].inputs) {
      beside[port.channel.value] = depth[u] - depth[producer[port.channel.value]] - 1;
    }
    for (const OutputPort& port : section.units[u].outputs) {
      for (const ChannelId id : port.channels) producer[id.value] = u;
    }
  }
  return beside;
}

// Tokens that each channel carries in a launch.
std::vector<int64_t> tokens_carried(const Section& section) {
  std::vector<int64_t> tokens(section.channels.size(), 0);
  for (const Unit& unit : section.units) {
    for (const InputPort& port : unit.inputs)
      tokens[port.channel.value] = active_firings(port.phases, unit.firings);
  }
  return tokens;
}

// PMUs that a channel needs side by side, each taking a port's width a cycle. A stream that matters takes
// what all AGCU ports give while it has its turn; other channels pass their tokens in half the section's
// `time`.
int64_t width_of(size_t c, bool stream, int64_t time, int64_t streams_bytes, const Section& section,
                 const SectionWork& work, const ChipSpec& chip) {
  constexpr int64_t kMatters =
      100;  // part of all streams' bytes below which half the pace costs less than 1 %
  const int64_t bytes = work.elements(c) * dtype_bytes(section.channels[c].dtype);
  if (!stream)
    return std::min(section.channels[c].links, ceil_div(bytes, chip.pmu.port_bytes_per_cycle * time));
  if (bytes * kMatters < streams_bytes) return 1;
  return chip.agcu_ports;
}

// Buffers that a stream fills take what all AGCU ports give, as far as PMUs are left.
void widen_buffers(Section& section, const ChipSpec& chip, int64_t& used) {
  std::vector<int64_t> tokens(section.channels.size(), 0);  // that memory streams into each channel
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    for (const ChannelId id : unit.outputs[0].channels) tokens[id.value] = unit.stream->tokens();
  }
  for (Unit& unit : section.units) {
    if (unit.kind != UnitKind::kBuffer) continue;
    const bool filled = std::any_of(unit.inputs.begin(), unit.inputs.end(),
                                    [&](const InputPort& port) { return tokens[port.channel.value] > 1; });
    if (!filled) continue;
    const int64_t more = std::clamp<int64_t>(chip.agcu_ports - unit.pmus, 0, chip.pmu.count - used);
    unit.pmus += more;
    used += more;
  }
}

// PMUs that widen() would give the streams that matter.
int64_t streams_wish(const Section& section, const ChipSpec& chip) {
  int64_t wish = 0;
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    for (const ChannelId id : unit.outputs[0].channels) {
      const int64_t pmus = section.channels[id.value].pmus;
      if (pmus > 0) wish += std::max<int64_t>(0, chip.agcu_ports - pmus);
    }
  }
  return wish;
}

// Spreads channels over as many PMUs as their rate asks for, as far as PMUs are left.
void widen(Section& section, const SectionWork& work, const ChipSpec& chip, int64_t time, int64_t& used) {
  std::vector<bool> stream(section.channels.size(), false);
  int64_t streams_bytes = 0;
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    for (const ChannelId id : unit.outputs[0].channels) {
      stream[id.value] = true;
      streams_bytes += work.elements(id.value) * dtype_bytes(section.channels[id.value].dtype);
    }
  }
  for (size_t c = 0; c < section.channels.size(); ++c) {
    Channel& channel = section.channels[c];
    if (channel.pmus == 0) continue;
    const int64_t width = width_of(c, stream[c], time, streams_bytes, section, work, chip);
    const int64_t more = std::clamp<int64_t>(width - channel.pmus, 0, chip.pmu.count - used);
    channel.pmus += more;
    used += more;
  }
}

// Deepens channels beside long paths, as far as PMUs are left. Views of a growing buffer cost only the rows
// that come meanwhile, which the buffer's storage of the whole sequence has room for. APPROX: where one
// sequence of a batch follows another, the first rows of the next wait in storage that is not counted (a few
// row blocks).
void balance(Section& section, const ChipSpec& chip, const std::vector<bool>& views, int64_t& used) {
  const std::vector<int64_t> beside = stages_beside(section);
  const std::vector<int64_t> tokens = tokens_carried(section);
  for (size_t c = 0; c < section.channels.size(); ++c) {
    Channel& channel = section.channels[c];
    const int64_t wanted =
        std::min(channel.capacity_tokens + beside[c], std::max(tokens[c], channel.capacity_tokens));
    if (views[c]) {
      channel.capacity_tokens = wanted;
      continue;
    }
    const int64_t room =
        (chip.pmu.count - used + channel.pmus) * chip.pmu.capacity_bytes / channel.token_bytes();
    const int64_t before = channel.pmus;
    channel.capacity_tokens = std::clamp(room, channel.capacity_tokens, wanted);
    channel.pmus = std::max(before, pmus_for(channel, chip));
    used += channel.pmus - before;
  }
}

// Where the memory binds, results wait for their turn behind everything that is read: room for some more, as
// far as PMUs are left, keeps their stage going.
void deepen_stores(Section& section, const ChipSpec& chip, int64_t& used) {
  const std::vector<int64_t> tokens = tokens_carried(section);
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kStore) continue;
    const size_t c = unit.inputs[0].channel.value;
    Channel& channel = section.channels[c];
    if (channel.pmus == 0) continue;
    const int64_t before = channel.pmus;
    const int64_t room = (chip.pmu.count - used + before) * chip.pmu.capacity_bytes / channel.token_bytes();
    const int64_t wanted = std::max(channel.capacity_tokens, std::min(kStoreTokens, tokens[c]));
    channel.capacity_tokens = std::clamp(room, channel.capacity_tokens, wanted);
    channel.pmus = std::max(before, pmus_for(channel, chip));
    used += channel.pmus - before;
  }
}

// Streams whose tokens meet those of another stream, one for one, gain nothing from running far ahead of it.
void keep_in_step(const Section& section, std::vector<int64_t>& tokens) {
  for (const Unit& unit : section.units) {
    const auto streams = [&](const InputPort& port) { return tokens[port.channel.value] > 1; };
    if (std::count_if(unit.inputs.begin(), unit.inputs.end(), streams) < 2) continue;
    for (const InputPort& port : unit.inputs)
      tokens[port.channel.value] = std::min(tokens[port.channel.value], kInStep);
  }
}

// Gives streams the PMUs that are left, in pipeline order: what is needed first runs ahead first.
void run_ahead(Section& section, const ChipSpec& chip, int64_t& used) {
  std::vector<int64_t> tokens = streamed_tokens(section);
  keep_in_step(section, tokens);
  for (size_t c = 0; c < section.channels.size(); ++c) {
    Channel& channel = section.channels[c];
    if (tokens[c] <= channel.capacity_tokens) continue;
    const int64_t before = channel.pmus;
    const int64_t free_bytes = (chip.pmu.count - used + before) * chip.pmu.capacity_bytes;
    channel.capacity_tokens =
        std::clamp(free_bytes / channel.token_bytes(), channel.capacity_tokens, tokens[c]);
    channel.pmus = std::max(before, pmus_for(channel, chip));
    used += channel.pmus - before;
  }
}

// Spreads streams over the PMUs that are still left, up to one for each PCU that reads them: the shorter the
// way from PMU to PCU, the fewer routes meet. Buffers are left alone: on a full mesh their parts would lie
// far from their readers, and prompts of 4096 tokens take a third longer.
void spread(Section& section, const ChipSpec& chip, int64_t used) {
  const std::vector<int64_t> tokens = streamed_tokens(section);
  std::vector<int64_t> wanted(section.channels.size(), 0);
  int64_t sum = 0;
  for (const Unit& unit : section.units) {
    for (const InputPort& port : unit.inputs) {
      const size_t c = port.channel.value;
      const int64_t pmus = section.channels[c].pmus;
      // A stream over fewer PMUs than the ports is too thin to matter (widen).
      if (tokens[c] == 0 || pmus < std::min(chip.agcu_ports, unit.pcus)) continue;
      wanted[c] = std::max<int64_t>(0, unit.pcus - pmus);
      sum += wanted[c];
    }
  }
  const int64_t left = chip.pmu.count - used;
  for (size_t c = 0; c < wanted.size(); ++c) {
    if (sum > 0) section.channels[c].pmus += std::min(wanted[c], wanted[c] * left / sum);
  }
}

// RDN links of a channel: as many side by side as its narrower end has units to feed or drain them.
void assign_links(Section& section, const ChipSpec& chip) {
  const auto width = [&](const Unit& unit) {
    if (unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd) return unit.pcus;
    return unit.kind == UnitKind::kBuffer ? unit.pmus : chip.agcu_ports;
  };
  for (const Unit& unit : section.units) {
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId id : port.channels) section.channels[id.value].links = width(unit);
    }
  }
  for (const Unit& unit : section.units) {
    for (const InputPort& port : unit.inputs) {
      int64_t& links = section.channels[port.channel.value].links;
      links = std::max<int64_t>(1, std::min(links, width(unit)));
    }
  }
}

}  // namespace

Result<int64_t> allocate_pmus(Section& section, const SectionWork& work, const ChipSpec& chip,
                              int64_t slowest_cycles, const PmuSpread& spread_operands) {
  const std::vector<bool> views = fed_by_buffer(section);
  int64_t used = allocate_buffers(section, work, chip, slowest_cycles);
  for (size_t c = 0; c < section.channels.size(); ++c) {
    Channel& channel = section.channels[c];
    const Extent largest = work.largest(c);
    channel.rows = largest.rows;
    channel.cols = largest.cols;
    channel.latency_cycles = chip.rdn.hop_latency_cycles * chip.rdn.average_hops;
    if (views[c]) continue;
    channel.pmus = pmus_for(channel, chip);
    used += channel.pmus;
  }
  if (used > chip.pmu.count) {
    return Error{
        ErrorCode::kCapacity, "section " + section.name,
        fmt::format("needs {} PMUs of {} B; the chip has {}", used, chip.pmu.capacity_bytes, chip.pmu.count),
        "use more sockets, or --fusion none"};
  }
  const int64_t turn = spread_operands.turn_permille;
  const int64_t turn_cycles =
      std::max<int64_t>(2, section_cycles(section, chip, slowest_cycles) * turn / 1000);
  OperandWidths operands(section, work, chip, {turn_cycles, turn});
  const int64_t left = chip.pmu.count - used;
  used +=
      operands.widen(spread_operands.first_permille, left - std::min(streams_wish(section, chip), left / 2));
  widen_buffers(section, chip, used);
  assign_links(section, chip);
  widen(section, work, chip, turn_cycles / 2, used);
  used += operands.widen(kAtTwicePace, chip.pmu.count - used);
  balance(section, chip, views, used);
  if (stream_cycles(section, chip) > slowest_cycles) deepen_stores(section, chip, used);
  run_ahead(section, chip, used);
  if (spread_operands.last_permille > 0)
    used += operands.widen(spread_operands.last_permille, chip.pmu.count - used);
  spread(section, chip, used);
  return operands.cycles();
}

}  // namespace rdusim::compiler
