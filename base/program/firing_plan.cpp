#include "base/program/firing_plan.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace rdusim {

namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Levels of a tree with `fan_in` inputs a node over n leaves.
int64_t tree_levels(int64_t n, int64_t fan_in) {
  int64_t levels = 0;
  for (int64_t left = n; left > 1; left = ceil_div(left, fan_in)) ++levels;
  return levels;
}

// Parts that K is cut into, so that the last round of tiles leaves few PCUs idle; more than these gain
// little.
constexpr int64_t kMostParts = 8;

// Parts of K, the fewest with which `pcus` PCUs are done first: as many as there are PCUs for each tile, or
// so many that the last round of tiles leaves few PCUs idle, each still longer than its results take to
// leave.
int64_t reduction_parts(int64_t tiles, int64_t k, int64_t results, int64_t pcus) {
  const auto steps = [&](int64_t parts) { return ceil_div(tiles * parts, pcus) * ceil_div(k, parts); };
  int64_t best = std::clamp<int64_t>(pcus / tiles, 1, k);
  const int64_t most = std::min(kMostParts, k / results);
  for (int64_t parts = 1; parts <= most; ++parts) {
    if (steps(parts) < steps(best) || (steps(parts) == steps(best) && parts < best)) best = parts;
  }
  return best;
}

Pass array_pass(const PcuSpec& pcu, int64_t groups, int64_t m, int64_t n, int64_t k, int64_t pcus) {
  const int64_t straight = ceil_div(m, pcu.stages) * ceil_div(n, pcu.lanes);
  const int64_t swapped = ceil_div(n, pcu.stages) * ceil_div(m, pcu.lanes);
  const int64_t tiles = groups * std::min(straight, swapped);
  Pass pass;
  pass.systolic = true;
  pass.block_results = std::min(straight <= swapped ? m : n, pcu.stages);
  pass.min_block_cycles = pass.block_results;
  const int64_t parts = reduction_parts(tiles, k, pass.block_results, pcus);
  pass.block_steps = ceil_div(k, parts);
  pass.steps = ceil_div(tiles * parts, pcus) * pass.block_steps;
  pass.latency_cycles = pcu.pipeline_latency_cycles * (1 + tree_levels(parts, 2)) + pass.block_results - 1;
  return pass;
}

Pass dot_pass(const PcuSpec& pcu, int64_t dots, int64_t k, int64_t pcus) {
  Pass pass;
  pass.block_steps = ceil_div(k, pcu.lanes);
  pass.steps = ceil_div(dots, pcus) * pass.block_steps;
  pass.latency_cycles = pcu.pipeline_latency_cycles + tree_levels(pcu.lanes, 2);
  return pass;
}

// Where an operation's result is.
enum class Place : uint8_t {
  kStages,   // goes on downstream with its vector
  kReduced,  // goes on downstream, once a block
  kLeft,     // left the PCU: through the tail, the array's drain or the alignment unit
};

struct Made {
  int32_t pass = -1;  // -1: an input, or an index of the header's counters
  Place place = Place::kLeft;
};

// The simd pass that is being filled.
struct Filling {
  int64_t stages = 0;
  Extent widest;  // operand or result that needs most vectors
  bool by_rows = false;
  bool row_reduction = false;
  bool col_reduction = false;
  bool tail_of_vectors = false;
  bool tail_of_blocks = false;
  int32_t after = -1;
};

class Planner {
 public:
  Planner(const PcuSpec& pcu, int64_t pcus, size_t registers, FiringPlan& plan)
      : pcu_(pcu), pcus_(pcus), plan_(plan), made_(registers) {}

  void add(const TileOp& op, Register result, std::span<const Extent> extents) {
    const TileOpRecord& record = tile_op_record(op.kind);
    const std::span<const Register> operands(op.operands.data(), static_cast<size_t>(record.operands));
    switch (record.op_class) {
      case TileOpClass::kLayout:
        made_[result] = {latest(operands), Place::kLeft};
        return;
      case TileOpClass::kMac:
        multiply(op, result, operands, extents);
        return;
      default:
        break;
    }
    // An index is a counter of the header.
    if (op.kind == TileOpKind::kRowIndex || op.kind == TileOpKind::kColIndex) return;
    fill(op, record.op_class, result, operands, extents);
  }

