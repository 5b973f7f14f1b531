// The generator: a heap of turns to come, fed by an arrival process or by clients.
#include "runtime/workload/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "runtime/workload/reader.h"
#include "runtime/workload/sampling.h"
#include "runtime/workload/synthetic.h"

namespace rdusim::runtime {
namespace {

Random stream(int64_t seed, Purpose purpose) {
  return Random(seed_of(static_cast<uint64_t>(seed), purpose));
}

// The diurnal rate is constant within each of 24 hours of its period: a cosine at their middles.
constexpr int kHours = 24;
constexpr double kCosHalfHour = 0.99144486137381041114;  // cos(pi / 24)
constexpr double kSinHalfHour = 0.13052619222005159155;  // sin(pi / 24)
constexpr double kCosHour = 0.96592582628906828675;      // cos(pi / 12)
constexpr double kSinHour = 0.25881904510252076235;      // sin(pi / 12)

}  // namespace

RequestStream::RequestStream(const WorkloadSpec& spec)
    : spec_(spec),
      arrivals_(stream(spec.seed, Purpose::kArrivals)),
      lengths_(stream(spec.seed, Purpose::kLengths)),
      turns_(stream(spec.seed, Purpose::kTurns)),
      tenants_(stream(spec.seed, Purpose::kTenants)) {
  const std::string wrong = check_workload_spec(spec);
  RDU_CHECK(wrong.empty(), "{}", wrong);
  double cosine = kCosHalfHour;
  double sine = kSinHalfHour;
  double sum_s = 0;
  for (int hour = 0; hour < kHours && spec.arrivals.day_s > 0; ++hour) {
    sum_s += spec.arrivals.day_s / kHours * (1 + spec.arrivals.day_amplitude * cosine);
    hour_ends_even_s_.push_back(sum_s);
    const double next = cosine * kCosHour - sine * kSinHour;
    sine = sine * kCosHour + cosine * kSinHour;
    cosine = next;
  }
  double shares = 0;
  for (const TenantSpec& t : spec.tenants) tenant_ends_.push_back(shares += t.share);
  if (spec.loop == "closed") {
    start_clients();
  } else {
    arrival_s_ = next_arrival_s();
  }
}

GeneratedRequest RequestStream::next() {
  const bool open = spec_.loop != "closed";
  Turn turn;
  if (open && (heap_.empty() || arrival_s_ <= heap_.front().time_s)) {
    turn = new_conversation(arrival_s_, sessions_);
    arrival_s_ = next_arrival_s();
  } else {
    turn = pop();
  }
  const int64_t fresh = length(spec_.prompt);
  const int64_t output = length(spec_.output);
  if (turn.history_tokens > 0 && turn.history_tokens + fresh + output > spec_.sessions.max_context_tokens) {
    const uint32_t previous = turn.previous;
    const Picoseconds think = turn.think;
    turn = new_conversation(turn.time_s, turn.client);
    turn.previous = previous;
    turn.think = think;
  }
  GeneratedRequest made;
  made.request = {picoseconds_from_seconds(std::min(turn.time_s, kMaxArrivalS + 1)),
                  turn.history_tokens + fresh, output, turn.tenant, std::nullopt};
  made.follow = {turn.session, turn.previous, turn.history_tokens, turn.think};
  plan_next_turn(turn, made.request);
  ++emitted_;
  return made;
}

void RequestStream::plan_next_turn(const Turn& turn, const Request& request) {
  const bool open = spec_.loop != "closed";
  const bool goes_on = spec_.sessions.mean_turns > 1 && turns_.uniform() * spec_.sessions.mean_turns >= 1;
  if (open && !goes_on) return;
  const double think_s =
      spec_.sessions.mean_think_s > 0 ? spec_.sessions.mean_think_s * sample_exponential(turns_) : 0;
  Turn later = goes_on ? turn : new_conversation(turn.time_s, turn.client);
  if (goes_on) later.history_tokens = static_cast<uint32_t>(request.prompt_tokens + request.output_tokens);
  later.time_s = turn.time_s + think_s;
  later.think = picoseconds_from_seconds(std::min(think_s, kMaxArrivalS));
  later.previous = emitted_;
  push(later);
}

void RequestStream::start_clients() {
  for (int64_t c = 0; c < spec_.clients; ++c) {
    const double start_s =
        spec_.sessions.mean_think_s > 0 ? spec_.sessions.mean_think_s * sample_exponential(turns_) : 0;
    push(new_conversation(start_s, static_cast<uint32_t>(c)));
  }
}

double RequestStream::next_arrival_s() {
  const ArrivalSpec& a = spec_.arrivals;
  const auto n = static_cast<double>(arrivals_done_++);
  if (a.process == "together") return 0;
  if (a.process == "poisson") even_s_ += sample_exponential(arrivals_) / a.rate_per_s;
  if (a.process == "gamma") even_s_ += sample_gamma(arrivals_, 1 / (a.gap_cv * a.gap_cv)) / a.rate_per_s;
  if (a.process == "constant") even_s_ = n / a.rate_per_s;
  return unwarp(even_s_);
}

// From steady time, in which the rate is the mean, to the time at which the diurnal rate has brought as many.
double RequestStream::unwarp(double even_s) {
  if (hour_ends_even_s_.empty()) return even_s;
  const double day_s = spec_.arrivals.day_s;
  const auto steady_at = [&](double time_s) {  // since a peak
    const double day = std::floor(time_s / day_s);
    const double within_s = time_s - day * day_s;
    const auto hour = std::min(static_cast<size_t>(within_s / day_s * kHours), size_t{kHours - 1});
    const double before = hour == 0 ? 0 : hour_ends_even_s_[hour - 1];
    const double part = within_s / day_s * kHours - static_cast<double>(hour);
    return day * hour_ends_even_s_.back() + before + part * (hour_ends_even_s_[hour] - before);
  };
  // Counting starts at time 0, which lies `lead` after a peak. The 24 cosines sum to 0, so that a whole day
  // has its mean rate.
  const double lead_s = day_s - std::fmod(spec_.arrivals.day_peak_s, day_s);
  const double target = even_s + steady_at(lead_s);
  const double day = std::floor(target / hour_ends_even_s_.back());
  const double within = target - day * hour_ends_even_s_.back();
  const auto end = std::upper_bound(hour_ends_even_s_.begin(), hour_ends_even_s_.end() - 1, within);
  const auto hour = static_cast<size_t>(end - hour_ends_even_s_.begin());
  const double before = hour == 0 ? 0 : hour_ends_even_s_[hour - 1];
  const double span = hour_ends_even_s_[hour] - before;
  const double part = span > 0 ? (within - before) / span : 0;
  const double time_s = (day + (static_cast<double>(hour) + part) / kHours) * day_s;
  return std::max(0.0, time_s - lead_s);
}

RequestStream::Turn RequestStream::new_conversation(double time_s, uint32_t client) {
  Turn turn{time_s, sessions_++, client, Follow::kNone, 0, Picoseconds(), TenantId()};
  if (tenant_ends_.empty()) return turn;
  const double point = tenants_.uniform() * tenant_ends_.back();
  const auto above = std::upper_bound(tenant_ends_.begin(), tenant_ends_.end() - 1, point);
  turn.tenant = TenantId(static_cast<size_t>(above - tenant_ends_.begin()));
  return turn;
}

void RequestStream::push(const Turn& turn) {
  heap_.push_back(turn);
  std::push_heap(heap_.begin(), heap_.end(), [](const Turn& a, const Turn& b) { return a.after(b); });
}

RequestStream::Turn RequestStream::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), [](const Turn& a, const Turn& b) { return a.after(b); });
  const Turn turn = heap_.back();
  heap_.pop_back();
  return turn;
}

