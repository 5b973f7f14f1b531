// The stream of a socket group: router passes, prefills, decode runs, and how requests join and leave them.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "runtime/serving/group.h"

namespace rdusim::runtime {
namespace {

// Prompts of equal length that are read in one pass have at most so many tokens together. assumed: a pass of
// this size is bound by compute on the modelled nodes, so a larger one gains nothing.
constexpr int64_t kMaxPrefillTokens = 8192;
// Decode steps after which the scheduler is asked again at the latest. assumed: some 0.1 s, well below the
// waits that schedulers bound.
constexpr int64_t kMaxSteps = 128;

}  // namespace

// Pairs: the batch is done, or (prefetch) the next batch may be routed ahead. Others: the router goes first.
bool Group::should_route() const {
  if (unrouted_head_ == unrouted_.size()) return false;
  if (iterates()) return true;
  return admitted_ == 0 && routed_pending_ <= (options_.mechanisms.prefetch ? setup_.batch : 0);
}

Result<StreamCost> Group::route_cost(int64_t batch, int64_t longest_prompt) {
  const RouterSpec& router = state_.composition.router;
  const auto model = static_cast<uint32_t>(state_.roster.models.size());
  const int64_t prompt = router.prompt_tokens == 0 ? longest_prompt : router.prompt_tokens;
  StreamCost cost;
  if (router.runs == "embed") {
    RDU_ASSIGN(cost, setup_.costs->embed(model, batch, prompt));
  } else if (router.runs == "generate") {
    RDU_ASSIGN(cost, setup_.costs->prefill(model, batch, prompt));
    RDU_ASSIGN(const StreamCost steps, setup_.costs->decode(model, batch, prompt, router.output_tokens - 1));
    RDU_CHECK_OK(setup_.costs->charge_decode(model, batch, prompt, router.output_tokens - 1));
    cost += steps;
  }
  const NeighbourShape& n = setup_.neighbours;
  if (n.vectors > 0) {
    RDU_ASSIGN(const StreamCost nearest,
               setup_.costs->nearest_neighbours(n.vectors, n.dimensions, batch, n.k, n.classes));
    cost += nearest;
  }
  return cost;
}

Status Group::start_route(Picoseconds now) {
  pass_.requests.clear();
  int64_t longest = 1;
  while (unrouted_head_ < unrouted_.size() && static_cast<int64_t>(pass_.requests.size()) < setup_.batch) {
    const uint32_t r = unrouted_[unrouted_head_++];
    if (state_.states[r].phase != Phase::kUnrouted) continue;  // cancelled
    pass_.requests.push_back(r);
    longest = std::max(longest, route_tokens(state_.jobs, state_.composition, r));
  }
  if (unrouted_head_ == unrouted_.size()) {
    unrouted_.clear();
    unrouted_head_ = 0;
  }
  if (pass_.requests.empty()) return choose(now);
  ++state_.counters.batches;
  RDU_ASSIGN(const StreamCost cost, route_cost(static_cast<int64_t>(pass_.requests.size()), longest));
  // The pass is a request to the router's model: the host spends its time on it once a batch.
  const bool runs = state_.composition.router.runs != "none";
  start_pass(Activity::kRouting, ExpertId(), cost, runs ? setup_.request_overhead.value : 0, now);
  return {};
}

void Group::start_pass(Activity kind, ExpertId expert, const StreamCost& cost, int64_t host_ps,
                       Picoseconds now) {
  set_activity(kind, now);
  pass_.scrub_ps = kv_scrub_ps();
  pass_.kind = kind;
  pass_.expert = expert;
  pass_.whole_ps = pass_.work_ps = cost.time_ps + host_ps + pass_.scrub_ps;
  pass_.started = now;
  pass_.gated = pass_.stalled = false;
  pass_.energy_nj = cost.energy_nj;
  StreamCost average = cost;
  average.time_ps = pass_.whole_ps;
  if (kind != Activity::kRouting) {
    home(expert).pin(expert);
    pass_.gated = !ready(expert);
    if (small(expert)) {
      int64_t& hbm = average.bytes[static_cast<size_t>(SharedResource::kHbm)];
      const int64_t weights = copy_bytes_[expert.value] * std::max<int64_t>(1, pass_.steps);
      hbm = std::max<int64_t>(0, hbm - weights);
    }
  }
  pass_.was_gated = pass_.gated;
  pass_.demand = demand_of(average);
}

// Writing over the pages that passed from one owner to another since the last pass, before the next reads or
// writes them.
int64_t Group::kv_scrub_ps() {
  const Bytes scrubbed = kv_.scrubbed() - kv_scrubbed_;
  if (scrubbed == Bytes(0)) return 0;
  kv_scrubbed_ = kv_.scrubbed();
  state_.counters.kv_scrubbed += scrubbed;
  if (setup_.memory.hbm_bandwidth.value <= 0) return 0;
  return transfer_time(scrubbed, setup_.memory.hbm_bandwidth).value;
}

Status Group::finish_route(Picoseconds now) {
  batch_.swap(pass_.requests);
  for (const uint32_t r : batch_) {
    RequestState& s = state_.states[r];
    if (s.phase != Phase::kUnrouted) continue;  // cancelled meanwhile
    --pending_;
    state_.records[r].routing = now - pass_.started;
    s.routed = now;
    dispatch_.routed(r, now);
  }
  batch_.clear();
  return {};
}

Status Group::run(ExpertId expert, Picoseconds now) {
  Work& w = work_[expert.value];
  if (current_ != expert) {
    if (current_ && !work_[current_->value].running.empty()) ++state_.counters.preemptions;
    current_ = expert;
    current_since_ = now;
    current_steps_ = 0;
  }
  const bool transit = iterates() && page_in(expert);
  admit(expert);
  if (w.running.empty()) {
    if (!has_work(expert)) return choose(now);
    if (transit || make_kv_room(expert)) {
      set_activity(Activity::kSwitching, now);  // KV pages move; their end decides again
      return {};
    }
    fail_all(expert, "its KV cache does not fit the pool", now);
    return choose(now);
  }
  bool reads = false;
  bool writes = false;
  for (const uint32_t r : w.running) {
    (state_.states[r].prompt_done < state_.request(r).prompt_tokens ? reads : writes) = true;
  }
  if (reads && !(chunk_last_ && writes)) return start_prefill(expert, now);
  return start_decode(expert, now);
}

Status Group::start_prefill(ExpertId expert, Picoseconds now) {
  Work& w = work_[expert.value];
  pass_.requests.clear();
  pass_.steps = 0;
  int64_t prompt = 0;
  for (const uint32_t r : w.running) {
    const RequestState& s = state_.states[r];
    const int64_t tokens = state_.request(r).prompt_tokens;
    if (s.prompt_done >= tokens) continue;
    if (pass_.requests.empty()) {
      pass_.requests.push_back(r);
      prompt = tokens;
      if (s.prompt_done > 0 || options_.prefill_chunk_tokens > 0) break;
      continue;
    }
    const auto with_it = static_cast<int64_t>(pass_.requests.size() + 1) * prompt;
    if (tokens == prompt && s.prompt_done == 0 && with_it <= kMaxPrefillTokens) pass_.requests.push_back(r);
  }
  const uint32_t first = pass_.requests.front();
  const int64_t done = state_.states[first].prompt_done;
  const int64_t chunk = options_.prefill_chunk_tokens;
  pass_.chunk_to = chunk > 0 ? std::min(prompt, done + chunk) : prompt;
  const auto sequences = static_cast<int64_t>(pass_.requests.size());
  const uint32_t model = model_of(expert);
  Result<StreamCost> cost = sequences == 1 ? setup_.costs->chunk(model, done, pass_.chunk_to)
                                           : setup_.costs->prefill(model, sequences, prompt);
  if (!cost.ok()) return cost.take_error();
  int64_t host = iterates() ? picoseconds_from_seconds(options_.host_iteration_s).value : 0;
  for (const uint32_t r : pass_.requests) {
    if (state_.states[r].begun) continue;
    begin_request(r, now);
    host += setup_.request_overhead.value;
  }
  start_pass(Activity::kPrefill, expert, *cost, host, now);
  return {};
}

Status Group::finish_prefill(Picoseconds now) {
  chunk_last_ = options_.prefill_chunk_tokens > 0;
  // Waiting for layers that had not arrived is switching, whoever waits.
  const Picoseconds stalled =
      pass_.was_gated ? now - pass_.started - Picoseconds(pass_.whole_ps) : Picoseconds(0);
  activity_times_[static_cast<size_t>(Activity::kPrefill)] -= stalled;
  activity_times_[static_cast<size_t>(Activity::kSwitching)] += stalled;
  batch_.swap(pass_.requests);
  const ExpertId expert = pass_.expert;
  for (const uint32_t r : batch_) {
    RequestState& s = state_.states[r];
    RequestRecord& record = state_.records[r];
    s.prompt_done = static_cast<int32_t>(pass_.chunk_to);
    record.switching += stalled;
    record.hit = record.switching.value == 0;
    s.started += stalled;  // so that prefill counts from there on
    if (s.cancelled) {
      fail_request(r, "cancelled", now);
      continue;
    }
    if (s.prompt_done < record.prompt_tokens) continue;
    s.first_token = now;
    s.output_done = 1;
    record.prefill = now - s.started;
    if (record.output_tokens == 1) finish_request(r, now);
  }
  batch_.clear();
  changed(expert);
  return {};
}

// Steps until a request ends, the quantum is over, or the scheduler should be asked again.
int64_t Group::steps_allowed(ExpertId expert) const {
  int64_t steps = INT64_MAX;
  bool reads = false;
  for (const uint32_t r : work_[expert.value].running) {
    const RequestState& s = state_.states[r];
    const RequestRecord& record = state_.records[r];
    if (s.prompt_done < record.prompt_tokens) {
      reads = true;
      continue;
    }
    steps = std::min(steps, record.output_tokens - s.output_done);
  }
  if (!iterates()) return steps;
  if (reads) return 1;
  if (options_.quantum_steps > 0) {
    steps = std::min(steps, std::max<int64_t>(1, options_.quantum_steps - current_steps_));
  }
  return std::min(steps, kMaxSteps);
}

Result<StreamCost> Group::decode_cost(int64_t steps) {
  const uint32_t model = model_of(pass_.expert);
  RDU_ASSIGN(StreamCost cost, setup_.costs->decode(model, pass_.sequences, pass_.context, steps));
  if (iterates()) cost.time_ps += steps * picoseconds_from_seconds(options_.host_iteration_s).value;
  return cost;
}

Status Group::start_decode(ExpertId expert, Picoseconds now) {
  Work& w = work_[expert.value];
  pass_.expert = expert;
  chunk_last_ = false;
  int64_t steps = steps_allowed(expert);
  pass_.requests.clear();
  int64_t context = 0;
  for (const uint32_t r : w.running) {
    const RequestState& s = state_.states[r];
    if (s.prompt_done < state_.records[r].prompt_tokens) continue;
    pass_.requests.push_back(r);
    context += state_.jobs.copies(r) * (s.prompt_done + s.output_done - 1);
  }
  const int64_t n = pass_.sequences = sequences(pass_.requests);
  pass_.context = (context + n - 1) / n;
  while (iterates() && !grow_kv(steps)) {
    if (steps == 1) return run_out_of_kv(expert, now);
    steps /= 2;
  }
  pass_.steps = steps;
  RDU_ASSIGN(const StreamCost cost, decode_cost(steps));
  start_pass(Activity::kDecode, expert, cost, 0, now);
  return {};
}

// The batch cannot grow by a token: the youngest sequence of the expert, else one of another expert, leaves
// the pool, or is leaving it already. The end of that copy decides again.
Status Group::run_out_of_kv(ExpertId expert, Picoseconds now) {
  pass_.requests.clear();
  const Work& w = work_[expert.value];
  if (!kv_moves() && w.running.size() > 1) {
    page_out(*std::max_element(w.running.begin(), w.running.end(), [this](uint32_t a, uint32_t b) {
      return state_.states[a].turn < state_.states[b].turn;
    }));
  } else if (!make_kv_room(expert)) {
    fail_request(w.running.front(), "its KV cache outgrew the pool", now);
    return choose(now);
  }
  set_activity(Activity::kSwitching, now);
  return {};
}

// An arrival wants the stream: the run ends at the next token.
Status Group::cut_decode(Picoseconds) {
  if (pass_.kind != Activity::kDecode || pass_.steps <= 1) return {};
  const int64_t done = pass_.whole_ps - pass_.work_ps - pass_.scrub_ps;  // below 0 while pages are scrubbed
  int64_t low = 1;
  int64_t high = pass_.steps;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    RDU_ASSIGN(const StreamCost cost, decode_cost(middle));
    if (cost.time_ps >= done) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  RDU_ASSIGN(const StreamCost cost, decode_cost(low));
  pass_.steps = low;
  pass_.whole_ps = cost.time_ps + pass_.scrub_ps;
  pass_.energy_nj = cost.energy_nj;
  pass_.work_ps = std::max<int64_t>(0, cost.time_ps - done);
  return {};
}

Status Group::finish_decode(Picoseconds now) {
  const ExpertId expert = pass_.expert;
  batch_.swap(pass_.requests);
  RDU_CHECK_OK(setup_.costs->charge_decode(model_of(expert), pass_.sequences, pass_.context, pass_.steps));
  current_steps_ += pass_.steps - 1;
  for (const uint32_t r : batch_) {
    RequestState& s = state_.states[r];
    s.output_done += static_cast<int32_t>(pass_.steps);
    if (s.cancelled) {
      fail_request(r, "cancelled", now);
    } else if (s.output_done >= state_.records[r].output_tokens) {
      finish_request(r, now);
    }
  }
  batch_.clear();
  changed(expert);
  return {};
}

}  // namespace rdusim::runtime
