// Shared by the readers of request formats.
#include "runtime/workload/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace rdusim::runtime {

WorkloadBuilder::WorkloadBuilder(std::string source, std::string format) {
  workload_.source = std::move(source);
  workload_.format = std::move(format);
}

void WorkloadBuilder::add(Request request, RequestNotes notes) {
  const bool says_more =
      !notes.text.empty() || !notes.label.empty() || !notes.expert.empty() || !notes.prefix_blocks.empty();
  // Notes are kept from the first that says anything: a request without costs nothing.
  if (says_more || !notes_.empty()) {
    notes_.resize(workload_.requests.size());
    notes_.push_back(std::move(notes));
  }
  workload_.requests.push_back(request);
}

TenantId WorkloadBuilder::tenant(const std::string& name) {
  auto& tenants = workload_.tenants;
  const auto found = std::find(tenants.begin(), tenants.end(), name);
  if (found == tenants.end()) return tenants.push_back(name), TenantId(tenants.size() - 1);
  return TenantId(static_cast<size_t>(found - tenants.begin()));
}

Result<Workload> WorkloadBuilder::finish(const std::string& hint_if_empty) {
  if (workload_.requests.empty()) {
    return Error{ErrorCode::kInvalidInput, workload_.source, "the workload has no requests", hint_if_empty};
  }
  const auto earlier = [](const Request& a, const Request& b) { return a.arrival < b.arrival; };
  auto& requests = workload_.requests;
  workload_.notes = std::move(notes_);
  if (!std::is_sorted(requests.begin(), requests.end(), earlier)) {
    std::vector<uint32_t> order(requests.size());
    std::iota(order.begin(), order.end(), uint32_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return earlier(requests[a], requests[b]); });
    std::vector<Request> sorted;
    std::vector<RequestNotes> sorted_notes;
    sorted.reserve(order.size());
    for (const uint32_t i : order) sorted.push_back(requests[i]);
    for (const uint32_t i : order) {
      if (!workload_.notes.empty()) sorted_notes.push_back(std::move(workload_.notes[i]));
    }
    requests = std::move(sorted);
    workload_.notes = std::move(sorted_notes);
  }
  if (workload_.tenants.empty()) workload_.tenants.emplace_back("default");
  return std::move(workload_);
}

Status check_tokens(int64_t tokens, const std::string& where, std::string_view name) {
  if (tokens >= 1 && tokens <= kMaxTokens) return {};
  return Error{ErrorCode::kOutOfRange, where,
               fmt::format("{} must be between 1 and {}, found {}", name, kMaxTokens, tokens),
               "a request reads and writes at least one token"};
}

Result<int64_t> parse_tokens(std::string_view text, const std::string& where, std::string_view name) {
  int64_t tokens = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), tokens);
  if (problem != std::errc() || end != text.data() + text.size()) {
    return Error{ErrorCode::kInvalidInput, where,
                 fmt::format("{} is not a whole number: '{}'", name, text.substr(0, 40)),
                 "token counts are whole numbers"};
  }
  RDU_CHECK_OK(check_tokens(tokens, where, name));
  return tokens;
}

Result<Picoseconds> check_arrival(double arrival_s, const std::string& where) {
  if (std::isfinite(arrival_s) && arrival_s >= 0 && arrival_s <= kMaxArrivalS)
    return picoseconds_from_seconds(arrival_s);
  return Error{ErrorCode::kOutOfRange, where,
               fmt::format("arrival_s must be between 0 and {:g}, found {}", kMaxArrivalS, arrival_s),
               "arrival is in seconds from the start of the workload"};
}

Result<Picoseconds> parse_arrival(std::string_view text, const std::string& where) {
  double arrival_s = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), arrival_s);
  if (problem != std::errc() || end != text.data() + text.size()) {
    return Error{ErrorCode::kInvalidInput, where,
                 fmt::format("arrival_s is not a number: '{}'", text.substr(0, 40)),
                 "arrival is in seconds from the start of the workload"};
  }
  return check_arrival(arrival_s, where);
}

}  // namespace rdusim::runtime
