// Values of the tile operations: maps, reductions, selection and layout. The product is in tile_matmul.cpp.
//
// Everything is FP32 and every reduction runs left to right, so bytes repeat on any machine with the same
// libm. Column numbers that an operation yields or takes (row_argmax, top_k, lookup, col_index) are
// coordinates: col0 + j.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/dtype.h"
#include "base/program/tile.h"
#include "base/program/tile_dispatch.h"
#include "base/program/tile_matmul.h"
#include "base/program/tile_scan.h"

namespace rdusim {

namespace {

using Values = std::vector<float>;

float map_one(const TileOp& op, float a) {
  switch (op.kind) {
    case TileOpKind::kNeg:
      return -a;
    case TileOpKind::kAbs:
      return std::fabs(a);
    case TileOpKind::kAddScalar:
      return a + op.scalar;
    case TileOpKind::kMulScalar:
      return a * op.scalar;
    case TileOpKind::kMaxScalar:
      return a < op.scalar ? op.scalar : a;
    case TileOpKind::kMinScalar:
      return op.scalar < a ? op.scalar : a;
    case TileOpKind::kRoundBf16:
      return round_to_bf16(a);
    case TileOpKind::kReciprocal:
      return 1.0F / a;
    case TileOpKind::kExp:
      return std::exp(a);
    case TileOpKind::kLog:
      return std::log(a);
    case TileOpKind::kSqrt:
      return std::sqrt(a);
    case TileOpKind::kRsqrt:
      return 1.0F / std::sqrt(a);
    case TileOpKind::kTanh:
      return std::tanh(a);
    case TileOpKind::kErf:
      return std::erf(a);
    case TileOpKind::kSigmoid:
      return 1.0F / (1.0F + std::exp(-a));
    default:
      break;
  }
  RDU_CHECK(false, "{} is not a map of one operand", tile_op_record(op.kind).name);
}

float map_two(TileOpKind kind, float a, float b) {
  switch (kind) {
    case TileOpKind::kAdd:
      return a + b;
    case TileOpKind::kSub:
      return a - b;
    case TileOpKind::kMul:
      return a * b;
    case TileOpKind::kDiv:
      return a / b;
    case TileOpKind::kMax:
      return a < b ? b : a;
    case TileOpKind::kMin:
      return b < a ? b : a;
    case TileOpKind::kCmpLess:
      return a < b ? 1.0F : 0.0F;
    case TileOpKind::kCmpLessEqual:
      return a <= b ? 1.0F : 0.0F;
    case TileOpKind::kCmpEqual:
      return a == b ? 1.0F : 0.0F;
    default:
      break;
  }
  RDU_CHECK(false, "{} is not a map of two operands", tile_op_record(kind).name);
}

// Element (i, j) of a tile that broadcasts one row and/or one column.
struct Broadcast {
  const float* values;
  int64_t row_step;
  int64_t col_step;
  Broadcast(const Tile& t, const Extent& result)
      : values(t.values->data()),
        row_step(t.extent.rows == 1 && result.rows != 1 ? 0 : t.extent.cols),
        col_step(t.extent.cols == 1 && result.cols != 1 ? 0 : 1) {}
  [[nodiscard]] float at(int64_t i, int64_t j) const { return values[i * row_step + j * col_step]; }
};

void map_values(const TileOp& op, const std::array<const Tile*, 3>& x, const Extent& r, Values& out) {
  const int operands = tile_op_record(op.kind).operands;
  if (operands == 1) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = map_one(op, (*x[0]->values)[i]);
    return;
  }
  const Broadcast a(*x[0], r);
  const Broadcast b(*x[1], r);
  size_t at = 0;
  if (operands == 2) {
    for (int64_t i = 0; i < r.rows; ++i) {
      for (int64_t j = 0; j < r.cols; ++j) out[at++] = map_two(op.kind, a.at(i, j), b.at(i, j));
    }
    return;
  }
  const Broadcast c(*x[2], r);
  for (int64_t i = 0; i < r.rows; ++i) {
    for (int64_t j = 0; j < r.cols; ++j) out[at++] = a.at(i, j) != 0.0F ? b.at(i, j) : c.at(i, j);
  }
}

float reduce_row(TileOpKind kind, const float* row, const Extent& e) {
  if (kind == TileOpKind::kRowSum) {
    float sum = 0;
    for (int64_t j = 0; j < e.cols; ++j) sum += row[j];
    return sum;
  }
  float best = -std::numeric_limits<float>::infinity();
  int64_t column = 0;
  for (int64_t j = 0; j < e.cols; ++j) {
    if (row[j] > best) {
      best = row[j];
      column = j;
    }
  }
  return kind == TileOpKind::kRowMax ? best : static_cast<float>(e.col0 + column);
}

void reduce_values(TileOpKind kind, const Tile& a, Values& out) {
  const Extent& e = a.extent;
  const float* values = a.values->data();
  if (kind == TileOpKind::kColSum) {
    std::fill(out.begin(), out.end(), 0.0F);
    for (int64_t i = 0; i < e.rows; ++i) {
      for (int64_t j = 0; j < e.cols; ++j) out[static_cast<size_t>(j)] += values[i * e.cols + j];
    }
    return;
  }
  for (int64_t i = 0; i < e.rows; ++i) {
    out[static_cast<size_t>(i)] = reduce_row(kind, values + i * e.cols, e);
  }
}

void top_k_values(int64_t k, const Tile& a, Values& out) {
  const Extent& e = a.extent;
  std::vector<int64_t> order(static_cast<size_t>(e.cols));
  for (int64_t i = 0; i < e.rows; ++i) {
    const float* row = a.values->data() + i * e.cols;
    std::iota(order.begin(), order.end(), int64_t{0});
    std::partial_sort(order.begin(), order.begin() + k, order.end(),
                      [row](int64_t p, int64_t q) { return row[p] != row[q] ? row[p] > row[q] : p < q; });
    float* to = out.data() + i * 2 * k;
    for (int64_t j = 0; j < k; ++j) {
      to[j] = row[order[static_cast<size_t>(j)]];
      to[k + j] = static_cast<float>(e.col0 + order[static_cast<size_t>(j)]);
    }
  }
}

// A column outside the table reads 0, as a PMU drops an address outside its range.
void lookup_values(const Tile& table, const Tile& columns, Values& out) {
  const Extent& e = table.extent;
  for (int64_t i = 0; i < columns.extent.rows; ++i) {
    const float* row = table.values->data() + i % e.rows * e.cols;
    for (int64_t j = 0; j < columns.extent.cols; ++j) {
      const auto at = static_cast<size_t>(i * columns.extent.cols + j);
      const auto column = static_cast<int64_t>((*columns.values)[at]) - e.col0;
      out[at] = column >= 0 && column < e.cols ? row[column] : 0.0F;
    }
  }
}

void cross_values(const TileOp& op, const std::array<const Tile*, 3>& x, const Extent& r, Values& out) {
  if (op.kind == TileOpKind::kTopK) return top_k_values(op.ints[0], *x[0], out);
  if (op.kind == TileOpKind::kLookup) return lookup_values(*x[0], *x[1], out);
  if (op.kind == TileOpKind::kDispatch) return dispatch_values(op, *x[0], out);
  if (op.kind == TileOpKind::kDispatchPlace) return dispatch_place_values(op, *x[0], out);
  const Extent& e = x[0]->extent;
  std::fill(out.begin(), out.end(), 0.0F);
  for (int64_t i = 0; i < e.rows; ++i) {
    for (int64_t j = 0; j < e.cols; ++j) {
      const auto id = static_cast<int64_t>((*x[0]->values)[static_cast<size_t>(i * e.cols + j)]);
      if (id >= 0 && id < r.cols) out[static_cast<size_t>(i * r.cols + id)] += 1.0F;
    }
  }
}

void gather_values(const Tile& a, const Tile& rows, Values& out) {
  const Extent& e = a.extent;
  std::fill(out.begin(), out.end(), 0.0F);
  for (int64_t i = 0; i < rows.extent.rows; ++i) {
    const auto row = static_cast<int64_t>((*rows.values)[static_cast<size_t>(i)]);
    if (row < 0 || row >= e.rows) continue;
    const float* source = a.values->data() + row * e.cols;
    std::copy(source, source + e.cols, out.data() + i * e.cols);
  }
}

// Rows that end ints[0] before the last of `a`; zero where `a` has none.
void tap_values(const TileOp& op, const Tile& a, const Extent& r, Values& out) {
  const Extent& e = a.extent;
  std::fill(out.begin(), out.end(), 0.0F);
  for (int64_t i = 0; i < r.rows; ++i) {
    const int64_t row = e.rows - r.rows - op.ints[0] + i;
    if (row < 0 || row >= e.rows) continue;
    const float* source = a.values->data() + row * e.cols;
    std::copy(source, source + e.cols, out.data() + i * e.cols);
  }
}

// Copies the block of `from` at (row, col) of size `rows` x `cols` to (to_row, to_col) of a matrix `to_cols`
// wide.
void copy_block(const Tile& from, int64_t row, int64_t col, int64_t rows, int64_t cols, Values& to,
                int64_t to_cols, int64_t to_row, int64_t to_col) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* source = from.values->data() + (row + i) * from.extent.cols + col;
    std::copy(source, source + cols, to.data() + (to_row + i) * to_cols + to_col);
  }
}

