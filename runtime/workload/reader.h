// What every reader of a request format offers, and what they share.
#pragma once

#include <string>
#include <string_view>

#include "base/io/document.h"
#include "base/result.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

// `first_line` is the file's first line that is not blank.
#define READER(prefix, name, description)                                        \
  bool recognises_##prefix(std::string_view first_line);                         \
  Result<Workload> read_##prefix(std::string_view text, const std::string& path, \
                                 const WorkloadOptions& options);
#include "runtime/workload/readers.def"
#undef READER

// Sanity bounds of a row: they catch a wrong column and a slipped exponent.
inline constexpr int64_t kMaxTokens = 10'000'000;
inline constexpr double kMaxArrivalS = 1e6;  // 11 days; Picoseconds hold 106

// Collects rows and hands out the workload; sorts by arrival, stable.
class WorkloadBuilder {
 public:
  WorkloadBuilder(std::string source, std::string format);
  void add(Request request, RequestNotes notes);
  TenantId tenant(const std::string& name);  // a new id at the first mention
  // Fails when there are no rows.
  Result<Workload> finish(const std::string& hint_if_empty);

 private:
  Workload workload_;
  std::vector<RequestNotes> notes_;
};

// One value of a row, checked. `where` is path:line:col, `name` the column.
Result<int64_t> parse_tokens(std::string_view text, const std::string& where, std::string_view name);
Status check_tokens(int64_t tokens, const std::string& where, std::string_view name);
Result<Picoseconds> parse_arrival(std::string_view text, const std::string& where);
Result<Picoseconds> check_arrival(double arrival_s, const std::string& where);

}  // namespace rdusim::runtime
