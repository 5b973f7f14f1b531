// Aggregates of a node's records. Sums of time run over integers where they fit, in the order of the records
// else.
#include "runtime/serving/metrics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/statistics.h"

namespace rdusim::runtime {
namespace {

Distribution distribution(std::vector<double> values) {
  if (values.empty()) return {};
  const Samples samples(std::move(values));
  return {samples.count(),        samples.mean(),         samples.quantile(0.50),  samples.quantile(0.90),
          samples.quantile(0.95), samples.quantile(0.99), samples.quantile(0.999), samples.max()};
}

int64_t wire_total(const ByteCounts& bytes, Wire wire) {
  int64_t sum = 0;
  for (const int64_t n : bytes[static_cast<size_t>(wire)]) sum += n;
  return sum;
}

double per_output_token_s(const RequestRecord& r) {
  return r.output_tokens > 1 ? seconds(r.decode) / static_cast<double>(r.output_tokens - 1) : 0;
}

bool within(const RequestRecord& r, const Objectives& o) {
  if (r.failed) return false;
  if (o.ttft_s > 0 && seconds(r.time_to_first_token()) > o.ttft_s) return false;
  return o.time_per_token_s <= 0 || per_output_token_s(r) <= o.time_per_token_s;
}

template <typename Value>
Distribution over(const NodeResult& result, Value value) {
  std::vector<double> values;
  values.reserve(result.records.size());
  for (const RequestRecord& r : result.records) {
    if (!r.failed) value(r, values);
  }
  return distribution(std::move(values));
}

void fill_distributions(NodeResult& result) {
  using Values = std::vector<double>;
  result.latency =
      over(result, [](const RequestRecord& r, Values& v) { v.push_back(seconds(r.end_to_end())); });
  result.time_to_first_token =
      over(result, [](const RequestRecord& r, Values& v) { v.push_back(seconds(r.time_to_first_token())); });
  result.time_per_output_token = over(result, [](const RequestRecord& r, Values& v) {
    if (r.output_tokens > 1) v.push_back(per_output_token_s(r));
  });
  result.queueing = over(result, [](const RequestRecord& r, Values& v) { v.push_back(seconds(r.queueing)); });
  result.switching = over(result, [](const RequestRecord& r, Values& v) {
    if (!r.hit) v.push_back(seconds(r.switching));
  });
}

// Sums of parts, for means. Exact in picoseconds up to 53 days, which queues of an overloaded node add up to
// more than; then the sum goes on in seconds.
struct SplitSum {
  static constexpr Picoseconds kMost{int64_t{1} << 62};
  int64_t count = 0;
  std::array<Picoseconds, 6> parts{};
  std::array<double, 6> earlier_s{};

