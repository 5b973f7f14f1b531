// What the units of one section run share: hardware parameters, bindings, where values live, who records the
// timeline.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/operand_reads.h"
#include "base/program/program.h"
#include "base/program/run_result.h"
#include "sim/head_start.h"
#include "sim/memory_pattern.h"
#include "sim/section_outcome.h"
#include "sim/simulator.h"

namespace rdusim::sim {

class Hardware;
class Timeline;

// Above every stream's own priority, which is its place in the section.
inline constexpr int64_t kIterationPriority = int64_t{1} << 24;

struct SectionContext {
  const Program& program;
  const Section& section;
  const Launch& launch;
  const NodeSpec& node;
  Hardware* hardware = nullptr;  // set when SystemC executes it
  std::vector<Cause> channel_causes = sim::channel_causes(section);
  std::vector<int64_t> operand_rates = rdusim::operand_rates(section, node.chip);
  std::vector<int64_t> turn_ranks = sim::turn_ranks(section);
  std::array<int64_t, kTierCount> memory_bytes_per_s = sim::memory_rates(program, section, launch, node.chip);
  int64_t begin_cycle = 0;        // absolute cycle at which the run begins, head start included
  int64_t simulated_sockets = 1;  // 1: socket 0 stands for all
  bool functional = false;
  MemoryImage* memory = nullptr;              // set if functional
  Timeline* timeline = nullptr;               // null: not recorded
  std::optional<Error> error = std::nullopt;  // first failure of a unit
  // Of a looping launch that prefetches (base/program/loop_order.h), whose `section` is the repeated one.
  int64_t iterations = 1;
  std::vector<std::vector<size_t>> loop_order{};  // by unit; empty if iterations is 1
  HeadStart head_start{};

  [[nodiscard]] const Symbol& symbol(ArgumentId argument, int64_t iteration = 0) const {
    return program.symbols[launch.row(iteration)[argument.value].value];
  }
  // Absolute cycle at which the unit may begin.
  [[nodiscard]] int64_t begin_of(size_t unit) const { return begin_cycle + head_start.begin_of(unit); }
  // Units whose end of an iteration the unit's next iteration waits for.
  [[nodiscard]] const std::vector<size_t>& order_of(size_t unit) const {
    static const std::vector<size_t> none;
    return loop_order.empty() ? none : loop_order[unit];
  }
  [[nodiscard]] int64_t firings_per_iteration(size_t unit) const {
    return section.units[unit].firings / iterations;
  }
  // Of two streams the one of the earlier iteration goes first.
  [[nodiscard]] int64_t priority(const MemoryStream& stream, int64_t iteration) const {
    return stream.priority + iteration * kIterationPriority;
  }
};

}  // namespace rdusim::sim
