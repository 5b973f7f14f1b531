#include "base/program/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rdusim {

namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Passes of the vector pipeline: groups of `stages` chained operations, each as long as its widest member.
class VectorChain {
 public:
  VectorChain(int64_t stages, int64_t elements_per_cycle) : stages_(stages), rate_(elements_per_cycle) {}
  void add(int64_t elements) {
    widest_ = std::max(widest_, elements);
    if (++length_ == stages_) close();
  }
  int64_t cycles() {
    close();
    return cycles_;
  }

 private:
  void close() {
    cycles_ += ceil_div(widest_, rate_);
    widest_ = 0;
    length_ = 0;
  }
  int64_t stages_;
  int64_t rate_;
  int64_t widest_ = 0;
  int64_t length_ = 0;
  int64_t cycles_ = 0;
};

}  // namespace

int64_t matmul_cycles(const PcuSpec& pcu, const TileOp& op, const TileWork& work, int64_t pcus) {
  if (work.amount == 0) return 0;
  // Rows of A that share a column group of B form one product; groups are independent products.
  const int64_t groups =
      std::min(work.m, std::max<int64_t>(1, op.matmul_row_cycle / op.matmul_rows_per_group));
  const int64_t m = ceil_div(work.m, groups);
  const int64_t straight = ceil_div(m, pcu.stages) * ceil_div(work.n, pcu.lanes);
  const int64_t swapped = ceil_div(work.n, pcu.stages) * ceil_div(m, pcu.lanes);
  const int64_t tiles = groups * std::min(straight, swapped);
  // PCUs beyond one a tile split K; a tile takes at least the drain of its rows.
  const int64_t k = ceil_div(work.k, std::max<int64_t>(1, pcus / tiles));
  const int64_t array = ceil_div(tiles, pcus) * std::max(k, pcu.stages);
  if (std::min(m, work.n) >= pcu.stages) return array;
  const int64_t dots = ceil_div(work.m * work.n * ceil_div(work.k, pcu.lanes), pcu.stages * pcus);
  return std::min(array, dots);
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

int64_t compute_service(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                        std::span<const Extent> registers) {
  const size_t inputs = unit.inputs.size();
  int64_t mac = 0;
  int64_t tail_elements = 0;
  VectorChain chain(pcu.stages, pcu.lanes * unit.pcus);
  for (size_t i = 0; i < unit.body.size(); ++i) {
    if (!needed[inputs + i]) continue;
    const TileOp& op = unit.body[i];
    std::array<Extent, 3> x{};
    for (size_t k = 0; k < static_cast<size_t>(tile_op_record(op.kind).operands); ++k)
      x[k] = registers[op.operands[k]];
    const TileWork work = tile_op_work(op, x, registers[inputs + i]);
    switch (tile_op_record(op.kind).op_class) {
      case TileOpClass::kMac:
        mac += matmul_cycles(pcu, op, work, unit.pcus);
        break;
      case TileOpClass::kMap:
      case TileOpClass::kReduce:
      case TileOpClass::kCross:
        chain.add(work.amount);
        break;
      case TileOpClass::kTail:
        tail_elements += work.amount;
        break;
      case TileOpClass::kLayout:
        break;
    }
  }
  const int64_t vector = chain.cycles();
  const int64_t tail = ceil_div(tail_elements, pcu.tail_elements_per_cycle * unit.pcus);
  const int64_t body = unit.kind == UnitKind::kGemm ? std::max(mac, vector) : mac + vector;
  return std::max<int64_t>(1, std::max(body, tail));
}

int64_t buffer_service(const PmuSpec& pmu, int64_t pmus, int64_t written_bytes, int64_t read_bytes) {
  const int64_t rate = std::max<int64_t>(1, pmus) * pmu.port_bytes_per_cycle;
  return std::max<int64_t>(1, ceil_div(std::max(written_bytes, read_bytes), rate));
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
