#include "report/serving_explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/format.h"

namespace rdusim::report {

const char* serving_cause_name(ServingCause cause) {
  // The last: tokens of the steps of a flow before the one that answers.
  static constexpr std::array<const char*, kServingCauses> kNames = {
      "queueing", "routing", "switching", "host", "prefill", "decode", "earlier steps"};
  return kNames[static_cast<size_t>(cause)];
}

namespace {

using runtime::RequestRecord;

double& at(CauseSeconds& causes, ServingCause cause) {
  return causes[static_cast<size_t>(cause)];
}

Picoseconds finish_of(const RequestRecord& r) {
  return r.arrival + r.end_to_end();
}
Picoseconds start_of(const RequestRecord& r) {
  return finish_of(r) - r.switching - r.prefill - r.decode;
}

// What the node does when, and how long it has done each since the begin.
class Timeline {
 public:
  void add(Picoseconds begin, Picoseconds duration, ServingCause cause) {
    if (duration.value <= 0) return;
    CauseSeconds sum = spans_.empty() ? CauseSeconds{} : spans_.back().until;
    at(sum, cause) += seconds(duration);
    spans_.push_back({begin, begin + duration, cause, sum});
  }
  [[nodiscard]] CauseSeconds between(Picoseconds from, Picoseconds to) const {
    CauseSeconds sum = before(to);
    const CauseSeconds less = before(from);
    for (size_t c = 0; c < kServingCauses; ++c) sum[c] -= less[c];
    return sum;
  }