void layout_values(const TileOp& op, const std::array<const Tile*, 3>& x, const Extent& r, Values& out) {
  const Tile& a = *x[0];
  const Extent& e = a.extent;
  switch (op.kind) {
    case TileOpKind::kReshape:
      out = *a.values;
      return;
    case TileOpKind::kSliceCols:
    case TileOpKind::kSliceColsByFiring:
    case TileOpKind::kSliceRowsByFiring:
    case TileOpKind::kSliceRows:
    case TileOpKind::kLastRow:
      return copy_block(a, r.row0 - e.row0, r.col0 - e.col0, r.rows, r.cols, out, r.cols, 0, 0);
    case TileOpKind::kTapRows:
      return tap_values(op, a, r, out);
    case TileOpKind::kGatherRows:
      return gather_values(a, *x[1], out);
    case TileOpKind::kConcatCols:
      copy_block(a, 0, 0, e.rows, e.cols, out, r.cols, 0, 0);
      return copy_block(*x[1], 0, 0, e.rows, x[1]->extent.cols, out, r.cols, 0, e.cols);
    case TileOpKind::kConcatRows:
      copy_block(a, 0, 0, e.rows, e.cols, out, r.cols, 0, 0);
      return copy_block(*x[1], 0, 0, x[1]->extent.rows, e.cols, out, r.cols, e.rows, 0);
    case TileOpKind::kRepeatRows:
      for (int64_t i = 0; i < r.rows; ++i) copy_block(a, i / op.ints[0], 0, 1, e.cols, out, r.cols, i, 0);
      return;
    case TileOpKind::kTranspose:
      for (int64_t i = 0; i < r.rows; ++i) {
        for (int64_t j = 0; j < r.cols; ++j) {
          out[static_cast<size_t>(i * r.cols + j)] = (*a.values)[static_cast<size_t>(j * e.cols + i)];
        }
      }
      return;
    default:
      RDU_CHECK(false, "{} is not a layout operation", tile_op_record(op.kind).name);
  }
}

