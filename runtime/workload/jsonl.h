// JSON lines: one object a line, errors with the line's number in the file.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/io/document.h"
#include "base/result.h"

namespace rdusim::runtime {

// Calls `row` with every line's object and its line number (from 1); blank lines are skipped. Stops at the
// first error, whose `where` becomes "path:line:col".
Status for_each_json_line(std::string_view text, const std::string& path,
                          const std::function<Status(const DocumentNode&, int64_t line)>& row);

// Fails when `object` has a key that is not in `known`; suggests the nearest.
Status check_known_keys(const DocumentNode& object, const std::vector<std::string>& known);

}  // namespace rdusim::runtime
