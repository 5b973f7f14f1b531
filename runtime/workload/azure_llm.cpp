// Azure LLM inference trace 2023 (Azure/AzurePublicDataset): TIMESTAMP,ContextTokens,GeneratedTokens, the
// time as wall clock with 100 ns digits. Arrivals count from the earliest row. The trace names neither model
// nor tenant.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/io/file.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kTicksPerSecond = 10'000'000;  // of 100 ns
constexpr int64_t kPicosecondsPerTick = 100'000;

// Days from 1970-01-01 of a date in the Gregorian calendar.
int64_t days_from_date(int64_t year, int64_t month, int64_t day) {
  constexpr int64_t kDaysBeforeMonth[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  const int64_t before = year - 1;
  const int64_t days = before * 365 + before / 4 - before / 100 + before / 400;
  constexpr int64_t kDaysTo1970 = 719'162;
  return days - kDaysTo1970 + kDaysBeforeMonth[month - 1] + (leap && month > 2 ? 1 : 0) + day - 1;
}

// "2023-11-16 18:15:46.6805900" to 100 ns ticks; -1 if it is not such a text.
int64_t parse_ticks(std::string_view text) {
  constexpr std::string_view kPattern = "dddd-dd-dd dd:dd:dd";
  if (text.size() < kPattern.size()) return -1;
  std::array<int64_t, 6> fields{};  // year, month, day, hour, minute, second
  size_t field = 0;
  for (size_t i = 0; i < kPattern.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kPattern[i] != 'd' ? text[i] != kPattern[i] : !digit) return -1;
    if (digit) fields[field] = fields[field] * 10 + (text[i] - '0');
    if (!digit) ++field;
  }
  const auto [year, month, day, hour, minute, second] = fields;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
    return -1;
  std::string_view fraction = text.substr(kPattern.size());
  int64_t ticks = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 8) return -1;
    int64_t scale = kTicksPerSecond;
    for (const char c : fraction.substr(1)) {
      if (c < '0' || c > '9') return -1;
      scale /= 10;
      ticks += (c - '0') * scale;
    }
  }
  return (((days_from_date(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * kTicksPerSecond +
         ticks;
}

}  // namespace

bool recognises_azure_llm(std::string_view first_line) {
  return first_line.find("TIMESTAMP") != std::string_view::npos &&
         first_line.find('{') == std::string_view::npos;
}

Result<Workload> read_azure_llm(std::string_view text, const std::string& path, const WorkloadOptions&) {
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t time_column, table.column("TIMESTAMP"));
  RDU_ASSIGN(const size_t prompt_column, table.column("ContextTokens"));
  RDU_ASSIGN(const size_t output_column, table.column("GeneratedTokens"));
  WorkloadBuilder builder(path, "azure-llm-2023");
  std::vector<int64_t> ticks;
  for (const CsvRow& row : table.rows) {
    ticks.push_back(parse_ticks(row.cells[time_column]));
    if (ticks.back() >= 0) continue;
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:{}", path, row.line, time_column + 1),
                 fmt::format("TIMESTAMP is not a time: '{}'", row.cells[time_column].substr(0, 40)),
                 "expected YYYY-MM-DD hh:mm:ss.fffffff; the last number of the place is the column"};
  }
  const int64_t start = ticks.empty() ? 0 : *std::min_element(ticks.begin(), ticks.end());
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const CsvRow& row = table.rows[i];
    const auto where = [&](size_t column) { return fmt::format("{}:{}:{}", path, row.line, column + 1); };
    Request request;
    RDU_CHECK_OK(check_arrival(static_cast<double>(ticks[i] - start) / kTicksPerSecond, where(time_column)));
    request.arrival = Picoseconds((ticks[i] - start) * kPicosecondsPerTick);
    RDU_ASSIGN(request.prompt_tokens,
               parse_tokens(row.cells[prompt_column], where(prompt_column), "ContextTokens"));
    RDU_ASSIGN(request.output_tokens,
               parse_tokens(row.cells[output_column], where(output_column), "GeneratedTokens"));
    builder.add(request, {});
  }
  return builder.finish("a row is TIMESTAMP,ContextTokens,GeneratedTokens");
}

}  // namespace rdusim::runtime
