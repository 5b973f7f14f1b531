// A socket group's state to bytes and back. The scheduler's follows from the experts', so it is told anew.
#include "runtime/serving/archive.h"
#include "runtime/serving/group.h"

namespace rdusim::runtime {

void Group::persist(Archive& a) {
  a.mark("GRUP");
  cache_->persist(a);
  if (sram_) sram_->persist(a);
  kv_.persist(a);
  a.pod(kv_scrubbed_);
  dma_.persist(a);
  predictor_.persist(a);
  for (Work& w : work_) {
    a.pod(w.head);
    a.pod(w.tail);
    a.pod(w.waiting);
    a.pods(w.running);
    a.pods(w.paged);
    a.pod(w.wanted);
    a.pod(w.ready_at);
    a.pod(w.fresh);
    a.pod(w.speculative);
    a.pod(w.residency);
    a.pod(w.unavailable);
  }
  persist_pass(a);
  a.pods(unrouted_);
  a.pod(unrouted_head_);
  a.pod(routed_pending_);
  a.pod(admitted_);
  a.pod(pending_);
  a.pod(cut_wanted_);
  a.pod(current_);
  a.pod(current_since_);
  a.pod(current_steps_);
  a.pod(chunk_last_);
  a.pod(awaited_);
  a.pod(settled_);
  a.pod(activity_);
  a.pod(activity_since_);
  a.pod(activity_times_);
  a.pod(slowed_);
  a.pod(health_);
  a.pod(corrupt_copies_);
  a.pod(corrupt_expert_);
  a.pod(down_);
  a.pod(prediction_due_);
  a.pods(expected_);
  if (a.writes() || !a.ok()) return;
  for (size_t e = 0; e < work_.size(); ++e) changed(ExpertId(e));
}

void Group::persist_pass(Archive& a) {
  a.mark("PASS");
  a.pod(pass_.kind);
  a.pod(pass_.expert);
  a.pods(pass_.requests);
  a.pod(pass_.sequences);
  a.pod(pass_.work_ps);
  a.pod(pass_.whole_ps);
  a.pod(pass_.scrub_ps);
  a.pod(pass_.speed);
  a.pod(pass_.steps);
  a.pod(pass_.context);
  a.pod(pass_.chunk_to);
  a.pod(pass_.gated);
  a.pod(pass_.stalled);
  a.pod(pass_.was_gated);
  a.pod(pass_.started);
  a.pod(pass_.demand);
  a.pod(pass_.energy_nj);
}

}  // namespace rdusim::runtime
