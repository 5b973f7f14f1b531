// Azure Functions invocations 2021 (Azure/AzurePublicDataset): app,func,end_timestamp,duration in seconds. A
// function is read as a model, 0 the most often invoked (ties: first invoked first), its app as the tenant;
// the start of an invocation (end - duration) is the arrival, counted from the earliest. The trace has no
// tokens: requests take the composition's shape, durations are not used.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/io/file.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

Result<double> parse_seconds(const std::string& text, const std::string& where, std::string_view name) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size() && std::isfinite(value) && value >= 0 &&
      value <= 2 * kMaxArrivalS) {
    return value;
  }
  return Error{ErrorCode::kInvalidInput, where,
               fmt::format("{} must be between 0 and {:g} s, found '{}'", name, 2 * kMaxArrivalS,
                           std::string_view(text).substr(0, 40)),
               "times are seconds; cut a longer trace into parts"};
}

// Numbers the functions by how often each occurs.
void rank_functions(std::vector<uint32_t>& functions, size_t count) {
  std::vector<int64_t> uses(count, 0);
  for (const uint32_t f : functions) ++uses[f];
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return uses[a] > uses[b]; });
  std::vector<uint32_t> rank(count);
  for (size_t r = 0; r < count; ++r) rank[order[r]] = static_cast<uint32_t>(r);
  for (uint32_t& f : functions) f = rank[f];
}

}  // namespace

bool recognises_azure_functions(std::string_view first_line) {
  return first_line.find("end_timestamp") != std::string_view::npos && !first_line.starts_with('{');
}

Result<Workload> read_azure_functions(std::string_view text, const std::string& path,
                                      const WorkloadOptions& options) {
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t app_column, table.column("app"));
  RDU_ASSIGN(const size_t func_column, table.column("func"));
  RDU_ASSIGN(const size_t end_column, table.column("end_timestamp"));
  RDU_ASSIGN(const size_t duration_column, table.column("duration"));
  std::vector<double> starts_s;
  for (const CsvRow& row : table.rows) {
    const auto where = [&](size_t column) { return fmt::format("{}:{}:{}", path, row.line, column + 1); };
    RDU_ASSIGN(const double end_s, parse_seconds(row.cells[end_column], where(end_column), "end_timestamp"));
    RDU_ASSIGN(const double duration_s,
               parse_seconds(row.cells[duration_column], where(duration_column), "duration"));
    starts_s.push_back(end_s - duration_s);
  }
  std::vector<uint32_t> order(starts_s.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return starts_s[a] < starts_s[b]; });

  WorkloadBuilder builder(path, "azure-functions-2021");
  std::unordered_map<std::string, uint32_t> functions;  // looked up only
  std::unordered_map<std::string, TenantId> apps;
  std::vector<uint32_t> function_of;
  for (const uint32_t i : order) {
    const CsvRow& row = table.rows[i];
    Request request;
    RDU_ASSIGN(request.arrival, check_arrival(starts_s[i] - starts_s[order[0]],
                                              fmt::format("{}:{}:{}", path, row.line, end_column + 1)));
    request.prompt_tokens = options.defaults.prompt_tokens;
    request.output_tokens = options.defaults.output_tokens;
    const std::string& app = row.cells[app_column];
    auto tenant = apps.find(app);
    if (tenant == apps.end()) tenant = apps.emplace(app, builder.tenant(app)).first;
    request.tenant = tenant->second;
    function_of.push_back(
        functions.try_emplace(app + "/" + row.cells[func_column], static_cast<uint32_t>(functions.size()))
            .first->second);
    builder.add(request, {});
  }
  rank_functions(function_of, functions.size());
  RDU_ASSIGN(Workload workload, builder.finish("a row is app,func,end_timestamp,duration"));
  workload.functions = std::move(function_of);
  return workload;
}

}  // namespace rdusim::runtime
