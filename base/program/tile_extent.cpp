// Result extents of the tile operations: shapes, and the coordinates that carry causal-mask positions.
//
// Coordinates (see tile.h): row0 comes from the first operand with more than one row, else from the first
// operand. col0 comes from the same operand if it has more than one column, else from the first operand that
// has, so that a row-wise factor [m,1] does not hide the columns of what it multiplies. Row reductions keep
// row0 and start at column 0; column reductions keep col0 and start at row 0.
#include <fmt/format.h>

#include <algorithm>

#include "base/program/tile.h"

namespace rdusim {

namespace {

using Operands = std::array<Extent, 3>;

Error shape_error(const TileOp& op, const Operands& x, const char* rule) {
  const TileOpRecord& record = tile_op_record(op.kind);
  std::string shapes;
  for (int i = 0; i < record.operands; ++i) {
    const Extent& e = x[static_cast<size_t>(i)];
    shapes += fmt::format("{}[{},{}]", i == 0 ? "" : " ", e.rows, e.cols);
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("operation {}", record.name),
               fmt::format("operands {} do not fit: {}", shapes, rule), std::string(record.doc)};
}

bool broadcast(int64_t a, int64_t b, int64_t& result) {
  if (a != b && a != 1 && b != 1) return false;
  result = a == 1 ? b : a;
  return true;
}

Result<Extent> map_extent(const TileOp& op, const Operands& x, size_t operands) {
  Extent r = x[0];
  const Extent* source = x[0].rows > 1 ? &x[0] : nullptr;
  for (size_t i = 1; i < operands; ++i) {
    if (!broadcast(r.rows, x[i].rows, r.rows) || !broadcast(r.cols, x[i].cols, r.cols)) {
      return shape_error(op, x, "rows and columns must be equal or 1");
    }
    if (source == nullptr && x[i].rows > 1) source = &x[i];
  }
  if (source == nullptr) source = &x[0];
  r.row0 = source->row0;
  r.col0 = source->col0;
  for (size_t i = 0; source->cols <= 1 && i < operands; ++i) {
    if (x[i].cols > 1) {
      r.col0 = x[i].col0;
      break;
    }
  }
  return r;
}

Result<Extent> matmul_extent(const TileOp& op, const Operands& x) {
  const Extent& a = x[0];
  const Extent& b = x[1];
  if (op.matmul_rows_per_group < 1 || op.matmul_row_cycle < op.matmul_rows_per_group ||
      op.matmul_row_cycle % op.matmul_rows_per_group != 0) {
    return shape_error(op, x, "row_cycle must be a multiple of rows_per_group");
  }
  const int64_t groups = op.matmul_row_cycle / op.matmul_rows_per_group;
  if (op.matmul_transposed) {
    if (b.cols != groups * a.cols) return shape_error(op, x, "B must have groups x columns(A) columns");
    return Extent{a.rows, b.rows, a.row0, b.row0};
  }
  if (b.rows != a.cols || b.cols % groups != 0) {
    return shape_error(op, x, "B must have columns(A) rows, and columns in whole groups");
  }
  return Extent{a.rows, b.cols / groups, a.row0, groups == 1 ? b.col0 : 0};
}

Result<Extent> reshape_extent(const TileOp& op, const Operands& x) {
  const int64_t cols = op.ints[0];
  if (cols <= 0 || x[0].elements() % cols != 0) {
    return shape_error(op, x, "elements must divide into the new columns");
  }
  return Extent{x[0].elements() / cols, cols, x[0].row0 * x[0].cols / cols, 0};
}

// [p * size, p * size + size) cut at the edge of n.
Result<ShardRange> slice_by_firing(const TileOp& op, const Operands& x, int64_t n, int64_t firing) {
  if (op.ints[0] <= 0 || op.ints[1] <= 0) return shape_error(op, x, "slice size and count must be positive");
  const int64_t begin = std::min(n, (firing % op.ints[1]) * op.ints[0]);
  return ShardRange{begin, std::min(op.ints[0], n - begin)};
}

// See tile_scan.h.
Result<Extent> scan_extent(const TileOp& op, const Operands& x) {
  const int64_t states = x[1].cols / 2;
  const int64_t channels = x[0].cols / 2;
  const int64_t rows_of_state = op.kind == TileOpKind::kScan ? 2 * states : states;
  if (x[0].cols % 2 != 0 || x[1].cols % 2 != 0 || x[0].rows != x[1].rows || x[2].cols != channels ||
      x[2].rows != rows_of_state) {
    return shape_error(op, x, "[m,2d] inputs and steps, [m,2n] B and C, [n,d] A or [2n,d] A and state");
  }
  if (op.kind == TileOpKind::kScan) return Extent{x[0].rows, channels, x[0].row0, x[2].col0};
  return Extent{2 * states, channels, 0, x[2].col0};
}

Result<Extent> layout_extent(const TileOp& op, const Operands& x, int64_t firing) {
  const Extent& a = x[0];
  switch (op.kind) {
    case TileOpKind::kReshape:
      return reshape_extent(op, x);
    case TileOpKind::kSliceCols:
      if (op.ints[0] < 0 || op.ints[1] < 0 || op.ints[0] + op.ints[1] > a.cols) {
        return shape_error(op, x, "the slice is outside");
      }
      return Extent{a.rows, op.ints[1], a.row0, a.col0 + op.ints[0]};
    case TileOpKind::kSliceColsByFiring: {
      RDU_ASSIGN(const ShardRange s, slice_by_firing(op, x, a.cols, firing));
      return Extent{a.rows, s.size, a.row0, a.col0 + s.begin};
    }
    case TileOpKind::kSliceRowsByFiring: {
      RDU_ASSIGN(const ShardRange s, slice_by_firing(op, x, a.rows, firing));
      return Extent{s.size, a.cols, a.row0 + s.begin, a.col0};
    }
    case TileOpKind::kSliceRows:
      if (op.ints[0] < 0 || op.ints[1] < 0 || op.ints[0] + op.ints[1] > a.rows) {
        return shape_error(op, x, "the slice is outside");
      }
      return Extent{op.ints[1], a.cols, a.row0 + op.ints[0], a.col0};
    case TileOpKind::kTapRows:
      return Extent{x[1].rows, a.cols, a.row0 + a.rows - x[1].rows - op.ints[0], a.col0};
    case TileOpKind::kGatherRows:
      if (x[1].cols != 1) return shape_error(op, x, "row numbers must be one column");
      return Extent{x[1].rows, a.cols, x[1].row0, a.col0};
    case TileOpKind::kLastRow:
      if (a.rows < 1) return shape_error(op, x, "no row");
      return Extent{1, a.cols, a.row0 + a.rows - 1, a.col0};
    case TileOpKind::kConcatCols:
      if (a.rows != x[1].rows) return shape_error(op, x, "rows must be equal");
      return Extent{a.rows, a.cols + x[1].cols, a.row0, a.col0};
    case TileOpKind::kConcatRows:
      if (a.cols != x[1].cols) return shape_error(op, x, "columns must be equal");
      return Extent{a.rows + x[1].rows, a.cols, a.rows > 0 ? a.row0 : x[1].row0, a.col0};
    case TileOpKind::kRepeatRows:
      if (op.ints[0] < 1) return shape_error(op, x, "the count must be positive");
      return Extent{a.rows * op.ints[0], a.cols, a.row0 * op.ints[0], a.col0};
    case TileOpKind::kTranspose:
      return Extent{a.cols, a.rows, a.col0, a.row0};
    default:
      return shape_error(op, x, "not a layout operation");
  }
}

}  // namespace

Result<Extent> tile_op_extent(const TileOp& op, const std::array<Extent, 3>& x, int64_t firing) {
  const Extent& a = x[0];
  const TileOpRecord& record = tile_op_record(op.kind);
  switch (op.kind) {
    case TileOpKind::kMatmul:
      return matmul_extent(op, x);
    case TileOpKind::kRowSum:
    case TileOpKind::kRowMax:
      return Extent{a.rows, 1, a.row0, 0};
    case TileOpKind::kRowArgMax:
      if (a.cols < 1) return shape_error(op, x, "no column");
      return Extent{a.rows, 1, a.row0, 0};
    case TileOpKind::kRowIndex:
      if (op.ints[0] < 1) return shape_error(op, x, "the divisor must be positive");
      return Extent{a.rows, 1, a.row0, 0};
    case TileOpKind::kColSum:
    case TileOpKind::kColIndex:
      return Extent{1, a.cols, 0, a.col0};
    case TileOpKind::kTopK:
      if (op.ints[0] < 1 || op.ints[0] > a.cols) return shape_error(op, x, "k must be in [1, columns]");
      return Extent{a.rows, 2 * op.ints[0], a.row0, 0};
    case TileOpKind::kLookup:
      if (a.rows < 1) return shape_error(op, x, "the table must have a row");
      return x[1];
    case TileOpKind::kDispatch:
      if (op.ints[0] < 1 || op.ints[1] < 1)
        return shape_error(op, x, "blocks and their rows must be positive");
      return Extent{op.ints[0] * op.ints[1], 2, 0, 0};
    case TileOpKind::kDispatchPlace:
      if (op.ints[0] < 1 || op.ints[1] < 1)
        return shape_error(op, x, "blocks and their rows must be positive");
      return a;
    case TileOpKind::kScan:
    case TileOpKind::kScanSummary:
      return scan_extent(op, x);
    case TileOpKind::kHistogram:
      if (op.ints[0] < 1) return shape_error(op, x, "classes must be positive");
      return Extent{a.rows, op.ints[0], a.row0, 0};
    default:
      break;
  }
  if (record.op_class == TileOpClass::kLayout) return layout_extent(op, x, firing);
  return map_extent(op, x, static_cast<size_t>(record.operands));
}

TileWork tile_op_work(const TileOp& op, const std::array<Extent, 3>& x, const Extent& result) {
  TileWork work;
  switch (tile_op_record(op.kind).op_class) {
    case TileOpClass::kMac:
      work = {result.rows * result.cols * x[0].cols, result.rows, result.cols, x[0].cols};
      break;
    case TileOpClass::kReduce:
      work.amount = x[0].elements();
      break;
    case TileOpClass::kCross:
      work.amount = op.kind == TileOpKind::kLookup ? x[1].elements() : x[0].elements();
      break;
    case TileOpClass::kTail:
      // A scan takes one exponential for each row, channel and state.
      work.amount = op.kind == TileOpKind::kScan || op.kind == TileOpKind::kScanSummary
                        ? x[0].elements() / 2 * (x[1].cols / 2)
                        : result.elements();
      break;
    case TileOpClass::kMap:
    case TileOpClass::kLayout:
      work.amount = result.elements();
      break;
  }
  return work;
}

}  // namespace rdusim
