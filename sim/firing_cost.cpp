#include "sim/firing_cost.h"

#include "base/program/service.h"
#include "base/program/topology.h"

namespace rdusim::sim {

FiringCost::FiringCost(const Section& section, const Unit& unit, const ChipSpec& chip)
    : section_(section), unit_(unit), chip_(chip), slice_period_(slice_period(unit)) {}

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

bool FiringCost::matches(const Slot& slot, const std::vector<Extent>& inputs, FiringActivity a,
                         int64_t phase) const {
  if (!slot.used || slot.phase != phase || slot.activity.inputs_taken != a.inputs_taken ||
      slot.activity.outputs_active != a.outputs_active) {
    return false;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (slot.shapes[2 * i] != inputs[i].rows || slot.shapes[2 * i + 1] != inputs[i].cols) return false;
  }
  return true;
}

Result<const FiringCost::Entry*> FiringCost::at(const std::vector<Extent>& inputs, FiringActivity activity,
                                                int64_t firing) {
  const int64_t phase = slice_period_ == 1 ? 0 : firing % slice_period_;
  if (slots_.empty()) slots_.resize(kSlots);
  if (matches(slots_[last_], inputs, activity, phase)) return &slots_[last_].entry;
  uint64_t mix = static_cast<uint64_t>(phase) * 31 + activity.inputs_taken * 7 + activity.outputs_active;
  for (const Extent& e : inputs) {
    mix = (mix ^ static_cast<uint64_t>(e.rows)) * 0x9E3779B97F4A7C15ULL;
    mix = (mix ^ static_cast<uint64_t>(e.cols)) * 0x9E3779B97F4A7C15ULL;
  }
  last_ = (mix >> 40) % kSlots;
  Slot& slot = slots_[last_];
  if (matches(slot, inputs, activity, phase)) return &slot.entry;
  RDU_CHECK_OK(fill(slot, inputs, activity, firing));
  slot.used = true;
  slot.activity = activity;
  slot.phase = phase;
  slot.shapes.clear();
  for (const Extent& e : inputs) {
    slot.shapes.push_back(e.rows);
    slot.shapes.push_back(e.cols);
  }
  return &slot.entry;
}

Status FiringCost::fill(Slot& slot, const std::vector<Extent>& inputs, FiringActivity activity,
                        int64_t firing) {
  slot.used = false;
  registers_.assign(inputs.begin(), inputs.end());
  RDU_ASSIGN(slot.entry.cycles, compute(activity, firing, registers_));
  slot.entry.sources.clear();
  const std::vector<bool>& need = needed(activity.outputs_active);
  for (const OutputPort& port : unit_.outputs) {
    slot.entry.sources.push_back(need[port.source] ? registers_[port.source] : Extent{});
  }
  return {};
}

Result<FiringCycles> FiringCost::compute(FiringActivity activity, int64_t firing,
                                         std::vector<Extent>& registers) {
  const std::vector<bool>& need = needed(activity.outputs_active);
  RDU_CHECK_OK(firing_extents(unit_, need, firing, registers));
  if (unit_.kind == UnitKind::kBuffer) return FiringCycles{moved_bytes_service(activity, registers), 0};
  return compute_cycles(unit_, chip_.pcu, need, registers);
}

int64_t FiringCost::moved_bytes_service(FiringActivity activity, const std::vector<Extent>& registers) const {
  int64_t written = 0;
  int64_t read = 0;
  for (size_t i = 0; i < unit_.inputs.size(); ++i) {
    if ((activity.inputs_taken >> i & 1U) == 0) continue;
    written += registers[i].elements() * dtype_bytes(section_.channels[unit_.inputs[i].channel.value].dtype);
  }
  for (size_t o = 0; o < unit_.outputs.size(); ++o) {
    const OutputPort& port = unit_.outputs[o];
    if ((activity.outputs_active >> o & 1U) == 0) continue;
    read += registers[port.source].elements() * dtype_bytes(section_.channels[port.channels[0].value].dtype);
  }
  return buffer_service(chip_.pmu, unit_.pmus, written, read);
}

}  // namespace rdusim::sim
