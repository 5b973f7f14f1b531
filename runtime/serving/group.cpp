// A socket group's clock: events, speeds, what ends when. See group.h; what runs next is in group_run.cpp,
// what is copied in group_copy.cpp.
#include "runtime/serving/group.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {

Group::Group(GroupSetup setup, ServingState& state, Dispatch& dispatch)
    : setup_(std::move(setup)),
      state_(state),
      dispatch_(dispatch),
      options_(state.options),
      kv_(Bytes(setup_.plan->memory.kv_bytes), state.options.kv_page_tokens,
          state.options.scrub ? std::max<size_t>(1, state.workload.tenants.size()) : 0),
      predictor_(state.roster.experts.size()),
      work_(state.roster.experts.size()),
      user_pinned_(work_.size(), false),
      owner_(work_.size(), 0) {
  capacity_ = {setup_.memory.hbm_bandwidth.value, setup_.memory.store_bandwidth.value,
               setup_.memory.link_bandwidth.value};
}

Status Group::set_up() {
  const auto ps = [](double s) { return picoseconds_from_seconds(s); };
  const SchedulerOptions dials{ps(options_.longest_wait_s), ps(options_.least_resident_s),
                               options_.quantum_steps};
  RDU_ASSIGN(scheduler_, make_scheduler(setup_.scheduler, work_.size(), dials));
  traits_ = scheduler_->traits();
  RDU_ASSIGN(auto policy, make_eviction_policy(setup_.eviction, work_.size()));
  RDU_ASSIGN(const SpacePolicy space, parse_space_policy(options_.allocation));
  // First layers that stay for good are taken off the cache, and off what a switch copies.
  std::vector<Bytes> switched;
  Bytes kept;
  for (const Bytes whole : setup_.plan->expert_bytes) {
    const Bytes head(
        static_cast<int64_t>(static_cast<double>(whole.value) * options_.mechanisms.keep_first_layers));
    kept += head;
    switched.push_back(whole - head);
    copy_bytes_.push_back((whole - head).value);
  }
  const Bytes capacity = Bytes(setup_.plan->memory.cache_bytes) - kept;
  whole_cache_ = capacity;
  const Bytes largest = *std::max_element(switched.begin(), switched.end());
  if (capacity < largest) {
    return Error{ErrorCode::kCapacity, "serving.mechanisms.keep_first_layers",
                 fmt::format("first layers of {} experts take {} B of the {} B for experts", work_.size(),
                             kept.value, setup_.plan->memory.cache_bytes),
                 "keep a smaller share, so that the largest expert still fits beside them"};
  }
  cache_ = std::make_unique<ExpertCache>(capacity, switched, std::move(policy), space, options_.compaction);
  if (options_.mechanisms.sram_share > 0 && setup_.memory.sram_bytes.value > 0) {
    RDU_ASSIGN(auto sram_policy, make_eviction_policy(setup_.eviction, work_.size()));
    const Bytes sram(static_cast<int64_t>(static_cast<double>(setup_.memory.sram_bytes.value) *
                                          options_.mechanisms.sram_share));
    sram_ = std::make_unique<ExpertCache>(sram, switched, std::move(sram_policy));
  }
  for (const std::string& name : options_.pinned) {
    const auto expert = state_.roster.find(name);
    if (!expert) {
      return Error{ErrorCode::kNotFound, "serving.pinned", fmt::format("no expert is called '{}'", name),
                   "name an expert of the composition; replicas have -0, -1, ... behind it"};
    }
    user_pinned_[expert->value] = true;
  }
  for (size_t o = 0; o < options_.owners.size(); ++o) {
    if (const auto e = state_.roster.find(options_.owners[o].expert))
      owner_[e->value] = static_cast<uint32_t>(o + 1);
  }
  settled_ = activity_since_ = state_.workload.requests.front().arrival;
  dma_.settle(settled_);
  return {};
}

StreamView Group::view(Picoseconds now) const {
  return {now, current_, current_since_, current_steps_};
}

std::optional<uint32_t> Group::first_waiting(const Work& work) const {
  uint32_t r = work.head;
  while (r != kEndOfList && state_.states[r].phase != Phase::kWaiting) r = state_.states[r].next;
  return r == kEndOfList ? std::nullopt : std::optional(r);
}

void Group::drop_dead_heads(Work& work) {
  while (work.head != kEndOfList && state_.states[work.head].phase != Phase::kWaiting)
    work.head = state_.states[work.head].next;
  if (work.head == kEndOfList) work.tail = kEndOfList;
}

