// The row slot of the unified-queue controller: which bank is opened or closed next.
#include <bit>

#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

void UnifiedController::consider(Pick& best, int bank, Entry* request, DramCommandKind kind, int64_t ready,
                                 int64_t tick, int64_t& wake) const {
  if (ready > tick) {
    wake = std::min(wake, ready);
    return;
  }
  const uint64_t order = request == kNone ? ~uint64_t{0} - 1 : request->order;
  if (order < best.order) best = {bank, request, kind, order};
}

void UnifiedController::pick_rows(int64_t tick, Pick& best, int64_t& wake) {
  if (scheduling_ == DramScheduling::kFirstCome) return pick_oldest_row(tick, best, wake);
  const size_t direction = write_mode_ ? 1 : 0;
  for (int d = 0; d < state_.shape().domains; ++d) {
    const Rows& rows = rows_[static_cast<size_t>(d)];
    if (rows.activate[direction].banks() != 0 && rows.activate[direction].least_order() < best.order)
      pick_activates(d, tick, best, wake);
    if (rows.precharge[direction].banks() != 0 && rows.precharge[direction].least_order() < best.order)
      pick_precharges(d, tick, best, wake);
  }
}

// fcfs: only the bank of the oldest request.
void UnifiedController::pick_oldest_row(int64_t tick, Pick& best, int64_t& wake) const {
  const int bank = oldest_bank();
  if (bank < 0) return;
  const int direction = write_mode_ ? 1 : 0;
  const int at = bank & bank_mask_;
  const int domain = bank >> domain_bits_;
  const Rows& rows = rows_[static_cast<size_t>(domain)];
  if (rows.precharge[static_cast<size_t>(direction)].contains(at)) {
    consider(best, bank, lane(direction, bank).miss, DramCommandKind::kPrecharge,
             state_.precharge_ready(bank), tick, wake);
  }
  if (!rows.activate[static_cast<size_t>(direction)].contains(at)) return;
  int64_t ready = state_.any_activate_ready(domain);
  if (state_.shape().rank_domains || ready <= tick)
    ready = state_.edge(std::max(tick, state_.activate_ready(bank)));
  consider(best, bank, lane(direction, bank).head, DramCommandKind::kActivate, ready, tick, wake);
}

// When a bank of the set may be opened at the earliest, as far as it and its group are concerned; `free` if
// that is not before.
int64_t UnifiedController::earliest_activate(const RowSet& set, int first, int domain, int64_t free) const {
  for (uint64_t rest = set.due(); rest != 0; rest &= rest - 1) {
    if (state_.group_activate(first + std::countr_zero(rest)) <= free) return free;
  }
  if (set.due() == 0 && set.next() >= state_.last_group_activate(domain)) return std::max(free, set.next());
  int64_t earliest = kNever;
  for (uint64_t rest = set.banks(); rest != 0; rest &= rest - 1) {
    const int at = std::countr_zero(rest);
    earliest = std::min(earliest, std::max(set.ready(at), state_.group_activate(first + at)));
  }
  return std::max(free, earliest);
}

// The oldest of those that are due, if the domain and the bus allow one; else when they will.
void UnifiedController::pick_activates(int domain, int64_t tick, Pick& best, int64_t& wake) {
  const int64_t free = state_.domain_activate(domain);
  if (!state_.shape().rank_domains && state_.edge(free) > tick) {  // one window for all of them
    wake = std::min(wake, state_.edge(free));
    return;
  }
  const int direction = write_mode_ ? 1 : 0;
  RowSet& set = rows_[static_cast<size_t>(domain)].activate[static_cast<size_t>(direction)];
  const int first = (domain << domain_bits_) & ~bank_mask_;
  set.pass_to(tick);
  int found = -1;
  if (free <= tick && state_.is_edge(tick)) {
    for (uint64_t rest = set.due(); rest != 0; rest &= rest - 1) {
      const int at = std::countr_zero(rest);
      const bool better = (set.order(at) < best.order) & (state_.group_activate(first + at) <= tick);
      best.order = better ? set.order(at) : best.order;
      found = better ? at : found;
    }
  }
  if (found < 0) {
    wake = std::min(wake, state_.edge(earliest_activate(set, first, domain, std::max(free, tick))));
    return;
  }
  best.bank = first + found;
  best.entry = lane(direction, best.bank).head;
  best.kind = DramCommandKind::kActivate;
}

void UnifiedController::pick_precharges(int domain, int64_t tick, Pick& best, int64_t& wake) {
  const int direction = write_mode_ ? 1 : 0;
  RowSet& set = rows_[static_cast<size_t>(domain)].precharge[static_cast<size_t>(direction)];
  set.pass_to(tick);
  const int64_t free = state_.domain_precharge(domain);
  if (free > tick || set.due() == 0) {
    wake = std::min(wake, std::max(free, set.due() != 0 ? tick : set.next()));
    return;
  }
  int found = -1;
  for (uint64_t rest = set.due(); rest != 0; rest &= rest - 1) {
    const int at = std::countr_zero(rest);
    const bool better = set.order(at) < best.order;
    best.order = better ? set.order(at) : best.order;
    found = better ? at : found;
  }
  if (found < 0) return;
  best.bank = ((domain << domain_bits_) & ~bank_mask_) + found;
  best.entry = lane(direction, best.bank).miss;
  best.kind = DramCommandKind::kPrecharge;
}

// Row policy closed: a bank whose open row nobody waits for is closed when the slot has nothing better.
void UnifiedController::pick_idle_close(int64_t tick, Pick& best, int64_t& wake) const {
  if (!close_idle_rows_ || best.bank >= 0) return;
  for (int bank = 0; bank < state_.shape().banks_per_channel; ++bank) {
    const bool idle = state_.is_open(bank) && active(bank) == kNone && lane(0, bank).hit == kNone &&
                      lane(1, bank).hit == kNone;
    if (idle)
      consider(best, bank, kNone, DramCommandKind::kPrecharge, state_.precharge_ready(bank), tick, wake);
  }
}

}  // namespace rdusim::sim
