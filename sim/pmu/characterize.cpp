#include "sim/pmu/characterize.h"

#include <algorithm>
#include <cmath>

#include "base/arch/pmu_service_fields.h"
#include "sim/pmu/pmu_workload.h"

namespace rdusim::sim {

PmuService pmu_service_grid(const std::string& name, const PmuSpec& pmu) {
  PmuService service;
  service.name = name;
  service.gathered_rows = 16384;
  const int64_t half = pmu.port_bytes_per_cycle / 2;
  const int64_t step = std::max<int64_t>(2, pmu.port_bytes_per_cycle / 16);
  if (step > 2) service.row_bytes.push_back(2);
  for (int64_t width = step; width <= half; width += step) service.row_bytes.push_back(width);
  return service;
}

Result<double> gather_efficiency(const PmuSpec& pmu, int64_t row_bytes, int64_t gathered_rows) {
  RDU_ASSIGN(const PmuGeometry geometry, pmu_geometry(pmu, {}));
  PmuWorkload w;
  w.walk = Walk::kGather;
  w.rows = kGatheredMatrixRows;
  w.cols = row_bytes / kCellBytes;
  w.gathered_rows = gathered_rows;
  RDU_ASSIGN(const PmuResult result, run_pmu_workload(geometry, w));
  return std::round(result.fraction_of_peak * 1e4) / 1e4;  // four places: a table to read
}

Status characterize_pmu(const PmuSpec& pmu, PmuService& service) {
  service.efficiency.clear();
  for (const int64_t width : service.row_bytes) {
    RDU_ASSIGN(const double efficiency, gather_efficiency(pmu, width, service.gathered_rows));
    service.efficiency.push_back(efficiency);
  }
  service.inputs_sha256 = pmu_service_hash(service, pmu);
  return {};
}

}  // namespace rdusim::sim
