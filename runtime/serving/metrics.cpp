// Aggregates of a node's records. Sums of time run over integers, so their order does not matter.
#include "runtime/serving/metrics.h"

#include <algorithm>

#include "base/statistics.h"

namespace rdusim::runtime {
namespace {

Distribution distribution(std::vector<double> values) {
  if (values.empty()) return {};
  const Samples samples(std::move(values));
  return {samples.count(),        samples.mean(),         samples.quantile(0.50),
          samples.quantile(0.95), samples.quantile(0.99), samples.max()};
}

int64_t wire_total(const ByteCounts& bytes, Wire wire) {
  int64_t sum = 0;
  for (const int64_t n : bytes[static_cast<size_t>(wire)]) sum += n;
  return sum;
}

void fill_distributions(NodeResult& result) {
  std::vector<double> latency;
  std::vector<double> first;
  std::vector<double> per_token;
  std::vector<double> queueing;
  std::vector<double> switching;
  for (const RequestRecord& r : result.records) {
    if (r.failed) continue;
    latency.push_back(seconds(r.end_to_end()));
    first.push_back(seconds(r.time_to_first_token()));
    queueing.push_back(seconds(r.queueing));
    if (r.output_tokens > 1)
      per_token.push_back(seconds(r.decode) / static_cast<double>(r.output_tokens - 1));
    if (!r.hit) switching.push_back(seconds(r.switching));
  }
  result.latency = distribution(std::move(latency));
  result.time_to_first_token = distribution(std::move(first));
  result.time_per_output_token = distribution(std::move(per_token));
  result.queueing = distribution(std::move(queueing));
  result.switching = distribution(std::move(switching));
}

void fill_split(NodeResult& result) {
  Picoseconds queueing;
  Picoseconds routing;
  Picoseconds switching;
  Picoseconds prefill;
  Picoseconds decode;
  int64_t output_tokens = 0;
  int64_t hits = 0;
  for (const RequestRecord& r : result.records) {
    if (r.failed) continue;
    queueing += r.queueing;
    routing += r.routing;
    switching += r.switching;
    prefill += r.prefill;
    decode += r.decode;
    output_tokens += r.output_tokens;
    hits += r.hit ? 1 : 0;
  }
  if (result.finished == 0) return;
  const auto n = static_cast<double>(result.finished);
  result.split = {seconds(queueing) / n, seconds(routing) / n, seconds(switching) / n, seconds(prefill) / n,
                  seconds(decode) / n};
  result.expert_hit_rate = static_cast<double>(hits) / n;
  if (result.makespan_s <= 0) return;
  result.output_tokens_per_s = static_cast<double>(output_tokens) / result.makespan_s;
  result.requests_per_s = n / result.makespan_s;
}

}  // namespace

void aggregate(NodeResult& result) {
  fill_distributions(result);
  fill_split(result);
  int64_t switched = 0;
  for (const ExpertResult& e : result.experts) switched += e.switches * e.weight_bytes;
  result.bytes = {{"store", "hbm", switched},
                  {"hbm", "chip", wire_total(result.pass_bytes, Wire::kHbm)},
                  {"ddr", "chip", wire_total(result.pass_bytes, Wire::kDdr)},
                  {"socket", "socket", wire_total(result.pass_bytes, Wire::kLink)}};
}

}  // namespace rdusim::runtime
