#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/arch/pmu_service_fields.h"
#include "base/io/file.h"

namespace rdusim {
namespace {

std::string check_service(const PmuService& service) {
  const auto& axis = service.row_bytes;
  if (axis.empty() || std::adjacent_find(axis.begin(), axis.end(), std::greater_equal<>()) != axis.end())
    return "row_bytes must rise";
  if (service.efficiency.size() == axis.size()) return "";
  return fmt::format("efficiency has {} values, row_bytes {}", service.efficiency.size(), axis.size());
}

}  // namespace

double PmuService::gather_efficiency(int64_t width_bytes) const {
  if (width_bytes <= row_bytes.front()) return efficiency.front();
  if (width_bytes >= row_bytes.back()) return efficiency.back();
  size_t below = 0;
  while (row_bytes[below + 1] <= width_bytes) ++below;
  const auto logarithm = [](int64_t bytes) { return std::log2(static_cast<double>(bytes)); };
  const double from = logarithm(row_bytes[below]);
  const double share = (logarithm(width_bytes) - from) / (logarithm(row_bytes[below + 1]) - from);
  return efficiency[below] + share * (efficiency[below + 1] - efficiency[below]);
}

const Fields<PmuService>& pmu_service_fields() {
  using S = PmuService;
  static const auto fields =
      Fields<S>("pmu_service", "what gathers in a PMU achieve, by width of a row; by rdusim characterize")
          .tag("kind", "pmu_service", "what this file describes")
          .text("name", &S::name, "as chip files name it")
          .text("inputs_sha256", &S::inputs_sha256, "of port, grid and version of the model")
          .integers("row_bytes", &S::row_bytes, {1, 1 << 20}, "bytes", "axis: of a gathered row")
          .integer("gathered_rows", &S::gathered_rows, {1, 10'000'000}, "rows", "of one run")
          .reals("efficiency", &S::efficiency, {0.0001, 1}, "", "share of a port's bytes a cycle")
          .check(check_service);
  return fields;
}

std::string pmu_service_hash(const PmuService& service, const PmuSpec& pmu) {
  PmuService grid = service;
  grid.inputs_sha256.clear();
  grid.efficiency.clear();
  return sha256_hex(fmt::format("PMU model {}\nport {}\n{}", kPmuModelVersion, pmu.port_bytes_per_cycle,
                                pmu_service_fields().dump(grid)));
}

Result<PmuService> load_pmu_service(ConfigContext& context, const std::string& name, const PmuSpec& pmu) {
  RDU_ASSIGN(const std::string path, find_config(context, "service", name));
  RDU_ASSIGN(const DocumentNode root, read_config(context, path));
  RDU_ASSIGN(PmuService service, pmu_service_fields().parse(root));
  if (pmu_service_hash(service, pmu) == service.inputs_sha256) return service;
  return Error{ErrorCode::kInvalidInput, path,
               fmt::format("made from another PMU or model than ports of {} bytes a cycle are now",
                           pmu.port_bytes_per_cycle),
               fmt::format("rdusim characterize --chip NAME writes {} anew; chip.pmu.service=none charges "
                           "gathers at the port's rate",
                           service.name)};
}

}  // namespace rdusim
