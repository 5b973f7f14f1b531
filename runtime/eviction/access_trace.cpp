// Reading of access traces: one pass over the text, no row objects, so that millions of rows are cheap.
#include "runtime/eviction/access_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "base/check.h"
#include "base/io/file.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 50;
constexpr size_t kMaxAccesses = UINT32_MAX;  // positions are 32 bits

std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view cell(std::string_view line, size_t column) {
  for (; column > 0; --column) {
    const size_t comma = line.find(',');
    if (comma == std::string_view::npos) return {};
    line.remove_prefix(comma + 1);
  }
  return line.substr(0, line.find(','));
}

Result<size_t> find_column(std::string_view header, std::string_view name, const std::string& path) {
  for (size_t c = 0;; ++c) {
    if (cell(header, c) == name) return c;
    if (c >= static_cast<size_t>(std::count(header.begin(), header.end(), ','))) break;
  }
  return Error{ErrorCode::kNotFound, path + ":1:1", fmt::format("there is no column {}", name),
               fmt::format("the columns are {}", header.substr(0, 200))};
}

struct Builder {
  AccessTrace trace;
  std::unordered_map<std::string, uint32_t> number_of;  // looked up only, never walked
  std::string key;

  Status add(std::string_view object, std::string_view size, const std::string& path, int64_t line) {
    const auto wrong = [&](std::string what, std::string hint) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", path, line), std::move(what),
                   std::move(hint)};
    };
    if (object.empty()) return wrong("object_id is empty", "a row is object_id,size_bytes");
    int64_t bytes = 0;
    const auto [end, problem] = std::from_chars(size.data(), size.data() + size.size(), bytes);
    if (problem != std::errc() || end != size.data() + size.size() || bytes < 1 || bytes > kMaxBytes) {
      return wrong(fmt::format("size_bytes must be between 1 and 2^50, found '{}'", size.substr(0, 40)),
                   "sizes are whole bytes");
    }
    key.assign(object);
    const auto [known, is_new] = number_of.try_emplace(key, static_cast<uint32_t>(trace.bytes.size()));
    if (is_new) {
      trace.bytes.emplace_back(bytes);
      trace.objects.push_back(key);
    } else if (trace.bytes[known->second] != Bytes(bytes)) {
      return wrong(fmt::format("object {} has {} bytes here and {} before", key, bytes,
                               trace.bytes[known->second].value),
                   "an expert has one size");
    }
    if (trace.accesses.size() == kMaxAccesses) return wrong("the trace has 2^32 rows or more", "split it");
    trace.accesses.emplace_back(size_t{known->second});
    return {};
  }
};

}  // namespace

Bytes AccessTrace::bytes_requested() const {
  Bytes sum;
  for (const ExpertId e : accesses) sum += bytes[e.value];
  return sum;
}

bool AccessTrace::equal_sizes() const {
  return std::adjacent_find(bytes.begin(), bytes.end(), std::not_equal_to<>()) == bytes.end();
}

Result<AccessTrace> parse_access_trace(std::string_view text, const std::string& path) {
  std::string_view rest = text;
  const std::string_view header = next_line(rest);
  RDU_ASSIGN(const size_t object_column, find_column(header, "object_id", path));
  RDU_ASSIGN(const size_t size_column, find_column(header, "size_bytes", path));
  const auto commas = std::count(header.begin(), header.end(), ',');
  Builder builder;
  builder.trace.name = path;
  for (int64_t line_number = 2; !rest.empty(); ++line_number) {
    const std::string_view line = next_line(rest);
    if (line.empty()) continue;
    if (std::count(line.begin(), line.end(), ',') != commas) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", path, line_number),
                   "the row has not as many cells as the header", "a row is " + std::string(header)};
    }
    RDU_CHECK_OK(builder.add(cell(line, object_column), cell(line, size_column), path, line_number));
  }
  if (builder.trace.accesses.empty())
    return Error{ErrorCode::kInvalidInput, path, "the trace has no rows", "a row is " + std::string(header)};
  return std::move(builder.trace);
}

Result<AccessTrace> read_access_trace(const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  return parse_access_trace(text, path);
}

TraceFuture::TraceFuture(const AccessTrace& trace) {
  RDU_CHECK(trace.accesses.size() <= kMaxAccesses, "{} accesses", trace.accesses.size());
  end_.assign(trace.bytes.size(), 0);
  for (const ExpertId e : trace.accesses) ++end_[e.value];
  uint32_t sum = 0;
  for (uint32_t& end : end_) {
    cursor_.push_back(sum);
    end = sum += end;
  }
  positions_.resize(trace.accesses.size());
  std::vector<uint32_t> fill = cursor_;
  for (size_t i = 0; i < trace.accesses.size(); ++i)
    positions_[fill[trace.accesses[i].value]++] = static_cast<uint32_t>(i);
}

std::optional<int64_t> TraceFuture::next_use(ExpertId expert) {
  uint32_t& cursor = cursor_[expert.value];
  while (cursor < end_[expert.value] && positions_[cursor] <= now_) ++cursor;
  if (cursor == end_[expert.value]) return std::nullopt;
  return positions_[cursor];
}

}  // namespace rdusim::runtime
