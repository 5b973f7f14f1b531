// The groups of rows that `rdusim validate` knows (groups.def), and running some of them.
#pragma once

#include <string>
#include <vector>

#include "cli/validate/row.h"

namespace rdusim::cli {

#define RDU_VALIDATION_GROUP(name, id, speed, title) \
  Result<ValidationRows> name##_rows(ValidationContext& context);
#include "cli/validate/groups.def"
#undef RDU_VALIDATION_GROUP

struct ValidationGroup {
  enum class Speed { quick, slow };
  const char* id;
  const char* title;
  Speed speed;
  Result<ValidationRows> (*rows)(ValidationContext&);
};

// In the order of groups.def.
const std::vector<ValidationGroup>& validation_groups();

// Rows of the named groups, in the order of groups.def; no name: every quick group, or with `full` all.
Result<ValidationRows> run_groups(ValidationContext& context, const std::vector<std::string>& ids, bool full);

}  // namespace rdusim::cli
