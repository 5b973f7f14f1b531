// Field description, content hash and loader of the PMU tables of configs/service/.
#pragma once

#include <string>

#include "base/arch/chip.h"
#include "base/arch/load.h"
#include "base/arch/pmu_service.h"
#include "base/io/fields.h"
#include "base/result.h"

namespace rdusim {

// Raised by hand whenever sim/pmu/ gives other numbers for the same PMU; tables of another version are
// refused.
inline constexpr int64_t kPmuModelVersion = 1;

const Fields<PmuService>& pmu_service_fields();

// SHA-256 of everything the numbers follow from: the port's width, the grid, the model's version. Capacity
// and banks are not: the rows lie in one bank.
std::string pmu_service_hash(const PmuService& service, const PmuSpec& pmu);

// `name` is a path or a file of configs/service/. Errors: a file that was made from other inputs than this
// PMU.
Result<PmuService> load_pmu_service(ConfigContext& context, const std::string& name, const PmuSpec& pmu);

}  // namespace rdusim
