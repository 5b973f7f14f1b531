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

void Server::configure(int64_t bytes_per_s, int64_t clock_hz) {
  bytes_per_s_ = std::max<int64_t>(1, bytes_per_s);
  clock_hz_ = clock_hz;
  last_bytes_ = -1;
  carry_ = 0;
}

void Server::reset() {
  waiting_.clear();
  decide_event_.cancel();
  busy_sub_ = 0;
  carry_ = 0;
}

// Whole subcycles of this transfer; what is left of a subcycle is carried to the next, so nothing
// accumulates.
int64_t Server::cost_sub(int64_t bytes) {
  const auto rate = static_cast<Uint128>(bytes_per_s_);
  if (bytes != last_bytes_) {
    const Uint128 scaled = (static_cast<Uint128>(bytes) * static_cast<Uint128>(clock_hz_)) << kSubcycleBits;
    last_bytes_ = bytes;
    last_cost_sub_ = static_cast<int64_t>(scaled / rate);
    last_remainder_ = static_cast<int64_t>(scaled % rate);
  }
  carry_ += last_remainder_;
  if (carry_ < bytes_per_s_) return last_cost_sub_;
  carry_ -= bytes_per_s_;
  return last_cost_sub_ + 1;
}

// The cycle at whose end the next request can be chosen: the resource is free in it, and something has
// arrived.
int64_t Server::decision_cycle() const {
  int64_t earliest = std::numeric_limits<int64_t>::max();
  for (const Request* r : waiting_) earliest = std::min(earliest, r->arrival_cycle);
  return std::max(free_sub_ >> kSubcycleBits, earliest);
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
    waiting_[chosen] = waiting_.back();
    waiting_.pop_back();
    const int64_t start = std::max(free_sub_, request->arrival_cycle << kSubcycleBits);
    const int64_t cost = cost_sub(request->bytes);
    free_sub_ = start + cost;
    busy_sub_ += cost;
    request->granted(start, free_sub_);
  }
}

}  // namespace rdusim::sim
