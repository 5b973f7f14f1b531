// Products with a block-diagonal weight: a grid of `blocks` x `blocks` of which the blocks on the diagonal
// are stored, one under the other, [n, k / blocks]. A weight whose nonzero blocks lie one in each row and
// column of the grid is this after its columns are renamed. Bytes, multiplications and optimiser state are
// those of the stored blocks, 1 / blocks of the dense ones. Shared by block_linear and its two gradients.
#pragma once

#include "base/result.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

// `wide` columns are cut into `blocks` runs.
inline Status expect_blocks(const Node& node, const Value& value) {
  RDU_CHECK_OK(expect_positive(node, {"blocks"}));
  if (value.shape.cols() % node.integer("blocks") == 0) return {};
  return operand_error(node, value.name + "'s columns are no whole blocks");
}

// Run `b` of the columns or rows of a tile that has `extent` of them.
inline Register block_of_columns(UnitBuilder& u, Register r, int64_t b, int64_t extent, int64_t blocks) {
  return u.op(TileOpKind::kSliceCols, {r}, b * (extent / blocks), extent / blocks);
}
inline Register block_of_rows(UnitBuilder& u, Register r, int64_t b, int64_t extent, int64_t blocks) {
  return u.op(TileOpKind::kSliceRows, {r}, b * (extent / blocks), extent / blocks);
}

// One unit that multiplies each run of x's columns by its block of the weight; the weight stays on chip.
// `transposed`: by the block's transpose (forward), else by the block (the gradient of the input).
inline Status lower_block_product(Lowering& l, const Node& node, bool transposed) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Stream weight = l.resident(node.inputs[1]);
  const Value& result = l.value(node.outputs[0]);
  const int64_t blocks = node.integer("blocks");
  const int64_t rows = l.value(node.inputs[1]).shape.rows();
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(flow.tokens());
  const Register rx = gemm.take(x, kEach);
  const Register rw = gemm.take(weight, first_of(flow.tokens()));
  Register y = rx;
  for (int64_t b = 0; b < blocks; ++b) {
    const Register part = gemm.matmul(block_of_columns(gemm, rx, b, x.cols, blocks),
                                      block_of_rows(gemm, rw, b, rows, blocks), transposed);
    y = b == 0 ? part : gemm.op(TileOpKind::kConcatCols, {y, part});
  }
  l.define(node.outputs[0], gemm.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace rdusim::compiler
