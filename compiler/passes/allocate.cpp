// allocate: PMUs to channels and buffers, then PCUs to stages.
//
// PCUs: the slowest stage sets the rate, so the smallest time T is sought for which every compute stage can
// do its firings within T and the PCUs they need add up to what the chip has (bisection; a stage's time falls
// with its PCUs). PMUs: every buffer and channel gets the storage it must have; streams from memory then
// share what is left, so that they run ahead of the stage that uses them. A token small enough for a PCU's
// input FIFO takes no PMU.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/program/service.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {
namespace {

// assumed: a PCU's input FIFO holds 16 vectors of 64 B (FIFO depth is not published); larger tokens wait in a
// PMU.
constexpr int64_t kFifoBytes = 16 * 64;

// What a stage has to do in a launch.
struct Stage {
  const std::vector<FiringKind>* work = nullptr;
  int64_t port_bytes =
      0;  // through its busiest port, all tokens as large as the largest; each PCU adds one RDN link to it
};

Stage stage_of(const Section& section, const SectionWork& work, size_t u) {
  Stage stage{&work.work(u), 0};
  const Unit& unit = section.units[u];
  const auto add = [&](ChannelId channel, const Phases& phases) {
    const int64_t token =
        work.largest(channel.value).elements() * dtype_bytes(section.channels[channel.value].dtype);
    stage.port_bytes = std::max(stage.port_bytes, token * active_firings(phases, unit.firings));
  };
  for (const InputPort& port : unit.inputs) add(port.channel, port.phases);
  for (const OutputPort& port : unit.outputs) {
    if (!port.channels.empty()) add(port.channels[0], port.phases);
  }
  return stage;
}

// How a stage whose firings differ (attention over a growing sequence) is sized: for the sum of its work, or
// so that even its longest firing keeps the pace.
enum class Sizing : uint8_t { kSum, kLongest };

int64_t stage_cycles(const Stage& stage, Unit& unit, const ChipSpec& chip, int64_t pcus, Sizing sizing) {
  unit.pcus = pcus;
  int64_t sum = 0;
  int64_t longest = 0;
  for (const FiringKind& w : *stage.work) {
    const int64_t service = compute_service(unit, chip.pcu, w.needed, w.registers);
    sum += w.count * service;
    longest = std::max(longest, service);
  }
  const int64_t work = sizing == Sizing::kSum ? sum : longest * unit.firings;
  return std::max(work, ceil_div(stage.port_bytes, chip.rdn.link_bytes_per_cycle * pcus));
}

// Fewest PCUs that do a stage within `cycles`; `limit` + 1 if more than limit.
int64_t pcus_within(const Stage& stage, Unit& unit, const ChipSpec& chip, int64_t cycles, int64_t limit,
                    Sizing sizing) {
  if (stage_cycles(stage, unit, chip, limit, sizing) > cycles) return limit + 1;
  int64_t low = 1;
  int64_t high = limit;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (stage_cycles(stage, unit, chip, middle, sizing) <= cycles) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// When a stage with the PCUs it has is done, if its tokens come evenly over `cycles`: the last moment at
// which it has work waiting starts with some firing, and what remains from there is done without a pause.
int64_t finish_cycles(const Stage& stage, const Unit& unit, const ChipSpec& chip, int64_t cycles) {
  int64_t remaining = 0;
  int64_t firing = unit.firings;
  int64_t finish = cycles;
  for (auto w = stage.work->rbegin(); w != stage.work->rend(); ++w) {
    remaining += w->count * compute_service(unit, chip.pcu, w->needed, w->registers);
    firing -= w->count;
    finish = std::max(finish, cycles * firing / unit.firings + remaining);
  }
  return finish;
}

class PcuAllocation {
 public:
  PcuAllocation(Section& section, const SectionWork& work, const ChipSpec& chip)
      : section_(section), chip_(chip), work_(section.units.size()) {
    for (size_t u = 0; u < section.units.size(); ++u) {
      const UnitKind kind = section.units[u].kind;
      if (kind != UnitKind::kGemm && kind != UnitKind::kSimd) continue;
      stages_.push_back(u);
      work_[u] = stage_of(section, work, u);
    }
  }

  [[nodiscard]] size_t stages() const { return stages_.size(); }

  // Gives every stage its PCUs and returns when the slowest is done, in cycles of a launch.
  int64_t assign(Sizing sizing) {
    int64_t low = 1;
    int64_t high = 1;
    while (needed(high, sizing) > chip_.pcu.count) high *= 2;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (needed(middle, sizing) <= chip_.pcu.count) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    int64_t finish = low;
    for (const size_t u : stages_) {
      Unit& unit = section_.units[u];
      unit.pcus = pcus_within(work_[u], unit, chip_, low, chip_.pcu.count, sizing);
      finish = std::max(finish, finish_cycles(work_[u], unit, chip_, low));
    }
    return finish;
  }

 private:
  // PCUs that all stages together need to be done within `cycles`; stops counting past the chip's.
  int64_t needed(int64_t cycles, Sizing sizing) {
    int64_t total = 0;
    for (const size_t u : stages_) {
      total += pcus_within(work_[u], section_.units[u], chip_, cycles, chip_.pcu.count, sizing);
      if (total > chip_.pcu.count) break;
    }
    return total;
  }

  Section& section_;
  const ChipSpec& chip_;
  std::vector<size_t> stages_;
  std::vector<Stage> work_;  // by unit
};

// Returns when the slowest stage is done, in cycles of a launch.
Result<int64_t> allocate_pcus(Section& section, const SectionWork& work, const ChipSpec& chip) {
  PcuAllocation allocation(section, work, chip);
  if (allocation.stages() == 0) return int64_t{0};
  if (static_cast<int64_t>(allocation.stages()) > chip.pcu.count) {
    return Error{ErrorCode::kCapacity, "section " + section.name,
                 fmt::format("{} compute stages on {} PCUs", allocation.stages(), chip.pcu.count),
                 "use a smaller fusion"};
  }
  const int64_t by_longest = allocation.assign(Sizing::kLongest);
  const int64_t by_sum = allocation.assign(Sizing::kSum);
  return by_sum <= by_longest ? by_sum : allocation.assign(Sizing::kLongest);
}

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

// Tokens that a buffer's ports emit in a launch, at most.
int64_t emissions(const Unit& unit) {
  int64_t most = 0;
  for (const OutputPort& port : unit.outputs)
    most = std::max(most, active_firings(port.phases, unit.firings));
  return most;
}

// Buffers: storage of their largest emitted token, and enough PMUs side by side that filling one takes at
// most half of the time in which the section's slowest stage or its memory streams are done.
int64_t allocate_buffers(Section& section, const SectionWork& work, const ChipSpec& chip,
                         int64_t slowest_cycles) {
  int64_t used = 0;
  const int64_t time = std::max({slowest_cycles, stream_cycles(section, chip), int64_t{2}}) / 2;
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
    // Read at the pace of its largest token: a buffer that grows is read whole by every firing of its
    // consumer.
    const int64_t moved = std::max(bytes_written(section, unit, work), bytes * emissions(unit));
    const int64_t width = ceil_div(moved, chip.pmu.port_bytes_per_cycle * time);
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
    channel.pmus = pmus_for(channel, chip);
    used += channel.pmus - before;
  }
}

// Gives streams the PMUs that are left, in pipeline order: what is needed first runs ahead first.
void run_ahead(Section& section, const ChipSpec& chip, int64_t used) {
  const std::vector<int64_t> tokens = streamed_tokens(section);
  for (size_t c = 0; c < section.channels.size(); ++c) {
    Channel& channel = section.channels[c];
    if (tokens[c] <= channel.capacity_tokens) continue;
    const int64_t before = channel.pmus;
    const int64_t free_bytes = (chip.pmu.count - used + before) * chip.pmu.capacity_bytes;
    channel.capacity_tokens =
        std::clamp(free_bytes / channel.token_bytes(), channel.capacity_tokens, tokens[c]);
    channel.pmus = pmus_for(channel, chip);
    used += channel.pmus - before;
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

Status allocate_pmus(Section& section, const SectionWork& work, const ChipSpec& chip,
                     int64_t slowest_cycles) {
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
  balance(section, chip, views, used);
  run_ahead(section, chip, used);
  return {};
}

}  // namespace

Status allocate(Compilation& compilation) {
  for (Section& section : compilation.program.sections) {
    SectionWork work(section);
    RDU_CHECK_OK(work.run());
    RDU_ASSIGN(const int64_t slowest_cycles, allocate_pcus(section, work, *compilation.chip));
    RDU_CHECK_OK(allocate_pmus(section, work, *compilation.chip, slowest_cycles));
    assign_links(section, *compilation.chip);
  }
  return {};
}

}  // namespace rdusim::compiler
