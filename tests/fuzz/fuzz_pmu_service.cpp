// libFuzzer target: PMU tables. What parses must dump to text that parses to the same, and give an efficiency
// inside the table's own for any width.
#include <algorithm>

#include "base/arch/pmu_service_fields.h"
#include "base/check.h"
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace rdusim;  // NOLINT: a target of a few lines
  const auto document = read_yaml_text(fuzz::text_of(bytes, size), "fuzz", fuzz::kLimits);
  if (!document.ok()) return 0;
  fuzz::use_fields(pmu_service_fields(), *document);
  const auto service = pmu_service_fields().parse(*document);
  if (!service.ok()) return 0;
  const auto [least, most] = std::minmax_element(service->efficiency.begin(), service->efficiency.end());
  for (const int64_t width : {int64_t{0}, int64_t{1}, int64_t{5}, int64_t{700}, int64_t{1} << 40}) {
    const double efficiency = service->gather_efficiency(width);
    RDU_CHECK(efficiency > *least - 1e-9 && efficiency < *most + 1e-9, "{} outside {} to {}", efficiency,
              *least, *most);
  }
  return 0;
}
