// allocate: PCUs to stages, then PMUs to channels and buffers (allocate_pmus.h).
//
// PCUs: the slowest stage sets the rate, so the smallest time T is sought for which every compute stage can
// do its firings within T and the PCUs they need add up to what the chip has (bisection; a stage's time falls
// with its PCUs).
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/program/service.h"
#include "compiler/passes/allocate_pmus.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {
namespace {

// What a stage has to do in a launch.
struct Stage {
  const std::vector<FiringKind>* work = nullptr;
  int64_t port_bytes =
      0;  // through its busiest port, operands for each firing again; each PCU adds one RDN link to it
};

Stage stage_of(const Section& section, const SectionWork& work, size_t u) {
  Stage stage{&work.work(u), 0};
  const Unit& unit = section.units[u];
  for (size_t i = 0; i < unit.inputs.size(); ++i)
    stage.port_bytes = std::max(stage.port_bytes, work.operand_bytes(u, i));
  for (const OutputPort& port : unit.outputs) {
    if (port.channels.empty()) continue;
    const size_t channel = port.channels[0].value;
    const int64_t token = work.largest(channel).elements() * dtype_bytes(section.channels[channel].dtype);
    stage.port_bytes = std::max(stage.port_bytes, token * active_firings(port.phases, unit.firings));
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

}  // namespace

Status allocate(Compilation& compilation) {
  for (Section& section : compilation.program.sections) {
    SectionWork work(section);
    RDU_CHECK_OK(work.run());
    RDU_ASSIGN(const int64_t slowest_cycles, allocate_pcus(section, work, *compilation.chip));
    RDU_ASSIGN(const int64_t read_cycles, allocate_pmus(section, work, *compilation.chip, slowest_cycles));
    compilation.traffic.push_back(section_traffic(section, work, *compilation.chip));
    SectionTraffic& traffic = compilation.traffic.back();
    traffic.work_cycles = slowest_cycles;
    traffic.read_cycles = read_cycles;
    traffic.stage_cycles = std::max(slowest_cycles, read_cycles);
  }
  return {};
}

}  // namespace rdusim::compiler
