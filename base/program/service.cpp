#include "base/program/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/program/firing_plan.h"

namespace rdusim {

int64_t matmul_cycles(const PcuSpec& pcu, const TileOp& op, const TileWork& work, int64_t pcus) {
  return matmul_pass(pcu, op, work, pcus).occupancy_cycles();
}

Status firing_extents(const Unit& unit, const std::vector<bool>& needed, int64_t firing,
                      std::vector<Extent>& registers) {
  const size_t inputs = unit.inputs.size();
  registers.resize(inputs + unit.body.size());
  for (size_t i = 0; i < inputs; ++i) {
    if (needed[i] && registers[i].rows < 0) {
      return Error{ErrorCode::kInvalidInput, "unit " + unit.name,
                   fmt::format("firing {} reads input {}, which holds no token then", firing, i),
                   "a token is held until the end of its period"};
    }
  }
  for (size_t i = 0; i < unit.body.size(); ++i) {
    if (!needed[inputs + i]) continue;
    const TileOp& op = unit.body[i];
    std::array<Extent, 3> x{};
    for (size_t k = 0; k < static_cast<size_t>(tile_op_record(op.kind).operands); ++k)
      x[k] = registers[op.operands[k]];
    auto extent = tile_op_extent(op, x, firing);
    if (!extent.ok()) {
      Error e = extent.take_error();
      e.where = fmt::format("unit {}, operation {} ({})", unit.name, i, tile_op_record(op.kind).name);
      return e;
    }
    registers[inputs + i] = *extent;
  }
  return {};
}

FiringCycles compute_cycles(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                            std::span<const Extent> registers) {
  thread_local FiringPlan plan;  // keeps its storage: allocation asks for millions of firings
  plan_firing(unit, pcu, needed, registers, plan);
  const int64_t service = plan.service_cycles();
  // A body without passes (layout only) still goes through a PCU.
  const int64_t lone = plan.passes.empty() ? service + pcu.pipeline_latency_cycles : plan.lone_cycles();
  const int64_t results = plan.passes.empty() ? 0 : plan.passes.back().result_cycles();
  return {service, std::max<int64_t>(0, lone - service), 0, results};
}

int64_t compute_service(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                        std::span<const Extent> registers) {
  return compute_cycles(unit, pcu, needed, registers).service_cycles;
}

int64_t slice_period(const Unit& unit) {
  int64_t period = 1;
  for (const TileOp& op : unit.body) {
    const bool by_firing =
        op.kind == TileOpKind::kSliceColsByFiring || op.kind == TileOpKind::kSliceRowsByFiring;
    if (by_firing && op.ints[1] > 0) period = std::lcm(period, op.ints[1]);
  }
  return period;
}

int64_t cycles_of_seconds(double seconds, double clock_hz) {
  return std::llround(seconds * clock_hz);
}

}  // namespace rdusim
