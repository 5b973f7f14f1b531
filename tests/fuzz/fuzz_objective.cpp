// The parser of service objectives: whatever it takes prints and reads back to the same text.
// fuzz-libraries: rdusim_runtime
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "runtime/planning/objective.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto objective = rdusim::runtime::parse_objective({reinterpret_cast<const char*>(data), size});
  if (!objective.ok()) return 0;
  const auto again = rdusim::runtime::parse_objective(objective->to_string());
  RDU_CHECK(again.ok() && again->to_string() == objective->to_string(), "{}", objective->to_string());
  return 0;
}
