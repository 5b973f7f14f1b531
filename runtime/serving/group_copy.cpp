// What a socket group copies: experts on demand, ahead of time and by prediction; KV pages out and in.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "runtime/serving/group.h"

namespace rdusim::runtime {
namespace {

constexpr size_t kLookAhead = 4;      // experts that prefetching looks at
constexpr size_t kPrefetchQueue = 2;  // copies under way or queued beyond which nothing is prefetched
constexpr size_t kMostExpected = 16;  // assumed: more than fit an HBM that is worth prefetching into
constexpr int32_t kCopyAttempts = 3;  // assumed: a copy that is corrupt thrice is corrupt in the store

}  // namespace

bool Group::small(ExpertId expert) const {
  return sram_ != nullptr && copy_bytes_[expert.value] <= sram_->capacity().value && !cache_->ready(expert);
}

bool Group::ready(ExpertId expert) const {
  return cache_->ready(expert) || (sram_ != nullptr && sram_->ready(expert));
}

// Share of a copy that brings the program and the first layer, given what is kept in HBM anyway.
double Group::first_layer_share(ExpertId expert) const {
  const auto whole = static_cast<double>(setup_.plan->expert_bytes[expert.value].value);
  const double program = static_cast<double>(setup_.plan->program_bytes[expert.value].value) / whole;
  const double layer = program + (1 - program) / static_cast<double>(setup_.model_layers[model_of(expert)]);
  const double kept = options_.mechanisms.keep_first_layers;
  return std::max(0.0, (layer - kept) / (1 - kept));
}

// Whether the expert's first pass may begin before its copy is done: that copy is the one under way, and no
// request has begun (one that has needs all layers at once).
bool Group::may_start_early(ExpertId expert) const {
  if (!options_.mechanisms.layerwise || !dma_.busy()) return false;
  const Copy& c = dma_.active();
  if (c.expert != expert || c.kind > CopyKind::kExpertToSram) return false;
  const auto& running = work_[expert.value].running;
  return std::none_of(running.begin(), running.end(), [this](uint32_t r) { return state_.states[r].begun; });
}

bool Group::first_layer_there(ExpertId expert) const {
  if (!may_start_early(expert)) return false;
  const Copy& c = dma_.active();
  const double share = first_layer_share(expert);
  if (share > 0 && c.setup_ps > 0) return false;
  return c.transfer_ps <= static_cast<int64_t>(static_cast<double>(c.whole_ps) * (1 - share));
}

bool Group::start_copy(ExpertId expert, bool demanded, const ExpertCache::MayGo& may_go, Picoseconds now) {
  ExpertCache& cache = home(expert);
  const auto& admission = cache.begin_load(expert, may_go);
  if (!admission.room) return false;
  Copy copy;
  copy.kind = &cache == sram_.get() ? CopyKind::kExpertToSram : CopyKind::kExpert;
  copy.expert = expert;
  copy.demanded = demanded;
  copy.ahead = !demanded;
  copy.bytes = Bytes(copy_bytes_[expert.value]);
  copy.setup_ps = setup_.memory.switch_setup.value;
  copy.whole_ps = copy.transfer_ps = transfer_time(copy.bytes, setup_.memory.switch_bandwidth).value;
  Bytes scrub;
  for (const ExpertId gone : admission.evicted) {
    const uint32_t owner = owner_[gone.value];
    if (options_.scrub && owner != 0 && owner != owner_[expert.value]) scrub += cache.bytes_of(gone);
    evicted(gone, now);
  }
  if (setup_.memory.hbm_bandwidth.value > 0) {
    // A scrub writes each byte once; compaction reads and writes it.
    copy.setup_ps += transfer_time(scrub + 2 * admission.compacted, setup_.memory.hbm_bandwidth).value;
  }
  state_.counters.scrubbed += scrub;
  state_.counters.compacted += admission.compacted;
  state_.counters.prefetches += demanded ? 0 : 1;
  Work& w = work_[expert.value];
  w.fresh = demanded;
  w.speculative = !demanded;
  w.residency = state_.timeline.size();
  state_.timeline.push_back({expert, now, now, std::nullopt});
  if (state_.observer != nullptr)
    state_.observer->comes(setup_.number, expert, copy.kind == CopyKind::kExpertToSram);
  dma_.push(copy);
  return true;
}

void Group::evicted(ExpertId expert, Picoseconds now) {
  if (state_.observer != nullptr) state_.observer->leaves(setup_.number, expert);
  Work& w = work_[expert.value];
  Residency& stay = state_.timeline[w.residency];
  stay.evicted = now;
  stay.ready = std::min(stay.ready, now);
  ++state_.counters.evictions;
  if (w.speculative) state_.counters.prefetch_wasted += Bytes(copy_bytes_[expert.value]);
  w.fresh = w.speculative = false;
  w.wanted.reset();
  changed(expert);
}

// The stream wants the expert: its copy begins, or goes first. Experts that have no work leave before those
// that have, and queued prefetches give way. Where another expert is being copied into the only room, that
// copy's end asks again. If even so there is no room, its requests fail.
void Group::demand(ExpertId expert, Picoseconds now) {
  Work& w = work_[expert.value];
  if (!w.wanted) w.wanted = now;
  if (home(expert).residence(expert) == Residence::kLoading) {
    dma_.promote(expert);
    return;
  }
  const auto unpinned = [this](ExpertId e) { return !user_pinned_[e.value]; };
  const auto workless = [&](ExpertId e) { return unpinned(e) && !has_work(e); };
  // The published rule evicts whoever was used least recently, work or no work.
  const bool published = traits_.pairs && !options_.mechanisms.prefetch;
  if (!published && start_copy(expert, true, workless, now)) return;
  while (!start_copy(expert, true, unpinned, now)) {
    const auto given_up = dma_.cancel_prefetch();
    if (!given_up) break;
    give_up(*given_up, now);
  }
  if (home(expert).residence(expert) != Residence::kAbsent || dma_.busy()) return;
  fail_all(expert, "its expert does not fit beside the pinned experts", now);
}

// A copy that will not be finished: what it moved was in vain.
void Group::give_up(const Copy& copy, Picoseconds now) {
  if (copy.kind > CopyKind::kExpertToSram) return;
  const double moved =
      copy.whole_ps > 0 ? 1 - static_cast<double>(copy.transfer_ps) / static_cast<double>(copy.whole_ps) : 0;
  const Bytes bytes(static_cast<int64_t>(static_cast<double>(copy.bytes.value) * moved));
  state_.counters.switched += bytes;
  state_.experts[copy.expert.value].copied_bytes += bytes.value;
  state_.counters.prefetch_wasted += copy.ahead ? bytes : Bytes(0);
  work_[copy.expert.value].speculative = false;  // counted here, not as a whole expert
  home(copy.expert).drop(copy.expert);
  evicted(copy.expert, now);
}

void Group::fail_all(ExpertId expert, const std::string& reason, Picoseconds now) {
  Work& w = work_[expert.value];
  while (const auto r = first_waiting(w)) fail_request(*r, reason, now);
  while (!w.running.empty()) fail_request(w.running.back(), reason, now);
  while (!w.paged.empty()) fail_request(w.paged.back(), reason, now);
}

void Group::prefetch(Picoseconds now) {
  if (!options_.mechanisms.prefetch || dma_.queued() >= kPrefetchQueue) return;
  upcoming_.clear();
  scheduler_->upcoming(kLookAhead, upcoming_);
  const auto may_go = [this](ExpertId e) {
    return !user_pinned_[e.value] && !has_work(e) && !work_[e.value].speculative;
  };
  for (const ExpertId e : upcoming_) {
    if (dma_.queued() >= kPrefetchQueue) return;
    if (resident(e) || ready(e)) continue;
    if (!start_copy(e, false, may_go, now)) return;
  }
}

bool Group::expect(ExpertId expert) {
  const bool known = std::find(expected_.begin(), expected_.end(), expert) != expected_.end();
  if (known || resident(expert) || work_[expert.value].unavailable) return false;
  if (expected_.size() == kMostExpected) expected_.erase(expected_.begin());
  expected_.push_back(expert);
  return true;
}

void Group::prefetch_expected(Picoseconds now) {
  std::erase_if(expected_, [this](ExpertId e) { return resident(e) || work_[e.value].unavailable; });
  const auto may_go = [this](ExpertId e) {
    return !user_pinned_[e.value] && !has_work(e) && !work_[e.value].speculative;
  };
  while (!expected_.empty() && dma_.queued() < kPrefetchQueue) {
    if (!start_copy(expected_.front(), false, may_go, now)) return;
    expected_.erase(expected_.begin());
  }
}

// An idle DMA copies what is likely to be asked for, in the place of what is less likely.
void Group::predict(Picoseconds now) {
  const MechanismSpec& m = options_.mechanisms;
  if ((!m.predict_popularity && !m.predict_transition) || dma_.busy() || !prediction_due_) return;
  prediction_due_ = false;
  std::optional<ExpertId> wanted;
  bool sure = false;
  const auto absent = [this](ExpertId e) { return !resident(e) && !ready(e) && !work_[e.value].unavailable; };
  if (m.predict_transition) {
    const auto next = predictor_.likely_next();
    if (next && absent(next->expert)) {
      wanted = next->expert;
      sure = next->sure;
    }
  }
  if (!wanted && m.predict_popularity) wanted = predictor_.most_popular(absent);
  if (!wanted) return;
  // Whoever comes next with a chance of more than a half takes the place of whom the policy names. Else it is
  // a quarter more popular at least, or two experts of equal popularity would push each other out.
  const int64_t popularity = predictor_.popularity(*wanted);
  const auto may_go = [&](ExpertId e) {
    return !user_pinned_[e.value] && !has_work(e) &&
           (sure ? !work_[e.value].speculative : predictor_.popularity(e) * 5 < popularity * 4);
  };
  start_copy(*wanted, false, may_go, now);
}

void Group::preload(std::span<const ExpertId> experts, Picoseconds now) {
  for (const ExpertId e : experts) {
    if (resident(e)) continue;
    if (!start_copy(
            e, false, [](ExpertId) { return false; }, now))
      return;
    finish_expert_copy(*dma_.cancel(e), now);
  }
}

Status Group::finish_copies(Picoseconds now) {
  while (const auto copy = dma_.take_done()) {
    if (copy->kind <= CopyKind::kExpertToSram) {
      finish_expert_copy(*copy, now);
      continue;
    }
    RequestState& s = state_.states[copy->request.value];
    const ExpertId expert = copy->expert;
    if (copy->kind == CopyKind::kKvOut) {
      // Shared blocks went along as the request's own: in HBM they stay only for others, or until room is
      // needed.
      const uint32_t r = copy->request.value;
      kv_.give(s.kv_bytes, state_.records[r].tenant);
      kv_.release_blocks(expert, state_.blocks(r), s.blocks_held, state_.records[r].tenant);
      s.blocks_held = 0;
      s.kv_bytes = copy->bytes;
      s.phase = Phase::kPagedOut;
      state_.counters.kv_out += copy->bytes;
    } else {
      Work& w = work_[expert.value];
      w.paged.erase(std::find(w.paged.begin(), w.paged.end(), copy->request.value));
      w.running.push_back(copy->request.value);
      s.phase = Phase::kRunning;
      state_.counters.kv_in += copy->bytes;
    }
    changed(expert);
  }
  return {};
}

void Group::finish_expert_copy(const Copy& copy, Picoseconds now) {
  const ExpertId expert = copy.expert;
  Work& w = work_[expert.value];
  ExpertResult& result = state_.experts[expert.value];
  state_.counters.switched += copy.bytes;
  result.copied_bytes += copy.bytes.value;
  if (copy.kind == CopyKind::kExpertToSram) {
    state_.counters.to_sram += copy.bytes;
    result.sram_bytes += copy.bytes.value;
  }
  if (copy.ahead) state_.counters.prefetched += copy.bytes;
  if (corrupt_copies_ > 0 && (!corrupt_expert_ || *corrupt_expert_ == expert)) {
    --corrupt_copies_;
    ++state_.counters.corrupt_copies;
    if (copy.attempts < kCopyAttempts) {
      Copy again = copy;
      again.setup_ps = setup_.memory.switch_setup.value;
      again.transfer_ps = again.whole_ps;
      ++again.attempts;
      dma_.push(again);
      return;
    }
    w.unavailable = true;
    if (pass_.busy() && pass_.gated && pass_.expert == expert) {  // it ran on weights that are no good
      home(expert).unpin(expert);
      pass_.kind = Activity::kIdle;
      pass_.requests.clear();
    }
    home(expert).drop(expert);
    evicted(expert, now);
    fail_all(expert, "its expert's weights failed their checksum three times", now);
    return;
  }
  ++state_.counters.switches;
  ++result.switches;
  home(expert).loaded(expert);
  if (state_.observer != nullptr) state_.observer->arrived(setup_.number, expert);
  w.ready_at = now;
  state_.timeline[w.residency].ready = now;
  if (pass_.busy() && pass_.gated && pass_.expert == expert) pass_.gated = pass_.stalled = false;
  changed(expert);
}

bool Group::kv_moves() const {
  for (const Work& w : work_) {
    for (const uint32_t r : w.paged) {
      if (state_.states[r].phase != Phase::kPagedOut) return true;
    }
  }
  return false;
}

// Pages out the sequence of another expert that was routed last. True: it moves, or others move already, and
// the end of that copy decides again.
bool Group::make_kv_room(ExpertId runs) {
  if (kv_moves()) return true;
  std::optional<uint32_t> youngest;
  for (size_t e = 0; e < work_.size(); ++e) {
    if (ExpertId(e) == runs) continue;
    for (const uint32_t r : work_[e].running) {
      if (!youngest || state_.states[r].turn > state_.states[*youngest].turn) youngest = r;
    }
  }
  if (youngest) page_out(*youngest);
  return youngest.has_value();
}

void Group::page_out(uint32_t request) {
  RequestState& s = state_.states[request];
  const ExpertId expert = state_.records[request].expert;
  Work& w = work_[expert.value];
  w.running.erase(std::find(w.running.begin(), w.running.end(), request));
  w.paged.push_back(request);
  s.phase = Phase::kPagingOut;
  push_kv_copy(CopyKind::kKvOut, request);
  changed(expert);
}

void Group::push_kv_copy(CopyKind kind, uint32_t request) {
  Copy copy;
  copy.kind = kind;
  copy.expert = state_.records[request].expert;
  copy.request = RequestId(request);
  copy.bytes = state_.states[request].kv_bytes + held_block_bytes(request);
  copy.setup_ps = setup_.memory.switch_setup.value;
  copy.whole_ps = copy.transfer_ps = transfer_time(copy.bytes, setup_.memory.switch_bandwidth).value;
  dma_.push(copy);
}

// Brings the expert's sequences back as far as the pool allows. True: some are on the way.
bool Group::page_in(ExpertId expert) {
  Work& w = work_[expert.value];
  bool moving = false;
  int64_t running = sequences(w.running);
  for (const uint32_t r : w.paged) {
    RequestState& s = state_.states[r];
    const bool fits = kv_.fits(s.kv_bytes + growth_reserve(expert));
    const bool joins = running == 0 || running + state_.jobs.copies(r) <= options_.max_running;
    if (s.phase == Phase::kPagedOut && joins && fits && kv_.take(s.kv_bytes, state_.records[r].tenant)) {
      s.phase = Phase::kPagingIn;
      push_kv_copy(CopyKind::kKvIn, r);
      running += state_.jobs.copies(r);
    }
    moving |= s.phase != Phase::kPagedOut;
  }
  return moving;
}

}  // namespace rdusim::runtime
