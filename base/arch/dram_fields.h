// Field description and loader of configs/dram/*.yaml.
#pragma once

#include <string>

#include "base/arch/dram.h"
#include "base/arch/load.h"
#include "base/io/fields.h"
#include "base/result.h"

namespace rdusim {

const Fields<DramSpec>& dram_fields();
std::string dump_dram(const DramSpec& spec);

// `name` is a path, a file of configs/dram/ or an alias that one of them lists. Overrides answer to dram.*.
Result<DramSpec> load_dram(ConfigContext& context, const std::string& name);

// What a changed spec breaks, or success: the checks that dram_fields() makes when it parses.
Status check_dram(const DramSpec& spec);

}  // namespace rdusim
