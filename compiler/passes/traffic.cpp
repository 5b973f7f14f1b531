// See traffic.h. APPROX: vector stages are taken to work on slices; a row of weights that every unit of a
// norm needs (8 KiB a launch) is counted once.
#include "compiler/passes/traffic.h"

#include <limits>

#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

// Units of a stage that need the same part of the left and of the right operand of a product.
struct Sharing {
  int64_t left = 1;
  int64_t right = 1;
};

// A product lies on a grid of PCUs, `rows` x `columns` of them for each group and each part of the reduction
// that is worked on at the same time. A PCU takes a rows-th of the left operand and a columns-th of the right
// one: of all grids that the product's tiles allow, the one that brings a PCU fewest bytes. Fewer rows than
// stages: one dot product after the other, in chunks of lanes.
Sharing sharing(const PcuSpec& pcu, const TileOp& op, const TileWork& work, int64_t pcus) {
  const int64_t groups =
      std::max<int64_t>(1, std::min(work.m, op.matmul_row_cycle / op.matmul_rows_per_group));
  const int64_t m = ceil_div(work.m, groups);
  if (std::min(m, work.n) < pcu.stages) {
    const int64_t parts = std::min(pcus, groups * ceil_div(work.k, pcu.lanes));
    return {pcus / parts, 1};
  }
  const bool straight = ceil_div(m, pcu.stages) * ceil_div(work.n, pcu.lanes) <=
                        ceil_div(work.n, pcu.stages) * ceil_div(m, pcu.lanes);
  const int64_t tile_rows = ceil_div(m, straight ? pcu.stages : pcu.lanes);
  const int64_t tile_columns = ceil_div(work.n, straight ? pcu.lanes : pcu.stages);
  const int64_t splits = std::max<int64_t>(1, pcus / (groups * tile_rows * tile_columns));
  const int64_t grid = std::max<int64_t>(1, pcus / (groups * splits));
  Sharing best{grid, grid};
  double fewest = std::numeric_limits<double>::max();
  for (int64_t rows = 1; rows <= std::min(grid, tile_rows); ++rows) {
    const int64_t columns = std::min(grid / rows, tile_columns);
    const double a_pcu = static_cast<double>(m) / static_cast<double>(rows) +
                         static_cast<double>(work.n) / static_cast<double>(columns);
    if (a_pcu < fewest) fewest = a_pcu, best = {columns, rows};
  }
  return best;
}

// For every register, which input ports it is made from, as bits.
std::vector<uint32_t> origins(const Unit& unit) {
  std::vector<uint32_t> from;
  for (size_t i = 0; i < unit.inputs.size(); ++i) from.push_back(1U << i);
  for (const TileOp& op : unit.body) {
    uint32_t bits = 0;
    for (size_t k = 0; k < static_cast<size_t>(tile_op_record(op.kind).operands); ++k)
      bits |= from[op.operands[k]];
    from.push_back(bits);
  }
  return from;
}

// Copies of each input port's tokens.
std::vector<int64_t> port_copies(const Unit& unit, const FiringKind& firing, const PcuSpec& pcu) {
  std::vector<int64_t> copies(unit.inputs.size(), 1);
  const std::vector<uint32_t> from = origins(unit);
  const size_t inputs = unit.inputs.size();
  for (size_t i = 0; i < unit.body.size(); ++i) {
    const TileOp& op = unit.body[i];
    if (op.kind != TileOpKind::kMatmul || !firing.needed[inputs + i]) continue;
    std::array<Extent, 3> x{};
    for (size_t k = 0; k < 2; ++k) x[k] = firing.registers[op.operands[k]];
    const Sharing s = sharing(pcu, op, tile_op_work(op, x, firing.registers[inputs + i]), unit.pcus);
    for (size_t p = 0; p < inputs; ++p) {
      if ((from[op.operands[0]] >> p & 1U) != 0) copies[p] = std::max(copies[p], s.left);
      if ((from[op.operands[1]] >> p & 1U) != 0) copies[p] = std::max(copies[p], s.right);
    }
  }
  return copies;
}

int64_t macs(const Unit& unit, const FiringKind& firing) {
  int64_t sum = 0;
  const size_t inputs = unit.inputs.size();
  for (size_t i = 0; i < unit.body.size(); ++i) {
    const TileOp& op = unit.body[i];
    if (op.kind != TileOpKind::kMatmul || !firing.needed[inputs + i]) continue;
    std::array<Extent, 3> x{};
    for (size_t k = 0; k < 2; ++k) x[k] = firing.registers[op.operands[k]];
    sum += tile_op_work(op, x, firing.registers[inputs + i]).amount;
  }
  return sum;
}