  void finish() { close(); }

 private:
  [[nodiscard]] int32_t latest(std::span<const Register> operands) const {
    int32_t pass = -1;
    for (const Register r : operands) pass = std::max(pass, made_[r].pass);
    return pass;
  }
  [[nodiscard]] int32_t current() const { return static_cast<int32_t>(plan_.passes.size()); }

  void multiply(const TileOp& op, Register result, std::span<const Register> operands,
                std::span<const Extent> extents) {
    close();
    const TileWork work =
        tile_op_work(op, {extents[op.operands[0]], extents[op.operands[1]], {}}, extents[result]);
    Pass pass = matmul_pass(pcu_, op, work, pcus_);
    if (pass.steps == 0) return;
    pass.after = latest(operands);
    made_[result] = {current(), Place::kLeft};
    plan_.passes.push_back(pass);
  }

  void fill(const TileOp& op, TileOpClass op_class, Register result, std::span<const Register> operands,
            std::span<const Extent> extents) {
    if (!joins(op_class, result, operands, extents)) close();
    bool reduced = op_class == TileOpClass::kReduce;
    for (const Register r : operands) {
      const bool here = open_ && made_[r].pass == current();
      if (!here) filling_.after = std::max(filling_.after, made_[r].pass);
      reduced = reduced || (here && made_[r].place == Place::kReduced);
    }
    const bool tail = op_class == TileOpClass::kTail;
    filling_.stages += tail ? 0 : 1;
    (reduced ? filling_.tail_of_blocks : filling_.tail_of_vectors) |= tail;
    filling_.row_reduction |= op_class == TileOpClass::kReduce && op.kind != TileOpKind::kColSum;
    filling_.col_reduction |= op.kind == TileOpKind::kColSum;
    filling_.by_rows |= op_class == TileOpClass::kReduce || op_class == TileOpClass::kCross;
    for (const Register r : operands) widen(extents[r], extents[result]);
    widen(extents[result], extents[result]);
    open_ = true;
    Place place = reduced ? Place::kReduced : Place::kStages;
    if (tail || op_class == TileOpClass::kCross) place = Place::kLeft;
    made_[result] = {current(), place};
  }

  // Whether the operation can follow in the pass that is being filled.
  [[nodiscard]] bool joins(TileOpClass op_class, Register result, std::span<const Register> operands,
                           std::span<const Extent> extents) const {
    if (!open_) return true;
    const bool tail = op_class == TileOpClass::kTail;
    if (tail && (filling_.tail_of_vectors || filling_.tail_of_blocks)) return false;
    if (!tail && filling_.stages == pcu_.stages) return false;
    for (const Register r : operands) {
      if (made_[r].pass != current()) continue;
      if (made_[r].place == Place::kLeft) return false;
      const bool at_its_rate =
          op_class != TileOpClass::kReduce && extents[result].elements() <= extents[r].elements();
      if (made_[r].place == Place::kReduced && !at_its_rate) return false;
    }
    return true;
  }

  // A register of this shape passes; `result`: what it is combined into.
  void widen(const Extent& shape, const Extent& result) {
    if (shape.elements() > filling_.widest.elements()) filling_.widest = shape;
    if (result.rows <= 1 || result.cols <= 1 || shape.elements() <= 1) return;
    const bool column_of_factors = shape.cols == 1;
    const bool row_of_factors =
        shape.rows == 1 && shape.cols % pcu_.lanes != 0 && pcu_.lanes % shape.cols != 0;
    filling_.by_rows |= column_of_factors || row_of_factors;
  }

  void close() {
    if (!open_) return;
    plan_.passes.push_back(vector_pass(filling_.widest.rows, filling_.widest.cols));
    filling_ = {};
    open_ = false;
  }

