#include "base/program/operand_reads.h"

#include <algorithm>

#include "base/program/pmu_access.h"

namespace rdusim {

namespace {

bool computes(const Unit& unit) {
  return unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd;
}

bool is_slice(TileOpKind kind) {
  return kind == TileOpKind::kSliceCols || kind == TileOpKind::kSliceRows ||
         kind == TileOpKind::kSliceColsByFiring || kind == TileOpKind::kSliceRowsByFiring;
}

}  // namespace

VectorShare vector_share(const Section& section, const Unit& buffer, const OutputPort& port,
                         ChannelId channel, const PmuSpec& pmu) {
  const Channel& spec = section.channels[channel.value];
  const PmuAccess access = pmu_access(buffer, port.source);
  if (access == PmuAccess::kStream || spec.token_bytes() == 0) return {};
  const int64_t cycles =
      pmu_read_cycles(pmu, buffer.pmus, access, {spec.rows, spec.cols, 0, 0}, dtype_bytes(spec.dtype));
  return {spec.token_bytes(), cycles * std::max<int64_t>(1, buffer.pmus) * pmu.port_bytes_per_cycle};
}

std::vector<int64_t> operand_rates(const Section& section, const ChipSpec& chip) {
  std::vector<int64_t> pmus;  // that hold the channel's tokens
  std::vector<VectorShare> shares(section.channels.size());
  for (const Channel& channel : section.channels) pmus.push_back(channel.pmus);
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kBuffer) continue;
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId c : port.channels) {
        if (pmus[c.value] != 0) continue;
        pmus[c.value] = unit.pmus;
        shares[c.value] = vector_share(section, unit, port, c, chip.pmu);
      }
    }
  }
  std::vector<int64_t> rates(section.channels.size(), 0);
  for (const Unit& unit : section.units) {
    if (!computes(unit)) continue;
    for (const InputPort& port : unit.inputs) {
      const size_t c = port.channel.value;
      if (pmus[c] == 0 || section.channels[c].links == 0) continue;
      const int64_t ports = pmus[c] * std::min(chip.pmu.port_bytes_per_cycle, chip.rdn.link_bytes_per_cycle);
      const int64_t way = ports * section.channels[c].read_permille / 1000;
      rates[c] = std::max<int64_t>(1, way * shares[c].payload_bytes / shares[c].port_bytes);
    }
  }
  return rates;
}

int64_t write_rate(const Channel& channel, int64_t operand_rate, const ChipSpec& chip) {
  if (channel.pmus == 0 && operand_rate > 0) return 0;
  return channel.bytes_per_cycle(chip.rdn.link_bytes_per_cycle);
}

int64_t operand_elements(const Unit& unit, const std::vector<bool>& needed, std::span<const Extent> registers,
                         size_t input) {
  if (!needed[input] || registers[input].rows < 0) return 0;
  const int64_t whole = registers[input].elements();
  int64_t slices = 0;
  bool used = false;
  const size_t inputs = unit.inputs.size();
  for (size_t i = 0; i < unit.body.size(); ++i) {
    const TileOp& op = unit.body[i];
    if (!needed[inputs + i]) continue;
    for (size_t k = 0; k < static_cast<size_t>(tile_op_record(op.kind).operands); ++k) {
      if (op.operands[k] != input) continue;
      if (!is_slice(op.kind)) return whole;
      used = true;
      slices += registers[inputs + i].elements();
    }
  }
  // A token that leaves as it came is read whole.
  const bool leaves = std::any_of(unit.outputs.begin(), unit.outputs.end(),
                                  [&](const OutputPort& port) { return port.source == input; });
  return used && !leaves ? std::min(slices, whole) : whole;
}

int64_t operand_cycles(const Section& section, const Unit& unit, const std::vector<bool>& needed,
                       std::span<const Extent> registers, std::span<const int64_t> rates) {
  int64_t longest = 0;
  for (size_t i = 0; i < unit.inputs.size(); ++i) {
    const size_t c = unit.inputs[i].channel.value;
    if (rates[c] == 0) continue;
    const int64_t bytes =
        operand_elements(unit, needed, registers, i) * dtype_bytes(section.channels[c].dtype);
    longest = std::max(longest, (bytes + rates[c] - 1) / rates[c]);
  }
  return longest;
}

}  // namespace rdusim
