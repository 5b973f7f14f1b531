// The engine's state to bytes and back; see checkpoint.h. Between two events only.
#include "base/check.h"
#include "runtime/serving/archive.h"
#include "runtime/serving/engine.h"

namespace rdusim::runtime {

void persist(Archive& a, ServingState& state, uint32_t arrived) {
  a.mark("STAT");
  // Requests that have not arrived are as they were set up, but for those that failed before they came.
  a.first(state.states, arrived);
  a.first(state.records, arrived);
  std::vector<uint32_t> failed;
  for (uint32_t r = arrived; r < state.states.size(); ++r) {
    if (state.states[r].phase == Phase::kFailed) failed.push_back(r);
  }
  a.pods(failed);
  for (const uint32_t r : failed) {
    if (r >= state.states.size()) continue;  // only in a file that nobody wrote
    state.states[r].phase = Phase::kFailed;
    state.records[r].failed = true;
  }
  a.pods(state.timeline);
  for (ExpertResult& e : state.experts) {
    a.pod(e.requests);
    a.pod(e.hits);
    a.pod(e.switches);
    a.pod(e.copied_bytes);
    a.pod(e.sram_bytes);
    a.pod(e.pass_energy_nj);
  }
  const size_t failures = a.length(state.failures.size(), sizeof(RequestId) + sizeof(uint64_t));
  if (!a.writes() && a.ok()) state.failures.resize(failures);
  if (a.ok()) {
    for (Failure& f : state.failures) {
      a.pod(f.request);
      a.text(f.reason);
    }
  }
  a.pod(state.counters);
  a.pod(state.next_turn);
  a.pod(state.finished);
  a.pod(state.last_finish);
}

void Engine::persist(Archive& a) {
  RDU_CHECK(to_fail_.empty() && to_stop_.empty(), "a checkpoint between a failure and what follows from it");
  a.mark("ENGN");
  a.pod(arrived_);
  if (arrived_ > state_.states.size()) return;  // only in a file that nobody wrote
  runtime::persist(a, state_, arrived_);
  a.same(waits_for_);
  a.bits(stopped_);
  std::vector<Due> due;
  for (auto queue = due_; !queue.empty(); queue.pop()) due.push_back(queue.top());
  const size_t count = a.length(due.size(), sizeof(int64_t) + sizeof(uint32_t));
  due.resize(a.ok() ? count : 0);
  for (auto& [at, request] : due) {
    a.pod(at);
    a.pod(request);
  }
  due_ = {};
  for (const Due& d : due) due_.push(d);
  a.pod(next_fault_);
  for (auto& lost : channels_lost_) a.same(lost);
  a.pods(samples_);
  a.pod(next_sample_);
  a.pod(ended_);
  a.pod(reported_);
  a.pod(result_.faults);
  for (const auto& memo : memos_) memo->persist(a);
  for (const auto& costs : costs_) costs->persist(a);
  for (const auto& group : groups_) group->persist(a);
}

Status Engine::resume(std::string_view state) {
  Archive archive(state);
  persist(archive);
  RDU_CHECK_OK(archive.status());
  next_checkpoint_ = ended_ + options_.checkpoint.every;
  return {};
}

// Every so many requests that ended.
Status Engine::write_checkpoint() {
  if (options_.checkpoint.every <= 0 || ended_ < next_checkpoint_) return {};
  next_checkpoint_ = ended_ + options_.checkpoint.every;
  Archive archive;
  persist(archive);
  return options_.checkpoint.write(std::move(archive).take());
}

}  // namespace rdusim::runtime
