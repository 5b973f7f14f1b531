// Field description, content hash and loader of configs/service/*.yaml.
#pragma once

#include <string>

#include "base/arch/dram.h"
#include "base/arch/load.h"
#include "base/arch/memory_service.h"
#include "base/io/fields.h"
#include "base/result.h"

namespace rdusim {

// Raised by hand whenever sim/dram/ gives other numbers for the same device; tables of another version are
// refused.
inline constexpr int64_t kDramModelVersion = 1;

const Fields<MemoryService>& memory_service_fields();

// SHA-256 of everything the numbers follow from: the device as numbers, the grid, the model's version.
std::string memory_service_hash(const MemoryService& service, const DramSpec& device);

// `name` is a path or a file of configs/service/. Errors: a file that was made from other inputs than the
// device's file as it is now.
Result<MemoryService> load_memory_service(ConfigContext& context, const std::string& name);

}  // namespace rdusim
