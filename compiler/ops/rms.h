// What rms_norm and head_norm share: y_i = g_i x_i / sqrt(mean_j x_j^2 + eps) over groups of `width` columns,
// a whole row or the columns of a head. Statistics and scale in FP32, one rounding at the end. Square and sum
// (2), scale (1), gain (1): four operations for each element.
#pragma once

#include <cmath>
#include <utility>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/op.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

// Operands x [m, n] and gain [1, width].
inline Result<Shape> infer_rms(const Graph& graph, const Node& node, int64_t width) {
  const Value& x = operand(graph, node, 0);
  const Value& gain = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "gain", gain, 1));
  RDU_CHECK_OK(expect_cols(node, "gain", gain, width));
  if (node.real("eps") < 0) return operand_error(node, "attribute eps is negative");
  return matrix(x.shape.rows(), x.shape.cols());
}

inline OpCost cost_of_rms(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 4);
}

inline Tensor reference_rms(const ReferenceContext& context, int64_t width) {
  const Tensor& x = *context.inputs[0];
  const Tensor& gain = *context.inputs[1];
  const auto eps = static_cast<float>(context.node->real("eps"));
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t first = 0; first < x.cols(); first += width) {
      float squares = 0;
      for (int64_t i = 0; i < width; ++i) squares += x.at(r, first + i) * x.at(r, first + i);
      const float scale = 1.0F / std::sqrt(squares / static_cast<float>(width) + eps);
      for (int64_t i = 0; i < width; ++i)
        result.at(r, first + i) = x.at(r, first + i) * scale * gain.at(0, i);
    }
  }
  return rounded(context, std::move(result));
}

// Rows of `width` columns in a register, normed and multiplied by the gain.
inline Register rms_normed(UnitBuilder& u, const Node& node, Register rows, Register gain, int64_t width) {
  const Register mean =
      u.scalar_op(TileOpKind::kMulScalar, u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {rows, rows})}),
                  1.0 / static_cast<double>(width));
  const Register scale =
      u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kAddScalar, mean, node.real("eps"))});
  return u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {rows, scale}), gain});
}

}  // namespace rdusim::compiler