bool index_values(const TileOp& op, const Extent& e, Values& out) {
  if (op.kind == TileOpKind::kRowIndex) {
    for (int64_t i = 0; i < e.rows; ++i) {
      out[static_cast<size_t>(i)] = static_cast<float>((e.row0 + i) / op.ints[0]);
    }
    return true;
  }
  if (op.kind != TileOpKind::kColIndex) return false;
  for (int64_t j = 0; j < e.cols; ++j) out[static_cast<size_t>(j)] = static_cast<float>(e.col0 + j);
  return true;
}

}  // namespace

Tile evaluate_tile_op(const TileOp& op, const std::array<const Tile*, 3>& x, const Extent& result,
                      int64_t /*firing: already in the result's coordinates*/) {
  auto out = std::make_shared<Values>(static_cast<size_t>(result.elements()));
  switch (tile_op_record(op.kind).op_class) {
    case TileOpClass::kMac:
      matmul_values(op, *x[0], *x[1], result, *out);
      break;
    case TileOpClass::kMap:
    case TileOpClass::kTail:
      if (op.kind == TileOpKind::kScan || op.kind == TileOpKind::kScanSummary) {
        scan_values(op, x, *out);
        break;
      }
      if (!index_values(op, x[0]->extent, *out)) map_values(op, x, result, *out);
      break;
    case TileOpClass::kReduce:
      reduce_values(op.kind, *x[0], *out);
      break;
    case TileOpClass::kCross:
      cross_values(op, x, result, *out);
      break;
    case TileOpClass::kLayout:
      layout_values(op, x, result, *out);
      break;
  }
  return Tile{result, std::move(out)};
}

}  // namespace rdusim
