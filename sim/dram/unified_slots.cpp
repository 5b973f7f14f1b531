// What the unified-queue controller puts on its command buses in one tick.
#include <bit>

#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

// --- candidates

namespace {

// Of the banks in `mask`, the one with the lowest order.
int oldest_of(const uint64_t* orders, uint64_t mask) {
  int oldest = std::countr_zero(mask);
  uint64_t order = orders[oldest];
  for (mask &= mask - 1; mask != 0; mask &= mask - 1) {
    const int bank = std::countr_zero(mask);
    oldest = orders[bank] < order ? bank : oldest;
    order = std::min(order, orders[bank]);
  }
  return oldest;
}

}  // namespace

void UnifiedController::consider(Pick& best, int bank, Index index, DramCommandKind kind, int64_t ready,
                                 int64_t tick, int64_t& wake) const {
  if (ready > tick) {
    wake = std::min(wake, ready);
    return;
  }
  const uint64_t order = index == kNone ? ~uint64_t{0} - 1 : entry(index).order;
  if (order < best.order) best = {bank, index, kind, order};
}

// fcfs: the bank of the oldest request of the direction in use; -1 if none waits or any bank may go.
int UnifiedController::oldest_bank() const {
  if (scheduling_ != DramScheduling::kFirstCome) return -1;
  const int direction = write_mode_ ? 1 : 0;
  int oldest = -1;
  uint64_t order = ~uint64_t{0};
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    uint64_t waiting = sides_[static_cast<size_t>(direction)].masks[static_cast<size_t>(p)].waiting;
    for (; waiting != 0; waiting &= waiting - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(waiting);
      const uint64_t head = entry(lane(direction, bank).head).order;
      if (head >= order) continue;
      order = head;
      oldest = bank;
    }
  }
  return oldest;
}

uint64_t UnifiedController::allowed(int pseudo_channel, int only) const {
  if (only < 0) return ~uint64_t{0};
  return pseudo_channel_of(only) == pseudo_channel ? bit_of(only) : 0;
}

void UnifiedController::pick_active(int64_t tick, Pick& best) {
  if (active_ready_ > tick) return;
  active_ready_ = kNever;
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    for (uint64_t mask = active_mask_[static_cast<size_t>(p)]; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      const Index index = active_[static_cast<size_t>(bank)];
      const bool write = entry(index).write;
      consider(best, bank, index, write ? DramCommandKind::kWrite : DramCommandKind::kRead,
               state_.column_ready(bank, write), tick, active_ready_);
    }
  }
  if (best.bank >= 0) active_ready_ = tick;  // another one may be ready too
}

// Oldest first: one that is ready ends the search. The bank group used last is mostly too early and drops out
// before, as every group does that is found to be.
void UnifiedController::pick_hits(int64_t tick, Pick& best) const {
  const Side& side = sides_[write_mode_ ? 1 : 0];
  const DramCommandKind kind = write_mode_ ? DramCommandKind::kWrite : DramCommandKind::kRead;
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    uint64_t mask = side.masks[static_cast<size_t>(p)].hit & allowed(p, only);
    if (mask == 0 || state_.any_column_ready(p, write_mode_) > tick) continue;
    const int first = p << bank_bits_;
    const int used = last_bank_[static_cast<size_t>(p)];
    if (state_.group_column_ready(first + used, write_mode_) > tick) mask &= ~group_of(used);
    const uint64_t* orders = side.hit_orders.data() + first;
    while (mask != 0) {
      const int at = oldest_of(orders, mask);
      if (state_.column_ready(first + at, write_mode_) <= tick) {
        if (orders[at] < best.order)
          best = {first + at, side.lanes[static_cast<size_t>(first + at)].hit, kind, orders[at]};
        break;
      }
      const bool group = state_.group_column_ready(first + at, write_mode_) > tick;
      mask &= ~(group ? group_of(at) : uint64_t{1} << at);
    }
  }
}

// When none of the column commands that wait may go in `tick`: the earliest tick at which one may.
int64_t UnifiedController::active_wake() const {
  int64_t wake = kNever;
  for (int p = 0; active_count_ > 0 && p < state_.shape().pseudo_channels; ++p) {
    for (uint64_t mask = active_mask_[static_cast<size_t>(p)]; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      wake = std::min(wake, state_.column_ready(bank, entry(active_[static_cast<size_t>(bank)]).write));
    }
  }
  return wake;
}

