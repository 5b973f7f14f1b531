// A request in a socket group: admitted with its KV pages, begun, finished or failed.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "runtime/serving/group.h"

namespace rdusim::runtime {

int64_t Group::sequences(const std::vector<uint32_t>& requests) const {
  if (state_.jobs.plans == nullptr) return static_cast<int64_t>(requests.size());
  int64_t sum = 0;
  for (const uint32_t r : requests) sum += state_.jobs.copies(r);
  return sum;
}

// Pages of its own, once `outputs` tokens of each copy are written.
Bytes Group::kv_bytes(uint32_t request, int64_t outputs) const {
  const RequestRecord& record = state_.records[request];
  const int64_t held =
      static_cast<int64_t>(state_.states[request].blocks_held) * options_.prefix_block_tokens;
  const int64_t own = record.prompt_tokens - std::min(record.prompt_tokens, held);
  const int64_t tokens = kv_tokens(own, outputs, state_.jobs.copies(request), kv_.page_tokens());
  return Bytes(tokens * setup_.plan->model_kv_bytes_per_token[model_of(record.expert)].value);
}

// Of the prompt's blocks that the request uses with others, or could.
Bytes Group::held_block_bytes(uint32_t request) const {
  const int64_t tokens = state_.states[request].blocks_held * options_.prefix_block_tokens;
  const uint32_t model = model_of(state_.records[request].expert);
  return Bytes(tokens * setup_.plan->model_kv_bytes_per_token[model].value);
}

// As many as `max_running` sequences; one request in any case, however many copies it has.
void Group::admit(ExpertId expert) {
  Work& w = work_[expert.value];
  const int64_t most = iterates() ? options_.max_running : 1;
  const size_t before = w.running.size();
  int64_t running = sequences(w.running);
  while (running < most) {
    drop_dead_heads(w);
    if (w.head == kEndOfList) break;
    const uint32_t r = w.head;
    const int64_t copies = state_.jobs.copies(r);
    if (running > 0 && running + copies > most) break;
    running += copies;
    if (iterates() && !take_kv(r)) break;
    w.head = state_.states[r].next;
    if (w.head == kEndOfList) w.tail = kEndOfList;
    --w.waiting;
    --routed_pending_;
    ++admitted_;
    state_.states[r].phase = Phase::kRunning;
    state_.states[r].begun = false;
    w.running.push_back(r);
  }
  if (w.running.size() != before) changed(expert);
}

// Pages for the prompt, less the blocks that other requests have or had; false if they do not fit now.
bool Group::take_kv(uint32_t request) {
  RequestState& s = state_.states[request];
  const Request& r = state_.request(request);
  const ExpertId expert = state_.records[request].expert;
  const Bytes per_token = setup_.plan->model_kv_bytes_per_token[model_of(expert)];
  const int64_t block = options_.prefix_block_tokens;
  const TenantId owner = state_.records[request].tenant;
  const auto blocks = state_.blocks(request);
  const size_t cached = kv_.cached_blocks(expert, blocks, owner);
  s.blocks_held =
      static_cast<uint32_t>(kv_.acquire_blocks(expert, blocks, Bytes(block * per_token.value), owner));
  const Bytes own = kv_bytes(request, 1);
  if (!kv_.fits(own + growth_reserve(expert)) || !kv_.take(own, owner)) {
    kv_.release_blocks(expert, blocks, s.blocks_held, owner);
    s.blocks_held = 0;
    return false;
  }
  s.kv_bytes = own;
  // The last token's pass is needed for the first output token, whatever is cached.
  const int64_t reused =
      std::min(r.prompt_tokens - 1, static_cast<int64_t>(std::min<size_t>(cached, s.blocks_held)) * block);
  s.reused_tokens = static_cast<int32_t>(reused);
  s.prompt_done = s.reused_tokens;
  state_.counters.reused_prompt_tokens += reused;
  return true;
}

// A page for every sequence that runs, so that whoever joins cannot stop them from growing.
Bytes Group::growth_reserve(ExpertId expert) const {
  const Bytes per_token = setup_.plan->model_kv_bytes_per_token[model_of(expert)];
  return kv_.bytes_for(1, per_token) * sequences(work_[expert.value].running);
}

// The request's turn has come: what it waited for so far is divided into queueing and switching.
void Group::begin_request(uint32_t request, Picoseconds now) {
  RequestState& s = state_.states[request];
  RequestRecord& record = state_.records[request];
  const ExpertId expert = record.expert;
  Work& w = work_[expert.value];
  s.begun = true;
  s.started = now;
  record.switching = Picoseconds(0);
  if (w.wanted) {
    const Picoseconds until = ready(expert) ? std::min(now, w.ready_at) : now;
    record.switching = std::max(Picoseconds(0), until - std::max(*w.wanted, s.routed));
  }
  record.queueing = now - record.arrival - record.routing - record.switching;
  record.hit = record.switching.value == 0;
  if (!iterates()) w.wanted.reset();
  if (!w.fresh) home(expert).use(expert);
  w.fresh = w.speculative = false;
  dispatch_.begun(request, now);
}

// Takes the pages that `steps` more tokens of each sequence need; all or nothing.
bool Group::grow_kv(int64_t steps) {
  const auto needed = [&](uint32_t r) { return kv_bytes(r, state_.states[r].output_done + steps); };
  Bytes more;
  for (const uint32_t r : pass_.requests) more += std::max(Bytes(0), needed(r) - state_.states[r].kv_bytes);
  if (!kv_.fits(more)) return false;
  for (const uint32_t r : pass_.requests) {
    Bytes& has = state_.states[r].kv_bytes;
    const Bytes wants = std::max(has, needed(r));
    RDU_CHECK(kv_.take(wants - has, state_.records[r].tenant), "{} B fitted, and do not", more.value);
    has = wants;
  }
  return true;
}

void Group::release_memory(uint32_t request) {
  RequestState& s = state_.states[request];
  Work& w = work_[state_.records[request].expert.value];
  const auto erase = [request](std::vector<uint32_t>& list) {
    const auto at = std::find(list.begin(), list.end(), request);
    if (at == list.end()) return false;
    list.erase(at);
    return true;
  };
  if (erase(w.running) || erase(w.paged)) --admitted_;
  if (s.phase != Phase::kPagedOut) kv_.give(s.kv_bytes, state_.records[request].tenant);
  s.kv_bytes = Bytes(0);
  kv_.release_blocks(state_.records[request].expert, state_.blocks(request), s.blocks_held,
                     state_.records[request].tenant);
  s.blocks_held = 0;
}

void Group::finish_request(uint32_t request, Picoseconds now) {
  RequestRecord& record = state_.records[request];
  record.decode = now - state_.states[request].first_token;
  release_memory(request);
  state_.states[request].phase = Phase::kFinished;
  ExpertResult& expert = state_.experts[record.expert.value];
  ++expert.requests;
  expert.hits += record.hit ? 1 : 0;
  ++state_.finished;
  state_.last_finish = std::max(state_.last_finish, now);
  --pending_;
  prediction_due_ |= !has_work(record.expert);  // it may give way now
  const ExpertCache& cache = home(record.expert);
  if (options_.eager_unload && !has_work(record.expert) && cache.ready(record.expert) &&
      !cache.pinned(record.expert) && !user_pinned_[record.expert.value]) {
    home(record.expert).drop(record.expert);
    evicted(record.expert, now);
  }
  dispatch_.ended(request, now);
}

void Group::fail_request(uint32_t request, const std::string& reason, Picoseconds now) {
  RequestState& s = state_.states[request];
  RequestRecord& record = state_.records[request];
  Work& w = work_[record.expert.value];
  if (s.phase == Phase::kWaiting) {
    --w.waiting;
    --routed_pending_;
  } else if (s.phase != Phase::kUnrouted) {
    if (s.phase == Phase::kPagingOut || s.phase == Phase::kPagingIn) dma_.cancel_kv(RequestId(request));
    release_memory(request);
  }
  s.phase = Phase::kFailed;
  record.failed = true;
  record.hit = false;
  record.queueing = record.routing = record.switching = record.prefill = record.decode = Picoseconds(0);
  state_.failures.push_back({RequestId(request), reason});
  --pending_;
  changed(record.expert);
  dispatch_.ended(request, now);
}

}  // namespace rdusim::runtime