// Tells the scheduler how the expert stands.
void Group::changed(ExpertId expert) {
  Work& w = work_[expert.value];
  drop_dead_heads(w);
  ExpertView v;
  v.waiting = w.waiting + static_cast<int64_t>(w.paged.size());
  v.running = static_cast<int64_t>(w.running.size());
  v.ready = ready(expert);
  std::optional<uint32_t> oldest;
  const auto older = [&](uint32_t r) {
    if (!oldest || state_.states[r].turn < state_.states[*oldest].turn) oldest = r;
  };
  for (const uint32_t r : w.running) older(r);
  for (const uint32_t r : w.paged) older(r);
  if (w.head != kEndOfList) older(w.head);
  if (oldest) {
    v.oldest_turn = state_.states[*oldest].turn;
    v.oldest_arrival = state_.records[*oldest].arrival;
    v.earliest_deadline = v.oldest_arrival + picoseconds_from_seconds(options_.deadline_s);
  }
  scheduler_->changed(expert, v);
}

bool Group::has_work(ExpertId expert) const {
  const Work& w = work_[expert.value];
  return w.waiting > 0 || !w.running.empty() || !w.paged.empty();
}

void Group::set_activity(Activity activity, Picoseconds now) {
  activity_times_[static_cast<size_t>(activity_)] += now - activity_since_;
  activity_ = activity;
  activity_since_ = now;
}

void Group::enqueue_unrouted(uint32_t request, Picoseconds now) {
  RequestState& s = state_.states[request];
  s.group = setup_.number;
  ++pending_;
  const bool free_routing = state_.composition.router.runs == "none" && setup_.neighbours.vectors == 0;
  if (iterates() && free_routing) {
    s.routed = now;
    --pending_;
    dispatch_.routed(request, now);
    return;
  }
  s.phase = Phase::kUnrouted;
  unrouted_.push_back(request);
  cut_wanted_ |= iterates();
}

void Group::enqueue(uint32_t request, Picoseconds now) {
  RequestState& s = state_.states[request];
  const ExpertId expert = state_.records[request].expert;
  Work& w = work_[expert.value];
  s.group = setup_.number;
  s.phase = Phase::kWaiting;
  s.turn = state_.next_turn++;
  s.next = kEndOfList;
  ++pending_;
  if (w.unavailable) {
    s.phase = Phase::kUnrouted;  // in no queue
    fail_request(request, "its expert's weights are damaged in the store", now);
    return;
  }
  drop_dead_heads(w);
  (w.tail == kEndOfList ? w.head : state_.states[w.tail].next) = request;
  w.tail = request;
  ++w.waiting;
  ++routed_pending_;
  predictor_.asked(expert);
  prediction_due_ = true;
  changed(expert);
  if (pass_.kind != Activity::kDecode || !iterates()) return;
  const bool joins = expert == pass_.expert && sequences(w.running) < options_.max_running;
  cut_wanted_ |=
      joins || (traits_.preempts && expert != pass_.expert && scheduler_->takes_over(expert, view(now)));
}

// Progress of the pass and the copy since the last event, at the speeds that held.
void Group::settle(Picoseconds now) {
  const int64_t elapsed = (now - settled_).value;
  settled_ = now;
  dma_.settle(now);
  if (!pass_.busy() || pass_.stalled) return;
  const int64_t done = std::min(pass_.work_ps, work_done(elapsed, pass_.speed));
  slowed_ += Picoseconds(elapsed - done);
  pass_.work_ps -= done;
}

// The speeds that hold from now on. Alone and healthy, both are full speed by definition.
void Group::retune() {
  const bool passes = pass_.busy() && !pass_.stalled;
  const bool copies = dma_.transfers();
  const bool healthy = health_ == std::array<double, kSharedResources>{1, 1, 1};
  if (healthy && !(passes && copies)) {
    pass_.speed = kFullSpeed;
    dma_.set_speed(kFullSpeed);
    return;
  }
  Bandwidths pass{};
  Bandwidths copy{};
  if (passes) pass = pass_.demand;
  if (copies) {
    const double rate = setup_.memory.switch_bandwidth.value;
    copy[static_cast<size_t>(SharedResource::kStore)] = rate;
    if (dma_.active().kind != CopyKind::kExpertToSram) copy[static_cast<size_t>(SharedResource::kHbm)] = rate;
  }
  Bandwidths capacity = capacity_;
  for (size_t r = 0; r < kSharedResources; ++r) {
    if (capacity[r] <= 0) continue;
    capacity[r] = std::max({capacity[r], pass[r], copy[r]}) * health_[r];
  }
  const SharedSpeeds speeds = share_bandwidth(capacity, pass, copy);
  pass_.speed = fixed_point_speed(speeds.pass);
  dma_.set_speed(fixed_point_speed(speeds.copy));
}

// The last layer's part of a pass: what cannot start before the whole expert has arrived.
int64_t Group::last_layer_ps() const {
  return pass_.whole_ps / setup_.model_layers[model_of(pass_.expert)];
}