 private:
  struct Span {
    Picoseconds begin;
    Picoseconds end;
    ServingCause cause;
    CauseSeconds until;  // sums up to its end
  };
  [[nodiscard]] CauseSeconds before(Picoseconds t) const {
    const auto next = std::upper_bound(spans_.begin(), spans_.end(), t,
                                       [](Picoseconds x, const Span& s) { return x < s.begin; });
    if (next == spans_.begin()) return {};
    const Span& last = *std::prev(next);
    CauseSeconds sum = last.until;
    if (t < last.end) at(sum, last.cause) -= seconds(last.end - t);
    return sum;
  }
  std::vector<Span> spans_;
};

// A request's place in the chain of what the node did.
struct Link {
  const RequestRecord* record = nullptr;
  bool begins_busy_period = false;
  bool after_routing = false;  // a router pass ran just before
  int64_t batch = 1;           // of that pass
  int64_t longest_prompt = 1;
};

struct Chain {
  std::vector<Link> links;
  std::string broken;  // why it is none; empty: it is one
};

Chain chain_of(const runtime::NodeResult& result, const ServingCosts& costs) {
  Chain chain;
  if (result.groups > 1) return {{}, "several socket groups work at once"};
  if (result.failed > 0 || result.faults > 0) return {{}, "requests failed or faults happened"};
  if (result.slowed_by_copies_s > 0 || result.prefetches > 0) return {{}, "copies overlap with passes"};
  if (result.compacted_bytes > 0 || result.scrubbed_bytes > 0) return {{}, "HBM is compacted or scrubbed"};
  if (!costs.fixed_arrivals) return {{}, "requests arrive when others end"};
  std::set<int64_t> arrivals;
  for (const RequestRecord& r : result.records) {
    arrivals.insert(r.arrival.value);
    chain.links.push_back({&r});
  }
  std::stable_sort(chain.links.begin(), chain.links.end(), [](const Link& a, const Link& b) {
    return finish_of(*a.record).value < finish_of(*b.record).value;
  });
  size_t routed = 0;  // the link behind the last router pass
  for (size_t i = 0; i < chain.links.size(); ++i) {
    Link& link = chain.links[i];
    const RequestRecord& r = *link.record;
    const int64_t gap =
        i == 0 ? r.routing.value + 1 : (start_of(r) - finish_of(*chain.links[i - 1].record)).value;
    link.after_routing = gap > 0 && r.routing.value > 0;
    link.begins_busy_period = gap > r.routing.value;
    const bool fits = gap == 0 || gap >= r.routing.value;
    const int64_t began = (start_of(r) - r.routing).value;
    if (!fits || (link.begins_busy_period && !arrivals.contains(began)))
      return {{}, "passes hold several requests, or wait for what the records do not tell"};
    if (link.after_routing || i == 0) routed = i;
    Link& first = chain.links[routed];
    first.batch = static_cast<int64_t>(i - routed) + 1;
    first.longest_prompt = std::max(first.longest_prompt, r.prompt_tokens);
  }
  return chain;
}

Timeline timeline_of(const Chain& chain, double request_s) {
  Timeline timeline;
  const Picoseconds host = picoseconds_from_seconds(request_s);
  for (const Link& link : chain.links) {
    const RequestRecord& r = *link.record;
    Picoseconds t = start_of(r);
    if (link.after_routing) timeline.add(t - r.routing, r.routing, ServingCause::kRouting);
    timeline.add(t, r.switching, ServingCause::kSwitching);
    t += r.switching;
    const Picoseconds of_host = std::min(host, r.prefill);
    timeline.add(t, of_host, ServingCause::kHost);
    timeline.add(t + of_host, r.prefill - of_host, ServingCause::kPrefill);
    timeline.add(t + r.prefill, r.decode, ServingCause::kDecode);
  }
  return timeline;
}

CauseSeconds causes_of(const RequestRecord& r, double request_s) {
  CauseSeconds causes{};
  at(causes, ServingCause::kQueueing) = seconds(r.queueing);
  at(causes, ServingCause::kRouting) = seconds(r.routing);
  at(causes, ServingCause::kSwitching) = seconds(r.switching);
  const double host = std::min(request_s, seconds(r.prefill));
  at(causes, ServingCause::kHost) = host;
  at(causes, ServingCause::kPrefill) = seconds(r.prefill) - host;
  at(causes, ServingCause::kDecode) = seconds(r.decode);
  at(causes, ServingCause::kEarlier) = seconds(r.earlier);
  return causes;
}

void add(CauseSeconds& sum, const CauseSeconds& more, double weight) {
  for (size_t c = 0; c < kServingCauses; ++c) sum[c] += weight * more[c];
}

void fill_causes(const runtime::NodeResult& result, const ServingCosts& costs, const Chain& chain,
                 ServingExplanation& e) {
  const Timeline timeline = e.serial ? timeline_of(chain, costs.request_s) : Timeline();
  double tail = 0;
  for (const RequestRecord& r : result.records)
    tail += !r.failed && seconds(r.end_to_end()) >= e.p99_s ? 1 : 0;
  for (const RequestRecord& r : result.records) {
    if (r.failed) continue;
    const CauseSeconds causes = causes_of(r, costs.request_s);
    CauseSeconds waiting{};
    if (e.serial) {
      waiting = timeline.between(r.arrival, start_of(r));
      at(waiting, ServingCause::kRouting) -= seconds(r.routing);  // its own
    }
    add(e.mean_causes, causes, 1 / static_cast<double>(e.requests));
    add(e.mean_waiting_for, waiting, 1 / static_cast<double>(e.requests));
    if (seconds(r.end_to_end()) < e.p99_s) continue;
    add(e.tail_causes, causes, 1 / tail);
    add(e.tail_waiting_for, waiting, 1 / tail);
    e.tail_mean_s += seconds(r.end_to_end()) / tail;
  }
}

Gradient scaled(const PassGradient& pass, double time_s) {
  Gradient gradient = pass.gradient;
  const double factor = pass.time_s > 0 ? time_s / pass.time_s : 0;
  for (double& g : gradient) g *= factor;
  return gradient;
}

// Of a request's own copy, host time, prefill and decode. A pass that took another time than alone counts in
// proportion.
Result<Gradient> own_gradient(const RequestRecord& r, const ServingCosts& costs) {
  Gradient gradient{};
  if (r.switching.value > 0) {
    const double setup = std::min(costs.switch_setup_s, seconds(r.switching));
    at(gradient, HardwareParameter::kDmaSetup) = setup;
    at(gradient, HardwareParameter::kDmaBandwidth) = setup - seconds(r.switching);
  }
  const double host = std::min(costs.request_s, seconds(r.prefill));
  at(gradient, HardwareParameter::kRequestTime) = host;
  RDU_ASSIGN(const PassGradient prefill, costs.prefill(r));
  gradient += scaled(prefill, seconds(r.prefill) - host);
  if (r.output_tokens > 1) {
    RDU_ASSIGN(const PassGradient decode, costs.decode(r));
    gradient += scaled(decode, seconds(r.decode));
  }
  return gradient;
}

Result<Gradient> routing_gradient(const Link& link, const ServingCosts& costs) {
  RDU_ASSIGN(const PassGradient routing, costs.routing(link.batch, link.longest_prompt));
  const double whole = seconds(link.record->routing);
  const double host = std::min(costs.request_s, whole);
  Gradient gradient = scaled(routing, whole - host);
  at(gradient, HardwareParameter::kRequestTime) += host;
  return gradient;
}

Status fill_gradient(const runtime::NodeResult& result, const ServingCosts& costs, const Chain& chain,
                     ServingExplanation& e) {
  Gradient sum{};
  if (e.serial) {
    Gradient busy{};  // of everything since the busy period began
    for (const Link& link : chain.links) {
      if (link.begins_busy_period) busy = {};
      if (link.after_routing) {
        RDU_ASSIGN(const Gradient routing, routing_gradient(link, costs));
        busy += routing;
      }
      RDU_ASSIGN(const Gradient own, own_gradient(*link.record, costs));
      busy += own;
      sum += busy;
    }
  } else {
    for (const RequestRecord& r : result.records) {
      if (r.failed) continue;
      RDU_ASSIGN(const Gradient own, own_gradient(r, costs));
      sum += own;
    }
  }
  for (double& g : sum) g /= static_cast<double>(e.requests);
  e.gradient = sum;
  e.scope = e.serial ? "busy_period" : "own_passes";
  return {};
}

}  // namespace

void take_served_derivatives(const ServedDerivatives& served, ServingExplanation& e) {
  double largest = 0;
  for (size_t p = 0; p < kHardwareParameters; ++p) {
    e.gradient[p] = (served.above[p] + served.below[p]) / 2;
    if (std::abs(e.gradient[p]) <= largest) continue;
    largest = std::abs(e.gradient[p]);
    e.unlike_sides = std::abs(served.above[p] - served.below[p]) / largest;
  }
  e.scope = "served_again";
  e.served_step = served.step;
}

Result<ServingExplanation> explain_serving(const runtime::NodeResult& result, const ServingCosts& costs) {
  ServingExplanation e;
  e.node = result.node;
  e.requests = result.finished;
  e.scope = "none";
  if (result.finished == 0) return e;
  e.mean_s = result.latency.mean_s;
  e.p99_s = result.latency.p99_s;
  const Chain chain = chain_of(result, costs);
  e.serial = chain.broken.empty();
  e.not_serial = chain.broken;
  fill_causes(result, costs, chain, e);
  if (costs.prefill) RDU_CHECK_OK(fill_gradient(result, costs, chain, e));
  return e;
}

}  // namespace rdusim::report