// Cycles in which HBM moves what the section's streams ask for.
int64_t stream_cycles(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip) {
  double bytes = 0;
  for (const Unit& unit : section.units) {
    if (unit.kind == UnitKind::kLoad)
      bytes += static_cast<double>(traffic.channels[unit.outputs[0].channels[0].value].bytes);
    if (unit.kind == UnitKind::kStore)
      bytes += static_cast<double>(traffic.channels[unit.inputs[0].channel.value].bytes);
  }
  return static_cast<int64_t>(bytes * chip.clock_hz / chip.hbm.achieved_bytes_per_s());
}

}  // namespace

SectionTraffic section_traffic(const Section& section, const SectionWork& work, const ChipSpec& chip) {
  SectionTraffic traffic;
  traffic.channels.resize(section.channels.size());
  traffic.unit_cycles.resize(section.units.size(), 0);
  traffic.unit_macs.resize(section.units.size(), 0);
  for (size_t c = 0; c < traffic.channels.size(); ++c) {
    traffic.channels[c].tokens = work.tokens(c);
    traffic.channels[c].bytes = work.elements(c) * dtype_bytes(section.channels[c].dtype);
    traffic.channels[c].read_bytes = traffic.channels[c].bytes;
  }
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    if (unit.kind != UnitKind::kGemm && unit.kind != UnitKind::kSimd) continue;
    const FiringKind* heaviest = nullptr;
    int64_t most = -1;
    for (const FiringKind& kind : work.work(u)) {
      const int64_t service = compute_service(unit, chip.pcu, kind.needed, kind.registers);
      traffic.unit_cycles[u] += kind.count * service;
      traffic.unit_macs[u] += kind.count * macs(unit, kind);
      if (service > most) most = service, heaviest = &kind;
    }
    if (heaviest == nullptr) continue;
    const std::vector<int64_t> copies = port_copies(unit, *heaviest, chip.pcu);
    for (size_t i = 0; i < unit.inputs.size(); ++i) {
      ChannelTraffic& channel = traffic.channels[unit.inputs[i].channel.value];
      channel.copies = copies[i];
      channel.read_bytes = work.operand_bytes(u, i);
    }
  }
  traffic.stream_cycles = stream_cycles(section, traffic, chip);
  return traffic;
}

int64_t fill_cycles(const Section& section, const std::vector<int64_t>& unit_cycles, const ChipSpec& chip) {
  const int64_t way = chip.rdn.hop_latency_cycles * chip.rdn.average_hops + chip.pcu.pipeline_latency_cycles;
  std::vector<int64_t> ready(section.channels.size(), 0);
  int64_t longest = 0;
  for (size_t u = 0; u < section.units.size(); ++u) {  // in order of creation: producers first
    const Unit& unit = section.units[u];
    int64_t start = 0;
    for (const InputPort& port : unit.inputs) start = std::max(start, ready[port.channel.value]);
    for (const OutputPort& port : unit.outputs) {
      const int64_t results = std::max<int64_t>(1, active_firings(port.phases, unit.firings));
      const int64_t done = start + unit_cycles[u] / results + way;
      for (const ChannelId id : port.channels) ready[id.value] = done;
      longest = std::max(longest, done);
    }
  }
  return longest;
}

BlockCourse block_course(const Section& section) {
  BlockCourse course;
  std::vector<int64_t> stages(section.channels.size(), 0);  // up to each channel, on the longest path
  for (const Unit& unit : section.units) {                  // in order of creation: producers first
    const bool works =
        unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd || unit.kind == UnitKind::kReceive;
    int64_t depth = works ? 1 : 0;
    for (const InputPort& port : unit.inputs)
      depth = std::max(depth, stages[port.channel.value] + (works ? 1 : 0));
    course.depth = std::max(course.depth, depth);
    for (const OutputPort& port : unit.outputs) {
      if (works) course.blocks = std::max(course.blocks, active_firings(port.phases, unit.firings));
      for (const ChannelId id : port.channels) stages[id.value] = depth;
    }
  }
  return course;
}

}  // namespace rdusim::compiler
