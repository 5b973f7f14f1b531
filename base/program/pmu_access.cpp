#include "base/program/pmu_access.h"

#include <algorithm>
#include <cmath>

namespace rdusim {

namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t stream_cycles(const PmuSpec& pmu, int64_t pmus, int64_t bytes) {
  return ceil_div(bytes, std::max<int64_t>(1, pmus) * pmu.port_bytes_per_cycle);
}

int64_t gather_cycles(const PmuSpec& pmu, int64_t pmus, const Extent& token, int64_t element_bytes) {
  const int64_t width = token.cols * element_bytes;
  if (width == 0) return 0;
  if (2 * width > pmu.port_bytes_per_cycle)
    return ceil_div(token.rows * ceil_div(width, pmu.port_bytes_per_cycle), std::max<int64_t>(1, pmus));
  const double efficiency = pmu.service ? pmu.service->gather_efficiency(width) : 1;
  const auto rate = static_cast<double>(std::max<int64_t>(1, pmus) * pmu.port_bytes_per_cycle) * efficiency;
  return static_cast<int64_t>(std::ceil(static_cast<double>(token.rows * width) / rate));
}

}  // namespace

PmuAccess pmu_access(const Unit& buffer, Register source) {
  const size_t inputs = buffer.inputs.size();
  // From the result to the token: layout operations on the way.
  size_t at = source;
  while (at >= inputs) {
    const TileOp& op = buffer.body[at - inputs];
    if (op.kind == TileOpKind::kTranspose) return PmuAccess::kColumns;
    if (op.kind == TileOpKind::kGatherRows) return PmuAccess::kGather;
    if (op.operands[0] >= at) break;  // no program that was verified
    at = op.operands[0];
  }
  return PmuAccess::kStream;
}

int64_t pmu_read_cycles(const PmuSpec& pmu, int64_t pmus, PmuAccess access, const Extent& token,
                        int64_t element_bytes) {
  switch (access) {
    case PmuAccess::kColumns:
      return ceil_div(token.rows, std::max<int64_t>(1, pmus)) *
             ceil_div(token.cols * element_bytes, pmu.port_bytes_per_cycle);
    case PmuAccess::kGather:
      return gather_cycles(pmu, pmus, token, element_bytes);
    case PmuAccess::kStream:
      break;
  }
  return stream_cycles(pmu, pmus, token.elements() * element_bytes);
}

int64_t pmu_write_cycles(const PmuSpec& pmu, int64_t pmus, PmuAccess access, const Extent& token,
                         int64_t element_bytes) {
  if (access != PmuAccess::kColumns) return stream_cycles(pmu, pmus, token.elements() * element_bytes);
  const int64_t cols = ceil_div(token.cols, std::max<int64_t>(1, pmus));
  return token.rows * ceil_div(cols * element_bytes, pmu.port_bytes_per_cycle);
}

}  // namespace rdusim
