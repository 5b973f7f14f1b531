#include "sim/firing_cost.h"

#include <algorithm>

#include "base/program/operand_reads.h"
#include "base/program/pmu_access.h"
#include "base/program/service.h"
#include "base/program/topology.h"
#include "sim/section_outcome.h"

namespace rdusim::sim {

namespace {

uint64_t hash_of(const std::vector<Extent>& inputs, FiringActivity a, int64_t phase) {
  uint64_t mix = static_cast<uint64_t>(phase) * 31 + a.inputs_taken * 7 + a.outputs_active;
  for (const Extent& e : inputs) {
    mix = (mix ^ static_cast<uint64_t>(e.rows)) * 0x9E3779B97F4A7C15ULL;
    mix = (mix ^ static_cast<uint64_t>(e.cols)) * 0x9E3779B97F4A7C15ULL;
  }
  return mix >> 32;
}

// Bytes an element of each operation's widest operand: tokens have their channel's format, layout operations
// and rounding keep or set one, all else is FP32.
std::vector<uint8_t> operand_widths(const Section& section, const Unit& unit) {
  std::vector<uint8_t> width;
  for (const InputPort& port : unit.inputs) {
    width.push_back(static_cast<uint8_t>(dtype_bytes(section.channels[port.channel.value].dtype)));
  }
  std::vector<uint8_t> widest;
  for (const TileOp& op : unit.body) {
    uint8_t w = 0;
    const TileOpRecord& record = tile_op_record(op.kind);
    for (size_t k = 0; k < static_cast<size_t>(record.operands); ++k) w = std::max(w, width[op.operands[k]]);
    widest.push_back(w);
    const bool keeps = record.op_class == TileOpClass::kLayout;
    width.push_back(op.kind == TileOpKind::kRoundBf16 ? uint8_t{2} : keeps ? w : uint8_t{4});
  }
  return widest;
}

WorkKind work_kind(TileOpClass op_class, uint8_t operand_bytes) {
  switch (op_class) {
    case TileOpClass::kMac:
      return operand_bytes <= 2 ? WorkKind::kMac16 : WorkKind::kMac32;
    case TileOpClass::kReduce:
      return WorkKind::kReduce;
    case TileOpClass::kTail:
      return WorkKind::kTail;
    case TileOpClass::kCross:
      return WorkKind::kCross;
    case TileOpClass::kMap:
    case TileOpClass::kLayout:
      break;
  }
  return WorkKind::kMap;
}

}  // namespace

void FiringWork::add(const FiringWork& other, int64_t times) {
  for (size_t k = 0; k < kWorkKindCount; ++k) operations[k] += times * other.operations[k];
  for (size_t c = 0; c < kCauseCount; ++c) {
    operand_bytes[c] += times * other.operand_bytes[c];
    reread_byte_hops[c] += times * other.reread_byte_hops[c];
  }
  reading_cycles += times * other.reading_cycles;
}

FiringCost::FiringCost(const Section& section, const Unit& unit, const ChipSpec& chip,
                       const std::vector<Cause>& channel_causes, const std::vector<int64_t>& operand_rates)
    : section_(section),
      unit_(unit),
      chip_(chip),
      channel_causes_(channel_causes),
      operand_rates_(operand_rates),
      slice_period_(rdusim::slice_period(unit)) {}

const std::vector<bool>& FiringCost::needed(uint32_t outputs_active) {
  for (const auto& [key, value] : needed_) {
    if (key == outputs_active) return value;
  }
  std::vector<bool> read(unit_.outputs.size());
  for (size_t o = 0; o < read.size(); ++o) {
    read[o] = unit_.outputs[o].accumulate != Accumulate::kNone || (outputs_active >> o & 1U) != 0;
  }
  return needed_.emplace_back(outputs_active, needed_registers(unit_, read)).second;
}

bool FiringCost::matches(size_t kind, const std::vector<Extent>& inputs, FiringActivity a,
                         int64_t phase) const {
  const Kind& k = kinds_[kind];
  if (k.phase != phase || !(k.activity == a)) return false;
  const int64_t* shape = shapes_.data() + 2 * kind * inputs.size();
  for (const Extent& e : inputs) {
    if (shape[0] != e.rows || shape[1] != e.cols) return false;
    shape += 2;
  }
  return true;
}

// Number of the kind, or kinds_.size() and the place in the table where it belongs.
size_t FiringCost::find(const std::vector<Extent>& inputs, FiringActivity a, int64_t phase,
                        size_t& place) const {
  const size_t mask = table_.size() - 1;
  for (place = hash_of(inputs, a, phase) & mask; table_[place] != 0; place = (place + 1) & mask) {
    if (matches(table_[place] - 1, inputs, a, phase)) return table_[place] - 1;
  }
  return kinds_.size();
}

Result<const FiringCost::Entry*> FiringCost::at(const std::vector<Extent>& inputs, FiringActivity activity,
                                                int64_t firing) {
  const int64_t phase = slice_period_ == 1 ? 0 : firing % slice_period_;
  if (!kinds_.empty()) {
    const size_t guess = kinds_[last_].successor;
    if (matches(guess, inputs, activity, phase)) {
      last_ = guess;
      ++kinds_[guess].uses;
      return &kinds_[guess].entry;
    }
  }
  if (2 * kinds_.size() >= table_.size()) grow_table();
  size_t place = 0;
  const size_t kind = find(inputs, activity, phase, place);
  if (kind == kinds_.size()) RDU_CHECK_OK(add(inputs, activity, firing, phase, place));
  kinds_[last_].successor = static_cast<uint32_t>(kind);
  last_ = kind;
  ++kinds_[kind].uses;
  return &kinds_[kind].entry;
}

void FiringCost::fold() {
  for (const Kind& kind : kinds_) folded_.add(kind.entry.work, kind.uses);
  kinds_.clear();
  shapes_.clear();
  last_ = 0;
  ++folds_;
}

void FiringCost::grow_table() {
  if (kinds_.size() >= kMaxKinds) fold();
  table_.assign(std::max<size_t>(8, kinds_.size() * 4), 0);
  const size_t mask = table_.size() - 1;
  std::vector<Extent> inputs(unit_.inputs.size());
  for (size_t kind = 0; kind < kinds_.size(); ++kind) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const size_t at = 2 * (kind * inputs.size() + i);
      inputs[i] = {shapes_[at], shapes_[at + 1], 0, 0};
    }
    size_t place = hash_of(inputs, kinds_[kind].activity, kinds_[kind].phase) & mask;
    while (table_[place] != 0) place = (place + 1) & mask;
    table_[place] = static_cast<uint32_t>(kind + 1);
  }
}

