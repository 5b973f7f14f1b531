#include "sim/server.h"

#include <algorithm>
#include <limits>

#include "sim/unit_process.h"

namespace rdusim::sim {

Server::Server(const sc_core::sc_module_name& name, Arbitration arbitration)
    : sc_module(name), arbitration_(arbitration) {
  SC_METHOD(decide);
  sensitive << decide_event_;
  dont_initialize();
}

void Server::reset() {
  waiting_.clear();
  decide_event_.cancel();
  clock_.reset();
}

// The cycle at whose end the next request can be chosen: the resource is free in it, and something has
// arrived.
int64_t Server::decision_cycle() const {
  int64_t earliest = std::numeric_limits<int64_t>::max();
  for (const Request* r : waiting_) earliest = std::min(earliest, r->arrival_cycle);
  return std::max(clock_.free_cycle(), earliest);
}

size_t Server::best(int64_t cycle) const {
  size_t chosen = waiting_.size();
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const Request& r = *waiting_[i];
    if (r.arrival_cycle > cycle) continue;
    if (chosen == waiting_.size()) {
      chosen = i;
      continue;
    }
    const Request& c = *waiting_[chosen];
    const int64_t key = arbitration_ == Arbitration::kPriority ? r.priority : r.arrival_cycle;
    const int64_t chosen_key = arbitration_ == Arbitration::kPriority ? c.priority : c.arrival_cycle;
    if (key < chosen_key || (key == chosen_key && r.order < c.order)) chosen = i;
  }
  return chosen;
}

void Server::post(Request* request) {
  waiting_.push_back(request);
  const int64_t at = std::max(decision_cycle() + 1, now_cycle());
  decide_event_.notify(cycles(at - now_cycle()));  // the kernel keeps the earlier of two notifications
}

void Server::decide() {
  while (!waiting_.empty()) {
    const int64_t cycle = decision_cycle();
    if (cycle >= now_cycle()) {
      decide_event_.notify(cycles(cycle + 1 - now_cycle()));
      return;
    }
    const size_t chosen = best(cycle);
    Request* request = waiting_[chosen];
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(chosen));
    const ServiceClock::Span span = clock_.serve(request->arrival_cycle, request->bytes);
    request->granted(span.start_sub, span.finish_sub);
  }
}

}  // namespace rdusim::sim