int64_t UnifiedController::hit_wake(int64_t tick) const {
  int64_t wake = kNever;
  const Side& side = sides_[write_mode_ ? 1 : 0];
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    uint64_t mask = side.masks[static_cast<size_t>(p)].hit & allowed(p, only);
    if (mask == 0) continue;
    if (const int64_t ready = state_.any_column_ready(p, write_mode_); ready > tick) {
      wake = std::min(wake, ready);
      continue;
    }
    for (; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      wake = std::min(wake, state_.column_ready(bank, write_mode_));
    }
  }
  return wake;
}

void UnifiedController::pick_rows(int64_t tick, Pick& best, int64_t& wake) const {
  const Side& side = sides_[write_mode_ ? 1 : 0];
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    const Masks& masks = side.masks[static_cast<size_t>(p)];
    const uint64_t allow = allowed(p, only);
    if ((masks.activate & allow) != 0) pick_activates(p, masks.activate & allow, tick, best, wake);
    if ((masks.precharge & allow) != 0) pick_precharges(p, masks.precharge & allow, tick, best, wake);
  }
}

void UnifiedController::pick_activates(int pseudo_channel, uint64_t banks, int64_t tick, Pick& best,
                                       int64_t& wake) const {
  if (!state_.shape().rank_domains) {  // one window for all of them
    if (const int64_t ready = state_.any_activate_ready(pseudo_channel); ready > tick) {
      wake = std::min(wake, ready);
      return;
    }
  }
  const Side& side = sides_[write_mode_ ? 1 : 0];
  for (; banks != 0; banks &= banks - 1) {
    const int bank = (pseudo_channel << bank_bits_) + std::countr_zero(banks);
    consider(best, bank, side.lanes[static_cast<size_t>(bank)].head, DramCommandKind::kActivate,
             state_.edge(std::max(tick, state_.activate_ready(bank))), tick, wake);
  }
}

void UnifiedController::pick_precharges(int pseudo_channel, uint64_t banks, int64_t tick, Pick& best,
                                        int64_t& wake) const {
  const Side& side = sides_[write_mode_ ? 1 : 0];
  for (; banks != 0; banks &= banks - 1) {
    const int bank = (pseudo_channel << bank_bits_) + std::countr_zero(banks);
    consider(best, bank, side.lanes[static_cast<size_t>(bank)].miss, DramCommandKind::kPrecharge,
             state_.precharge_ready(bank), tick, wake);
  }
}

// Row policy closed: a bank whose open row nobody waits for is closed when the slot has nothing better.
void UnifiedController::pick_idle_close(int64_t tick, Pick& best, int64_t& wake) const {
  if (!close_idle_rows_ || best.bank >= 0) return;
  for (int bank = 0; bank < state_.shape().banks_per_channel; ++bank) {
    const bool idle = state_.is_open(bank) && active_[static_cast<size_t>(bank)] == kNone &&
                      lane(0, bank).hit == kNone && lane(1, bank).hit == kNone;
    if (idle)
      consider(best, bank, kNone, DramCommandKind::kPrecharge, state_.precharge_ready(bank), tick, wake);
  }
}

// --- slots

void UnifiedController::column_slot(int64_t tick) {
  Pick best;
  const bool hits = refreshes_.empty();
  if (active_count_ > 0) pick_active(tick, best);
  if (best.bank < 0 && hits) pick_hits(tick, best);
  if (best.bank < 0) {
    column_wake_ = std::min(active_wake(), hits ? hit_wake(tick) : kNever);
    return;
  }
  issue_column(best.entry, tick);
  column_wake_ = state_.column_bus_free();
}

void UnifiedController::row_slot(int64_t tick) {
  int64_t wake = kNever;
  row_wake_ = kNever;
  bool issued = false;
  if (!refreshes_.empty()) {
    issued = refresh_slot(tick, wake);
  } else {
    issued = refresh_ == DramRefresh::kPerBank && bank_refresh_slot(tick, wake);
    Pick best;
    if (!issued) {
      pick_rows(tick, best, wake);
      pick_idle_close(tick, best, wake);
    }
    if (best.bank >= 0) {
      issue(best, tick);
      issued = true;
    }
  }
  row_wake_ = std::min(row_wake_, issued ? state_.row_bus_free() : wake);
}