  void add(const RequestRecord& r) {
    const std::array<Picoseconds, 6> of_one{r.queueing, r.routing, r.switching,
                                            r.prefill,  r.decode,  r.earlier};
    for (size_t p = 0; p < parts.size(); ++p) {
      if (parts[p] > kMost - of_one[p]) earlier_s[p] += seconds(std::exchange(parts[p], {}));
      parts[p] += of_one[p];
    }
    ++count;
  }
  [[nodiscard]] LatencySplit mean() const {
    const auto at = [this](size_t p) {
      return count == 0 ? 0 : (earlier_s[p] + seconds(parts[p])) / static_cast<double>(count);
    };
    return {at(0), at(1), at(2), at(3), at(4), at(5)};
  }
};

void fill_split(NodeResult& result) {
  SplitSum sum;
  for (const RequestRecord& r : result.records) {
    if (!r.failed) sum.add(r);
  }
  result.split = sum.mean();
}

// Rates and hits, of what ran.
void fill_rates(NodeResult& result) {
  int64_t output_tokens = 0;
  int64_t ran = 0;
  int64_t hits = 0;
  double bytes = 0;
  double bytes_hit = 0;
  for (const RequestRecord& r : result.invocations()) {
    if (r.failed) continue;
    ++ran;
    output_tokens += r.output_tokens * r.copies;
    hits += r.hit ? 1 : 0;
    const auto size = static_cast<double>(result.experts[r.expert.value].segment_bytes());
    bytes += size;
    bytes_hit += r.hit ? size : 0;
  }
  if (result.finished == 0) return;
  const auto n = static_cast<double>(result.finished);
  result.expert_hit_rate = static_cast<double>(hits) / static_cast<double>(ran);
  result.expert_byte_hit_rate = bytes > 0 ? bytes_hit / bytes : 0;
  result.switches_per_request = static_cast<double>(result.switches) / n;
  if (result.makespan_s <= 0) return;
  result.output_tokens_per_s = static_cast<double>(output_tokens) / result.makespan_s;
  result.requests_per_s = n / result.makespan_s;
}

void fill_goodput(NodeResult& result, const Objectives& objectives) {
  int64_t good = 0;
  for (const RequestRecord& r : result.records) good += within(r, objectives) ? 1 : 0;
  if (result.requests > 0)
    result.within_objective = static_cast<double>(good) / static_cast<double>(result.requests);
  if (result.makespan_s > 0) result.goodput_per_s = static_cast<double>(good) / result.makespan_s;
}

// Saturated: requests came for a while, and the node needed a twentieth of the time more than they took to
// come; and the last tenth waited half as long again as the tenth in the middle, or a tenth of that time (a
// queue that grew first and then no longer shrank: larger batches serve faster).
void fill_saturation(NodeResult& result) {
  const auto& records = result.records;
  constexpr size_t kLeast = 100;  // fewer requests say nothing about growth
  if (records.size() < kLeast) return;
  const auto mean_wait = [&](size_t begin, size_t end) {
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += seconds(records[i].queueing);
    return sum / static_cast<double>(end - begin);
  };
  const size_t tenth = records.size() / 10;
  const double middle = mean_wait(records.size() / 2 - tenth / 2, records.size() / 2 + tenth - tenth / 2);
  const double last = mean_wait(records.size() - tenth, records.size());
  const double span_s = seconds(records.back().arrival - records.front().arrival);
  // A queue that grows linearly from empty has waited 1.9 times as long at the end as in the middle.
  const bool grew = last > 1.5 * middle || last > 0.1 * span_s;
  result.saturated = span_s > 0 && grew && result.makespan_s > 1.05 * span_s;
}

void fill_experts(NodeResult& result) {
  std::vector<std::vector<double>> first(result.experts.size());
  for (const RequestRecord& r : result.invocations()) {
    if (r.failed) continue;
    ExpertResult& e = result.experts[r.expert.value];
    first[r.expert.value].push_back(seconds(r.time_to_first_token()));
    e.longest_wait_s = std::max(e.longest_wait_s, seconds(r.queueing + r.switching));
  }
  for (size_t e = 0; e < first.size(); ++e)
    result.experts[e].time_to_first_token = distribution(std::move(first[e]));
}

void fill_tenants(NodeResult& result, const Objectives& objectives, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::vector<std::vector<double>> latency(names.size());
  std::vector<std::vector<double>> first(names.size());
  for (const std::string& name : names) result.tenants.push_back({name, 0, 0, {}, {}, 0});
  for (const RequestRecord& r : result.records) {
    if (r.tenant.value >= names.size()) continue;
    TenantResult& t = result.tenants[r.tenant.value];
    ++t.requests;
    t.within_objective += within(r, objectives) ? 1 : 0;
    if (r.failed) continue;
    ++t.finished;
    latency[r.tenant.value].push_back(seconds(r.end_to_end()));
    first[r.tenant.value].push_back(seconds(r.time_to_first_token()));
  }
  for (size_t t = 0; t < names.size(); ++t) {
    result.tenants[t].latency = distribution(std::move(latency[t]));
    result.tenants[t].time_to_first_token = distribution(std::move(first[t]));
  }
}

// Means and quantiles of flows and their steps.
void fill_flows(NodeResult& result) {
  if (result.flows.empty()) return;
  struct Collected {
    SplitSum split;
    std::vector<double> latency;
    std::vector<double> first;
    void add(const RequestRecord& r) {
      split.add(r);
      latency.push_back(seconds(r.end_to_end()));
      first.push_back(seconds(r.time_to_first_token()));
    }
  };
  std::vector<Collected> flows(result.flows.size());
  std::vector<std::vector<Collected>> steps(result.flows.size());
  for (size_t f = 0; f < flows.size(); ++f) steps[f].resize(result.flows[f].steps.size());
  for (const RequestRecord& r : result.records) {
    if (!r.failed) flows[r.flow].add(r);
  }
  for (const RequestRecord& s : result.steps) {
    if (!s.failed) steps[s.flow][s.step].add(s);
  }
  for (size_t f = 0; f < flows.size(); ++f) {
    FlowResult& flow = result.flows[f];
    flow.split = flows[f].split.mean();
    flow.latency = distribution(std::move(flows[f].latency));
    flow.time_to_first_token = distribution(std::move(flows[f].first));
    for (size_t s = 0; s < steps[f].size(); ++s) {
      flow.steps[s].split = steps[f][s].split.mean();
      flow.steps[s].latency = distribution(std::move(steps[f][s].latency));
    }
  }
}

}  // namespace

void aggregate(NodeResult& result, const Objectives& objectives, const std::vector<std::string>& tenants) {
  fill_distributions(result);
  fill_split(result);
  fill_rates(result);
  fill_flows(result);
  fill_goodput(result, objectives);
  fill_saturation(result);
  fill_experts(result);
  fill_tenants(result, objectives, tenants);
  int64_t switched = 0;
  for (const ExpertResult& e : result.experts) switched += e.copied_bytes;
  result.bytes = {{"store", "hbm", switched - result.sram_copied_bytes},
                  {"hbm", "chip", wire_total(result.pass_bytes, Wire::kHbm)},
                  {"ddr", "chip", wire_total(result.pass_bytes, Wire::kDdr)},
                  {"socket", "socket", wire_total(result.pass_bytes, Wire::kLink)},
                  {"store", "sram", result.sram_copied_bytes},
                  {"hbm", "store", result.kv_out_bytes},
                  {"store", "hbm_kv", result.kv_in_bytes}};
}

}  // namespace rdusim::runtime