Status FiringCost::add(const std::vector<Extent>& inputs, FiringActivity activity, int64_t firing,
                       int64_t phase, size_t place) {
  registers_.assign(inputs.begin(), inputs.end());
  Entry entry;
  RDU_ASSIGN(entry.cycles, compute(activity, firing, registers_));
  const std::vector<bool>& need = needed(activity.outputs_active);
  for (const OutputPort& port : unit_.outputs) {
    entry.sources.push_back(need[port.source] ? registers_[port.source] : Extent{});
  }
  entry.work = work_of(activity, registers_, entry.cycles);
  kinds_.push_back({activity, phase, 0, 0, std::move(entry)});
  table_[place] = static_cast<uint32_t>(kinds_.size());
  for (const Extent& e : inputs) {
    shapes_.push_back(e.rows);
    shapes_.push_back(e.cols);
  }
  return {};
}

Result<FiringCycles> FiringCost::compute(FiringActivity activity, int64_t firing,
                                         std::vector<Extent>& registers) {
  const std::vector<bool>& need = needed(activity.outputs_active);
  RDU_CHECK_OK(firing_extents(unit_, need, firing, registers));
  if (unit_.kind == UnitKind::kBuffer) return FiringCycles{moved_bytes_service(activity, registers), 0, 0, 0};
  FiringCycles cycles = compute_cycles(unit_, chip_.pcu, need, registers);
  cycles.operand_cycles = rdusim::operand_cycles(section_, unit_, need, registers, operand_rates_);
  return cycles;
}

