#include "runtime/workload/statistics.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace rdusim::runtime {
namespace {

Quantiles quantiles(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](size_t percent) { return values[(values.size() * percent + 99) / 100 - 1]; };
  double sum = 0;
  for (const int64_t v : values) sum += static_cast<double>(v);
  return {sum / static_cast<double>(values.size()), at(50), at(90), at(99), values.back()};
}

void count_gaps(const Workload& w, WorkloadStatistics& s) {
  s.span_s = seconds(w.requests.back().arrival - w.requests.front().arrival);
  const auto gaps = static_cast<double>(w.requests.size() - 1);
  if (gaps < 1 || s.span_s <= 0) return;
  s.rate_per_s = gaps / s.span_s;
  const double mean_s = s.span_s / gaps;
  double squares = 0;
  for (size_t i = 1; i < w.requests.size(); ++i) {
    const double off_s = seconds(w.requests[i].arrival - w.requests[i - 1].arrival) - mean_s;
    squares += off_s * off_s;
  }
  s.gap_cv = std::sqrt(squares / gaps) / mean_s;
}

}  // namespace

WorkloadStatistics workload_statistics(const Workload& w) {
  WorkloadStatistics s;
  s.requests = static_cast<int64_t>(w.requests.size());
  s.tenants = static_cast<int64_t>(w.tenants.size());
  count_gaps(w, s);
  std::vector<int64_t> prompts;
  std::vector<int64_t> outputs;
  for (const Request& r : w.requests) {
    prompts.push_back(r.prompt_tokens);
    outputs.push_back(r.output_tokens);
  }
  s.prompt_tokens = quantiles(std::move(prompts));
  s.output_tokens = quantiles(std::move(outputs));
  for (const Follow& f : w.follows) s.conversations = std::max(s.conversations, int64_t{f.session} + 1);
  for (const uint32_t f : w.functions) s.functions = std::max(s.functions, int64_t{f} + 1);
  std::unordered_set<uint64_t> seen;  // membership only
  std::vector<uint64_t> keys;
  for (size_t i = 0; i < w.requests.size(); ++i) {
    prefix_block_keys(w, i, keys);
    s.blocks += static_cast<int64_t>(keys.size());
    for (const uint64_t key : keys) s.blocks_seen_before += seen.insert(key).second ? 0 : 1;
  }
  return s;
}

}  // namespace rdusim::runtime
