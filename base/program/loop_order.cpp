#include "base/program/loop_order.h"

#include <algorithm>
#include <set>

#include "base/program/run_ahead.h"
#include "base/program/verify.h"

namespace rdusim {
namespace {

constexpr size_t kNoUnit = ~size_t{0};

// Consumer of each channel.
std::vector<size_t> consumers(const Section& section) {
  std::vector<size_t> ends(section.channels.size(), kNoUnit);
  for (size_t u = 0; u < section.units.size(); ++u) {
    for (const InputPort& port : section.units[u].inputs) ends[port.channel.value] = u;
  }
  return ends;
}

// Arguments whose symbol an earlier run of the launch stores.
std::vector<bool> written_before(const Section& section, const Launch& launch) {
  std::vector<bool> stored(section.arguments.size(), false);
  for (const Unit& unit : section.units) {
    if (unit.kind == UnitKind::kStore) stored[unit.stream->argument.value] = true;
  }
  std::vector<bool> written(section.arguments.size(), false);
  std::set<uint64_t> so_far;
  for (int64_t i = 0; i < launch.iterations; ++i) {
    const auto row = launch.row(i);
    for (size_t a = 0; a < row.size(); ++a) written[a] = written[a] || so_far.count(row[a].value) > 0;
    for (size_t a = 0; a < row.size(); ++a) {
      if (stored[a]) so_far.insert(row[a].value);
    }
  }
  return written;
}

// Units that read the buffers which the load fills.
std::vector<size_t> buffer_readers(const Section& section, const std::vector<size_t>& ends, size_t load) {
  std::vector<size_t> readers;
  for (const ChannelId c : section.units[load].outputs[0].channels) {
    const size_t buffer = ends[c.value];
    if (section.units[buffer].kind != UnitKind::kBuffer) continue;
    for (const OutputPort& port : section.units[buffer].outputs) {
      for (const ChannelId view : port.channels) readers.push_back(ends[view.value]);
    }
  }
  std::sort(readers.begin(), readers.end());
  readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
  return readers;
}

}  // namespace

bool repeats_evenly(const Section& section) {
  for (const Unit& unit : section.units) {
    for (const InputPort& port : unit.inputs) {
      if (unit.firings % port.phases.period != 0) return false;
    }
    for (const OutputPort& port : unit.outputs) {
      if (unit.firings % port.phases.period != 0) return false;
      if (port.accumulate != Accumulate::kNone && unit.firings % port.reset_period != 0) return false;
    }
    for (const TileOp& op : unit.body) {
      const bool by_firing =
          op.kind == TileOpKind::kSliceRowsByFiring || op.kind == TileOpKind::kSliceColsByFiring;
      if (by_firing && (op.ints[1] < 1 || unit.firings % op.ints[1] != 0)) return false;
    }
  }
  return true;
}

Status verify_prefetch(const Section& section, const std::string& where) {
  if (repeats_evenly(section)) return {};
  return Error{ErrorCode::kInvalidInput, where,
               "prefetches, but ports of section " + section.name + " do not end a run in their rhythm", ""};
}

Section repeated(const Section& section, int64_t iterations) {
  Section out = section;
  for (Unit& unit : out.units) {
    unit.firings *= iterations;
    if (unit.stream) unit.stream->repeats *= iterations;
  }
  return out;
}

std::vector<LoopWait> loop_waits(const Program& program, const Launch& launch) {
  const Section& section = program.sections[launch.section.value];
  const std::vector<size_t> ends = consumers(section);
  const std::vector<bool> written = written_before(section, launch);
  std::vector<LoopWait> waits(section.units.size(), LoopWait::kNothing);
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    // A gather's row numbers come from a unit, which has its own order.
    if (unit.kind != UnitKind::kLoad || !unit.inputs.empty()) continue;
    const size_t argument = unit.stream->argument.value;
    if (written[argument] || !is_kept(section.arguments[argument].cause)) {
      waits[u] = LoopWait::kStores;
    } else if (!buffer_readers(section, ends, u).empty()) {
      waits[u] = LoopWait::kBufferReader;
    }
  }
  return waits;
}

std::vector<std::vector<size_t>> loop_order(const Program& program, const Launch& launch) {
  const Section& section = program.sections[launch.section.value];
  const std::vector<LoopWait> waits = loop_waits(program, launch);
  const std::vector<size_t> ends = consumers(section);
  std::vector<std::vector<size_t>> order(section.units.size());
  for (size_t u = 0; u < section.units.size(); ++u) {
    if (waits[u] == LoopWait::kBufferReader) order[u] = buffer_readers(section, ends, u);
    if (waits[u] != LoopWait::kStores) continue;
    for (size_t s = 0; s < section.units.size(); ++s) {
      if (section.units[s].kind == UnitKind::kStore) order[u].push_back(s);
    }
  }
  return order;
}

}  // namespace rdusim
