#include "cli/validate/markdown.h"

#include "base/io/file.h"

namespace rdusim::cli {
namespace {

constexpr std::string_view kBegin = "<!-- rdusim: ";
constexpr std::string_view kEnd = "<!-- rdusim: end -->";
constexpr std::string_view kClose = " -->";

std::string line_of(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) {
    line += ' ';
    for (const char letter : cell) line += letter == '|' ? std::string("\\|") : std::string(1, letter);
    line += " |";
  }
  return line + "\n";
}

}  // namespace

std::string markdown_table(const report::Table& table) {
  std::string text = line_of(table.header) + "|";
  for (size_t c = 0; c < table.header.size(); ++c) text += "---|";
  text += "\n";
  for (const auto& row : table.rows) text += line_of(row);
  return text;
}

Result<std::string> with_blocks(const std::string& page, const std::map<std::string, std::string>& blocks,
                                const std::string& where) {
  std::string out;
  size_t at = 0;
  size_t replaced = 0;
  while (true) {
    const size_t begin = page.find(kBegin, at);
    if (begin == std::string::npos) break;
    const size_t name_at = begin + kBegin.size();
    const size_t close = page.find(kClose, name_at);
    const size_t end = page.find(kEnd, name_at);
    if (close == std::string::npos || end == std::string::npos || close > end)
      return Error{ErrorCode::kInvalidInput, where, "a generated block does not end", std::string(kEnd)};
    const std::string name = page.substr(name_at, close - name_at);
    const size_t body = close + kClose.size();
    out += page.substr(at, body - at);
    const auto block = blocks.find(name);
    if (block != blocks.end()) {
      out += "\n" + block->second;
      ++replaced;
    } else {
      out += page.substr(body, end - body);
    }
    out += kEnd;
    at = end + kEnd.size();
  }
  if (replaced == 0)
    return Error{ErrorCode::kInvalidInput, where, "none of the generated blocks stands here",
                 std::string(kBegin) + blocks.begin()->first + std::string(kClose)};
  return out + page.substr(at);
}

Status update_page(const std::string& path, const std::map<std::string, std::string>& blocks) {
  RDU_ASSIGN(const std::string page, read_text_file(path));
  RDU_ASSIGN(const std::string text, with_blocks(page, blocks, path));
  return write_file_atomically(path, text);
}

}  // namespace rdusim::cli
