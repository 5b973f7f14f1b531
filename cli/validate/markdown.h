// Generated blocks of a Markdown page: what stands between "<!-- rdusim: NAME -->" and "<!-- rdusim: end -->"
// is replaced, the prose around it stays.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "report/table.h"

namespace rdusim::cli {

// A table in Markdown; cells' bars are escaped.
std::string markdown_table(const report::Table& table);

// `page` with each block whose name is in `blocks` replaced. Fails on a block that does not end, and where
// the page has none of the blocks.
Result<std::string> with_blocks(const std::string& page, const std::map<std::string, std::string>& blocks,
                                const std::string& where);
// The same on a file, in place.
Status update_page(const std::string& path, const std::map<std::string, std::string>& blocks);

}  // namespace rdusim::cli
