// Lists of a result file as tables and charts, whatever is in their rows.
#pragma once

#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/io/file.h"
#include "report/page.h"

namespace rdusim::report {

// A list of maps as a table: a column for each scalar member of any row, members of inner maps as
// "inner.member", in the order of their first appearance; lists and nulls are left out. Cells are as written.
CsvTable list_table(const DocumentNode& list);
// True for a list whose first item is a map.
bool is_list_of_rows(const DocumentNode& node);
// The table as a figure with numbers as people read them, by the units of the columns' names.
Figure rows_figure(std::string sentence, const CsvTable& table, const std::string& file);

// A number as people read it, by the unit at the end of its name ("latency_s", "hbm_bytes"); other text as it
// is.
std::string readable(const std::string& name, const std::string& cell);

}  // namespace rdusim::report