// A buffer hands its tokens on in the PMUs where they lie: whoever reads them counts that.
FiringWork FiringCost::work_of(FiringActivity activity, std::span<const Extent> registers,
                               const FiringCycles& cycles) {
  FiringWork work;
  if (unit_.kind == UnitKind::kBuffer) return work;
  work.reading_cycles = cycles.occupancy_cycles() - cycles.service_cycles;
  if (operand_.empty()) operand_ = operand_widths(section_, unit_);
  const std::vector<bool>& need = needed(activity.outputs_active);
  const size_t inputs = unit_.inputs.size();
  for (size_t i = 0; i < inputs; ++i) {
    const size_t channel = unit_.inputs[i].channel.value;
    const auto cause = static_cast<size_t>(channel_causes_[channel]);
    const int64_t bytes =
        operand_elements(unit_, need, registers, i) * dtype_bytes(section_.channels[channel].dtype);
    work.operand_bytes[cause] += bytes;
    const bool again = (activity.inputs_taken >> i & 1U) == 0 && operand_rates_[channel] > 0;
    if (again) work.reread_byte_hops[cause] += bytes * read_hops(section_.channels[channel], chip_.rdn);
  }
  for (size_t i = 0; i < unit_.body.size(); ++i) {
    const TileOp& op = unit_.body[i];
    const TileOpRecord& record = tile_op_record(op.kind);
    if (!need[inputs + i] || record.op_class == TileOpClass::kLayout) continue;
    std::array<Extent, 3> x{};
    for (size_t k = 0; k < static_cast<size_t>(record.operands); ++k) x[k] = registers[op.operands[k]];
    work.operations[static_cast<size_t>(work_kind(record.op_class, operand_[i]))] +=
        tile_op_work(op, x, registers[inputs + i]).amount;
  }
  return work;
}

FiringWork FiringCost::total() const {
  FiringWork sum = folded_;
  for (const Kind& kind : kinds_) sum.add(kind.entry.work, kind.uses);
  return sum;
}

int64_t FiringCost::moved_bytes_service(FiringActivity activity, const std::vector<Extent>& registers) const {
  // Streamed tokens follow each other without gaps; others begin lines of their own.
  int64_t written = 0;
  int64_t read = 0;
  int64_t write_cycles = 0;
  int64_t read_cycles = 0;
  const bool turned = std::any_of(unit_.outputs.begin(), unit_.outputs.end(), [&](const OutputPort& port) {
    return pmu_access(unit_, port.source) == PmuAccess::kColumns;
  });
  for (size_t i = 0; i < unit_.inputs.size(); ++i) {
    if ((activity.inputs_taken >> i & 1U) == 0) continue;
    const int64_t width = dtype_bytes(section_.channels[unit_.inputs[i].channel.value].dtype);
    if (turned) {
      write_cycles += pmu_write_cycles(chip_.pmu, unit_.pmus, PmuAccess::kColumns, registers[i], width);
    } else {
      written += registers[i].elements() * width;
    }
  }
  for (size_t o = 0; o < unit_.outputs.size(); ++o) {
    const OutputPort& port = unit_.outputs[o];
    if ((activity.outputs_active >> o & 1U) == 0) continue;
    // Tokens that stay until a compute unit reads them cost nothing yet.
    if (operand_rates_[port.channels[0].value] > 0 && section_.channels[port.channels[0].value].pmus == 0)
      continue;
    const int64_t width = dtype_bytes(section_.channels[port.channels[0].value].dtype);
    const PmuAccess access = pmu_access(unit_, port.source);
    if (access == PmuAccess::kStream) {
      read += registers[port.source].elements() * width;
    } else {
      read_cycles += pmu_read_cycles(chip_.pmu, unit_.pmus, access, registers[port.source], width);
    }
  }
  const auto streamed = [&](int64_t bytes) {
    return pmu_read_cycles(chip_.pmu, unit_.pmus, PmuAccess::kStream, {1, bytes, 0, 0}, 1);
  };
  return std::max({int64_t{1}, write_cycles + streamed(written), read_cycles + streamed(read)});
}

}  // namespace rdusim::sim