void UnifiedController::single_slot(int64_t tick) {
  Pick best;
  int64_t wake = kNever;
  column_wake_ = row_wake_ = kNever;
  if (active_count_ > 0) pick_active(tick, best);
  bool issued = false;
  bool hits = false;
  if (best.bank < 0 && !refreshes_.empty()) {
    issued = refresh_slot(tick, wake);
  } else if (best.bank < 0) {
    issued = refresh_ == DramRefresh::kPerBank && bank_refresh_slot(tick, wake);
    hits = !issued;
    if (hits) {
      pick_hits(tick, best);
      pick_rows(tick, best, wake);
      pick_idle_close(tick, best, wake);
    }
  }
  if (best.bank >= 0) {
    issue(best, tick);
    issued = true;
  }
  if (issued) {
    wake = state_.row_bus_free();
  } else {
    wake = std::min(wake, std::min(active_wake(), hits ? hit_wake(tick) : kNever));
  }
  rescan(wake);
}

// --- commands

void UnifiedController::count_first(Index index, int64_t DramStats::*counter) {
  Entry& e = entry(index);
  if (e.counted) return;
  e.counted = true;
  ++(stats_.*counter);
}

void UnifiedController::close_bank(int bank, int64_t tick) {
  state_.precharge(bank, tick);
  record(DramCommandKind::kPrecharge, bank, tick);
  ++stats_.precharges;
  row_changed(bank);
}

void UnifiedController::issue(const Pick& pick, int64_t tick) {
  if (pick.kind == DramCommandKind::kRead || pick.kind == DramCommandKind::kWrite) {
    issue_column(pick.entry, tick);
    return;
  }
  if (pick.kind == DramCommandKind::kPrecharge) {
    if (pick.entry != kNone) count_first(pick.entry, &DramStats::row_conflicts);
    close_bank(pick.bank, tick);
    return;
  }
  count_first(pick.entry, &DramStats::row_misses);
  const Entry& e = entry(pick.entry);
  unlink(pick.entry);
  state_.activate(pick.bank, e.row, tick);
  record(DramCommandKind::kActivate, pick.bank, tick, e.row);
  count_activate(pick.bank);
  active_[static_cast<size_t>(pick.bank)] = pick.entry;
  ++active_count_;
  active_mask_[static_cast<size_t>(pseudo_channel_of(pick.bank))] |= bit_of(pick.bank);
  row_changed(pick.bank);
  const int64_t ready = std::min(state_.column_ready(pick.bank, false), state_.column_ready(pick.bank, true));
  column_wake_ = std::min(column_wake_, ready);
  active_ready_ = std::min(active_ready_, ready);
}

void UnifiedController::issue_column(Index index, int64_t tick) {
  const Entry& e = entry(index);
  const int bank = e.bank;
  const bool write = e.write;
  const auto channel = static_cast<size_t>(pseudo_channel_of(bank));
  const uint64_t bit = bit_of(bank);
  count_first(index, &DramStats::row_hits);
  state_.column(bank, write, tick);
  record(write ? DramCommandKind::kWrite : DramCommandKind::kRead, bank, tick, e.row, e.column);
  count_column(write, channel);
  last_bank_[channel] = bank & bank_mask_;
  if (write) {
    post(tick, e.tag, true);
  } else {
    complete_read(tick + state_.timing().read_latency, e.tag);
  }
  if (Index& active = active_[static_cast<size_t>(bank)]; active == index) {
    active = kNone;
    --active_count_;
    active_mask_[channel] &= ~bit;
    update_masks(bank);  // requests for other rows may close the bank now
  } else {
    unlink(index);
    hit_gone(write ? 1 : 0, bank);
  }
  free_.push_back(index);
  const uint64_t closable =
      sides_[0].masks[channel].precharge | sides_[1].masks[channel].precharge | blocked_[channel];
  if (!refreshes_.empty()) {
    row_wake_ = tick;
  } else if (close_idle_rows_ || (closable & bit) != 0) {
    row_wake_ = std::min(row_wake_, state_.precharge_ready(bank));
  }
  if (scheduling_ == DramScheduling::kFirstCome) rescan(tick + 1);
}

// As update_masks; while only hits wait in the bank, all that changes is which one is the oldest.
void UnifiedController::hit_gone(int direction, int bank) {
  const Lane& l = lane(direction, bank);
  if (l.hit == kNone || l.miss != kNone || scheduling_ == DramScheduling::kFirstCome) {
    update_masks(direction, bank);
    return;
  }
  sides_[static_cast<size_t>(direction)].hit_orders[static_cast<size_t>(bank)] = entry(l.hit).order;
}

}  // namespace rdusim::sim
