// Whole-file reading (gzip by extension .gz), atomic writing, hashes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rdusim {

// Text of a file; "*.gz" is inflated. Fails beyond max_bytes (after inflation), on a truncated or corrupt
// gzip.
Result<std::string> read_text_file(const std::string& path, int64_t max_bytes = int64_t{1} << 31);
Result<std::vector<uint8_t>> read_binary_file(const std::string& path, int64_t max_bytes = int64_t{1} << 33);
// The members of a gzip file in memory, joined. `name` stands in errors.
Result<std::string> inflate_gzip(std::string_view packed, const std::string& name,
                                 int64_t max_bytes = int64_t{1} << 31);
// Written beside the target and renamed over it, so no reader ever sees half a file. A device or pipe is
// written in place.
Status write_file_atomically(const std::string& path, std::string_view content);
std::string sha256_hex(std::string_view content);
Result<std::string> sha256_hex_of_file(const std::string& path);
uint64_t hash64(std::string_view content,
                uint64_t seed = 0);  // stable over machines and versions (FNV-1a with a final mix)

// RFC 4180 rows with their line numbers; blank lines are skipped. Fails with file:line:col on unclosed or
// stray quotes, file:line on a row whose number of cells differs from the header's, on a repeated column
// name, and without a header.
struct CsvRow {
  int64_t line = 0;
  std::vector<std::string> cells;
};
struct CsvTable {
  std::string path;
  std::vector<std::string> header;
  std::vector<CsvRow> rows;  // each has as many cells as the header
  // Column number of a header; the error lists the columns and suggests the nearest.
  [[nodiscard]] Result<size_t> column(std::string_view name) const;
};
Result<CsvTable> parse_csv(std::string_view text, const std::string& file_name);

}  // namespace rdusim