int64_t RequestStream::length(const LengthSpec& spec) {
  const double tokens = sample_lognormal(lengths_, spec.mean_tokens, spec.cv);
  return static_cast<int64_t>(
      std::clamp(tokens + 0.5, static_cast<double>(spec.min_tokens), static_cast<double>(spec.max_tokens)));
}

Result<Workload> generate_workload(WorkloadSpec spec, const std::string& source,
                                   const WorkloadOptions& options) {
  if (spec.prompt.mean_tokens == 0)
    spec.prompt.mean_tokens = static_cast<double>(options.defaults.prompt_tokens);
  if (spec.output.mean_tokens == 0)
    spec.output.mean_tokens = static_cast<double>(options.defaults.output_tokens);
  Workload workload;
  workload.source = source;
  workload.format = "synthetic";
  workload.closed_loop = spec.loop == "closed";
  workload.session_stay = spec.sessions.stay;
  for (const TenantSpec& t : spec.tenants) workload.tenants.push_back(t.name);
  if (workload.tenants.empty()) workload.tenants.emplace_back("default");
  if (!spec.popularity.empty()) {
    RDU_ASSIGN(workload.popularity, parse_popularity(spec.popularity));
  }
  const bool linked = workload.closed_loop || spec.sessions.mean_turns > 1;
  workload.requests.reserve(static_cast<size_t>(spec.requests));
  if (linked) workload.follows.reserve(static_cast<size_t>(spec.requests));
  RequestStream stream_of_requests(spec);
  for (int64_t i = 0; i < spec.requests; ++i) {
    const GeneratedRequest made = stream_of_requests.next();
    if (const auto arrival = check_arrival(seconds(made.request.arrival), source); !arrival.ok())
      return arrival.error();
    workload.requests.push_back(made.request);
    if (linked) workload.follows.push_back(made.follow);
  }
  return workload;
}

}  // namespace rdusim::runtime
