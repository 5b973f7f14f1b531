// Why a serving result is what it is: what latencies consist of, what the node did while requests waited, and
// what their mean hangs on.
//
// A node that does one thing after another (scheduler `sequential`, nothing overlapping) is a chain: a
// request ends when the busy period that it belongs to began, plus all that ran since. The begin is an
// arrival, which no hardware changes, so the derivative of its latency is the sum of the derivatives of all
// those passes and copies, those of the requests before it in the queue included; exact while the order
// holds. Whether a run is such a chain is read off its records; if not, the derivative is of each request's
// own passes and copies, its queueing held as it is.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "base/arch/hardware_parameter.h"
#include "report/explanation.h"
#include "runtime/result.h"

namespace rdusim::report {

enum class ServingCause : uint8_t { kQueueing, kRouting, kSwitching, kHost, kPrefill, kDecode, kEarlier };
inline constexpr size_t kServingCauses = 7;
const char* serving_cause_name(ServingCause cause);
using CauseSeconds = std::array<double, kServingCauses>;

// Time and gradient of a pass, in seconds.
struct PassGradient {
  double time_s = 0;
  Gradient gradient{};
};

// What serving cost, for the derivatives; null functions: they are not known (GPU nodes).
struct ServingCosts {
  // Of one request alone on the node.
  std::function<Result<PassGradient>(const runtime::RequestRecord&)> prefill;
  std::function<Result<PassGradient>(const runtime::RequestRecord&)> decode;
  // Of a router pass over so many requests, the longest prompt given.
  std::function<Result<PassGradient>(int64_t batch, int64_t longest_prompt)> routing;
  double request_s = 0;  // host time of a request
  double switch_setup_s = 0;
  bool fixed_arrivals = true;  // false: requests arrive when others end
};

// d mean / d ln(parameter) by serving again, in seconds: from a small increase, and from a small decrease.
struct ServedDerivatives {
  double step = 0;  // relative
  Gradient above{};
  Gradient below{};
};

struct ServingExplanation {
  std::string node;
  int64_t requests = 0;  // finished
  double mean_s = 0;
  double p99_s = 0;
  CauseSeconds mean_causes{};  // sum: mean_s
  CauseSeconds tail_causes{};  // mean over the requests at or above p99
  double tail_mean_s = 0;
  bool serial = false;              // one thing after another: queueing is divided, derivatives count it
  std::string not_serial;           // why not
  CauseSeconds mean_waiting_for{};  // what the node did while the mean request queued; sum: its queueing
  CauseSeconds tail_waiting_for{};
  std::string scope;        // of the derivatives: "busy_period", "served_again", "own_passes", "none"
  double served_step = 0;   // of the former: the relative step
  double unlike_sides = 0;  // and of the largest derivative, how far its two sides are apart, of it
  Gradient gradient{};      // of the mean latency
  std::vector<ParameterRow> parameters;
  std::vector<std::string> sentences;
};

Result<ServingExplanation> explain_serving(const runtime::NodeResult& result, const ServingCosts& costs);
// Takes the derivatives of a serve that was done again in place of those that it has.
void take_served_derivatives(const ServedDerivatives& served, ServingExplanation& explanation);
// After the gradient: its rows and sentences. Without `node`: no derivatives are known.
void finish_serving_explanation(ServingExplanation& explanation, const NodeSpec* node,
                                const StackSpec* stack);

// {"kind": "serve", "nodes": {name: {...}}}
Json serving_explanation_json(const std::vector<ServingExplanation>& nodes);
std::string serving_explanation_text(const std::vector<ServingExplanation>& nodes);

}  // namespace rdusim::report
