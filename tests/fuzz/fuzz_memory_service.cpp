// libFuzzer target: service tables. What parses must dump to text that parses to the same, and give an
// efficiency inside the table's own for any pattern.
#include <algorithm>

#include "base/arch/memory_service_fields.h"
#include "base/check.h"
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace rdusim;  // NOLINT: a target of a few lines
  const auto document = read_yaml_text(fuzz::text_of(bytes, size), "fuzz", fuzz::kLimits);
  if (!document.ok()) return 0;
  fuzz::use_fields(memory_service_fields(), *document);
  const auto service = memory_service_fields().parse(*document);
  if (!service.ok()) return 0;
  const auto [least, most] = std::minmax_element(service->efficiency.begin(), service->efficiency.end());
  for (const double x : {0.0, 1.0, 3.0, 700.0, 1e12}) {
    for (const double share : {0.0, 0.3, 1.0}) {
      const double efficiency = service->efficiency_of({x, 1000 * x, share}) / service->refresh_efficiency;
      RDU_CHECK(efficiency > *least - 1e-9 && efficiency < *most + 1e-9, "{} outside {} to {}", efficiency,
                *least, *most);
    }
  }
  return 0;
}