  [[nodiscard]] Pass vector_pass(int64_t rows, int64_t cols) const {
    const int64_t lanes = pcu_.lanes;
    const int64_t row_major = rows * ceil_div(cols, lanes);
    const int64_t col_major = cols * ceil_div(rows, lanes);
    const bool turned = col_major < row_major;  // a lane a row
    const int64_t vectors = filling_.by_rows ? std::min(row_major, col_major) : ceil_div(rows * cols, lanes);
    Pass pass;
    pass.after = filling_.after;
    if (vectors == 0) return pass;
    pass.steps = ceil_div(vectors, pcus_);
    pass.latency_cycles = pcu_.pipeline_latency_cycles;
    if (filling_.row_reduction || filling_.col_reduction) {
      const bool across = filling_.row_reduction ? !turned : turned;  // the reduced elements lie in the lanes
      const int64_t extent = filling_.row_reduction ? cols : rows;
      reduce(pass, across ? ceil_div(extent, lanes) : extent, across && extent > 1);
    }
    const int64_t tail_cycles = ceil_div(lanes, pcu_.tail_elements_per_cycle);
    if (filling_.tail_of_vectors) {
      pass.block_steps = 1;
      pass.min_block_cycles = tail_cycles;
    } else if (filling_.tail_of_blocks) {
      pass.min_block_cycles = tail_cycles;
    }
    return pass;
  }

  void reduce(Pass& pass, int64_t block_steps, bool tree) const {
    if (tree) pass.latency_cycles += tree_levels(pcu_.lanes, 2);
    const int64_t parts = pass.steps < block_steps ? ceil_div(block_steps, pass.steps) : 2;
    if (pass.steps % block_steps != 0 && pcus_ > 1)
      pass.latency_cycles += pcu_.pipeline_latency_cycles * tree_levels(parts, pcu_.lanes);
    pass.block_steps = std::min(block_steps, pass.steps);
  }

  const PcuSpec& pcu_;
  const int64_t pcus_;
  FiringPlan& plan_;
  std::vector<Made> made_;
  Filling filling_;
  bool open_ = false;
};

}  // namespace

int64_t Pass::occupancy_cycles() const {
  const int64_t rest = steps % block_steps;
  const int64_t last = rest == 0 ? 0 : std::max(rest, min_block_cycles);
  return steps / block_steps * std::max(block_steps, min_block_cycles) + last;
}

int64_t Pass::lone_cycles() const {
  if (steps == 0) return 0;
  const int64_t rest = steps % block_steps;
  const int64_t last = rest == 0 ? block_steps : rest;
  return occupancy_cycles() - std::max(last, min_block_cycles) + last + latency_cycles;
}

int64_t Pass::result_cycles() const {
  const int64_t blocks = ceil_div(steps, std::max<int64_t>(1, block_steps));
  return std::max<int64_t>(0, blocks - 1) * std::max(block_steps, min_block_cycles);
}

int64_t FiringPlan::service_cycles() const {
  int64_t cycles = 0;
  for (const Pass& pass : passes) cycles += pass.occupancy_cycles();
  return std::max<int64_t>(1, cycles);
}

int64_t FiringPlan::lone_cycles() const {
  int64_t free = 0;  // when the header may start the next pass
  int64_t last = 0;
  for (size_t p = 0; p < passes.size(); ++p) {
    int64_t start = free;
    // Results come back in the order of the passes, but a later pass may be quicker: the last of those waited
    // for.
    if (passes[p].after >= 0) start = std::max(start, last);
    free = start + passes[p].occupancy_cycles();
    last = std::max(last, start + passes[p].lone_cycles());
  }
  return last;
}

Pass matmul_pass(const PcuSpec& pcu, const TileOp& op, const TileWork& work, int64_t pcus) {
  if (work.amount == 0) return {};
  // Rows of A that share a column group of B form one product; groups are independent products.
  const int64_t groups =
      std::min(work.m, std::max<int64_t>(1, op.matmul_row_cycle / op.matmul_rows_per_group));
  const Pass array = array_pass(pcu, groups, ceil_div(work.m, groups), work.n, work.k, pcus);
  const Pass dots = dot_pass(pcu, work.m * work.n, work.k, pcus);
  return dots.occupancy_cycles() < array.occupancy_cycles() ? dots : array;
}

void plan_firing(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                 std::span<const Extent> registers, FiringPlan& plan) {
  plan.passes.clear();
  const size_t inputs = unit.inputs.size();
  Planner planner(pcu, std::max<int64_t>(1, unit.pcus), inputs + unit.body.size(), plan);
  for (size_t i = 0; i < unit.body.size(); ++i) {
    if (needed[inputs + i]) planner.add(unit.body[i], static_cast<Register>(inputs + i), registers);
  }
  planner.finish();
}

}  // namespace rdusim
