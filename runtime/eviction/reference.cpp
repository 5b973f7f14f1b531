// Comparison with reference miss counts.
#include "runtime/eviction/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "base/io/file.h"
#include "runtime/eviction/replay.h"

namespace rdusim::runtime {
namespace {

// Whether the reference's definition is ours. Its S3-FIFO does not admit what is not smaller than its small
// queue, a tenth of the cache; ours loads it, for it must run.
bool same_definition(std::string_view policy, const AccessTrace& trace, Bytes capacity) {
  constexpr int64_t kSmallShare = 10;
  return policy != "s3fifo" ||
         *std::max_element(trace.bytes.begin(), trace.bytes.end()) * kSmallShare < capacity;
}

std::string our_name(const std::string& policy) {
  for (const EvictionChoice& choice : eviction_policies()) {
    if (policy.size() == choice.name.size() &&
        std::equal(policy.begin(), policy.end(), choice.name.begin(), [](char a, char b) {
          return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
        })) {
      return choice.name;
    }
  }
  return "";
}

Result<int64_t> whole_number(const CsvTable& table, const CsvRow& row, size_t column) {
  const std::string& text = row.cells[column];
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:{}", table.path, row.line, column + 1),
               fmt::format("{} is no count: '{}'", table.header[column], text), "a whole number"};
}

Result<AccessTrace> find_trace(const std::string& folder, const std::string& name) {
  const std::string plain = folder + "/traces/" + name + ".csv";
  return read_access_trace(std::filesystem::exists(plain) ? plain : plain + ".gz");
}

}  // namespace

Result<std::vector<ReferenceComparison>> compare_with_reference(const std::string& folder) {
  const std::string path = folder + "/results.csv";
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t trace_column, table.column("trace"));
  RDU_ASSIGN(const size_t policy_column, table.column("policy"));
  RDU_ASSIGN(const size_t bytes_column, table.column("cache_bytes"));
  RDU_ASSIGN(const size_t misses_column, table.column("misses"));
  std::map<std::string, AccessTrace> traces;
  std::vector<ReferenceComparison> rows;
  for (const CsvRow& row : table.rows) {
    const std::string policy = our_name(row.cells[policy_column]);
    if (policy.empty()) continue;
    const std::string& name = row.cells[trace_column];
    auto trace = traces.find(name);
    if (trace == traces.end()) {
      RDU_ASSIGN(AccessTrace read, find_trace(folder, name));
      trace = traces.emplace(name, std::move(read)).first;
    }
    RDU_ASSIGN(const int64_t capacity, whole_number(table, row, bytes_column));
    RDU_ASSIGN(const int64_t misses, whole_number(table, row, misses_column));
    RDU_ASSIGN(const ReplayResult ours, replay(trace->second, policy, Bytes(capacity)));
    rows.push_back({name, policy, Bytes(capacity), misses, ours.misses,
                    same_definition(policy, trace->second, Bytes(capacity))});
  }
  if (rows.empty())
    return Error{ErrorCode::kInvalidInput, path, "no row names a policy that we have",
                 "policies: fifo, lru, lfu, clock, sieve, s3fifo, arc, gdsf, belady"};
  return rows;
}

}  // namespace rdusim::runtime
