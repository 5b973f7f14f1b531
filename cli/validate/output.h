// Validation rows as text for people and as JSON.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/validate/points.h"
#include "cli/validate/row.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::cli {

// What became of the rows of a group.
struct ValidationTally {
  int64_t rows = 0;
  int64_t judged = 0;
  int64_t failed = 0;
};
ValidationTally tally(const ValidationRows& rows);

// "6.6", "1.5 to 3", "at least 850".
std::string published_text(const Published& published);

// A line a row. With `most` > 0, of a group with more rows than that only those that fall short and the one
// that is furthest off, and a line that counts the rest.
report::Table validation_table(const ValidationRows& rows, size_t most);

// Blocks of docs/validation.md: `summary`, a line a group; `rows GROUP` of every group that ran; and `rows of
// other groups`, with a heading each, of those that have no block of their own in `page`.
std::map<std::string, std::string> page_blocks(const ValidationRows& rows, const std::string& page);

// rows[]: id, group, what, source, published (the published value nearest ours), published_range (two ends,
// null where open; only of ranges), simulated, unit, error_percent, tolerance_percent and passed (null: not
// judged), command.
report::Json rows_json(const ValidationRows& rows);
// points[]: model, input_and_output_tokens, batch, published_s, simulated_s, error_percent; failure where
// there is no simulated time.
report::Json points_json(const std::vector<PointResult>& points);
report::Table points_table(const std::vector<PointResult>& points);
// Geometric mean and worst error of each batch size, and over all points.
std::string points_summary(const std::vector<PointResult>& points);

}  // namespace rdusim::cli