std::optional<Picoseconds> Group::pass_event() const {
  if (!pass_.busy()) {
    const bool waits = awaited_ && may_start_early(*awaited_) && !first_layer_there(*awaited_);
    if (!waits) return std::nullopt;
    return dma_.arrival_of(first_layer_share(*awaited_));
  }
  if (pass_.stalled) return std::nullopt;
  const int64_t until = pass_.gated ? std::max<int64_t>(0, pass_.work_ps - last_layer_ps()) : pass_.work_ps;
  return settled_ + Picoseconds(time_for(until, pass_.speed));
}

std::optional<Picoseconds> Group::next_event() const {
  const auto pass = pass_event();
  const auto copy = dma_.next_event();
  if (!pass || !copy) return pass ? pass : copy;
  return std::min(*pass, *copy);
}

Status Group::advance(Picoseconds now) {
  settle(now);
  RDU_CHECK_OK(finish_copies(now));
  if (pass_.busy()) {
    if (pass_.gated && pass_.work_ps <= last_layer_ps()) pass_.stalled = true;
    if (!pass_.gated && pass_.work_ps == 0) RDU_CHECK_OK(finish_pass(now));
  }
  retune();
  return {};
}

Status Group::finish_pass(Picoseconds now) {
  const Activity kind = pass_.kind;
  if (kind != Activity::kRouting) home(pass_.expert).unpin(pass_.expert);
  if (pass_.energy_nj != 0) share_energy();
  pass_.kind = Activity::kIdle;
  ++state_.counters.iterations;
  ++current_steps_;
  if (kind == Activity::kRouting) return finish_route(now);
  if (state_.observer != nullptr) {
    const bool reads = kind == Activity::kPrefill;
    const int64_t from = reads ? state_.states[pass_.requests.front()].prompt_done : 0;
    RDU_CHECK_OK(state_.observer->passed({setup_.number, pass_.expert, pass_.requests, from,
                                          reads ? pass_.chunk_to : 0, reads ? 0 : pass_.steps}));
  }
  if (kind == Activity::kPrefill) return finish_prefill(now);
  return finish_decode(now);
}

// The pass's energy in equal parts to its requests, what does not divide to the first, so that the sums
// agree.
void Group::share_energy() {
  state_.counters.pass_energy_nj[static_cast<size_t>(pass_.kind)] += pass_.energy_nj;
  if (pass_.kind != Activity::kRouting) state_.experts[pass_.expert.value].pass_energy_nj += pass_.energy_nj;
  const auto n = static_cast<int64_t>(pass_.requests.size());
  for (const uint32_t r : pass_.requests) state_.records[r].energy_nj += pass_.energy_nj / n;
  state_.records[pass_.requests.front()].energy_nj += pass_.energy_nj % n;
}

Status Group::decide(Picoseconds now) {
  if (down_) return {};
  settle(now);
  if (pass_.busy()) {
    if (cut_wanted_) RDU_CHECK_OK(cut_decode(now));
  } else {
    RDU_CHECK_OK(choose(now));
  }
  cut_wanted_ = false;
  prefetch(now);
  prefetch_expected(now);
  predict(now);
  retune();
  return {};
}

// What the free stream does next.
Status Group::choose(Picoseconds now) {
  awaited_.reset();
  if (should_route()) return start_route(now);
  const auto target = scheduler_->next(view(now));
  if (!target) {
    set_activity(Activity::kIdle, now);
    return {};
  }
  if (ready(*target)) return run(*target, now);
  demand(*target, now);
  if (!has_work(*target)) return choose(now);  // it can never be loaded: its requests failed
  if (first_layer_there(*target)) return run(*target, now);
  if (options_.mechanisms.prefetch) {
    if (const auto other = scheduler_->next_ready(view(now))) return run(*other, now);
  }
  awaited_ = target;
  set_activity(Activity::kSwitching, now);
  return {};
}

bool Group::resident(ExpertId expert) const {
  return home(expert).residence(expert) != Residence::kAbsent;
}

void Group::check_memory() const {
  const MemoryUse& m = setup_.plan->memory;
  RDU_CHECK(cache_->used() <= cache_->capacity(), "group {}: experts take {} B of {} B", setup_.number,
            cache_->used().value, cache_->capacity().value);
  RDU_CHECK(kv_.used() <= kv_.capacity(), "group {}: KV caches take {} B of {} B", setup_.number,
            kv_.used().value, kv_.capacity().value);
  RDU_CHECK(m.router_bytes + m.kv_bytes + m.cache_bytes <= m.hbm_capacity_bytes,
            "group {}: HBM of {} B is divided into more", setup_.number, m.hbm_capacity_bytes);
}

}  // namespace rdusim::runtime
