// What the unified-queue controller puts on its command buses in one tick.
#include <bit>

#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

// --- candidates

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
    uint64_t waiting = masks_[static_cast<size_t>(direction)][static_cast<size_t>(p)].waiting;
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

void UnifiedController::pick_active(int64_t tick, Pick& best, int64_t& wake) const {
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    for (uint64_t mask = active_mask_[static_cast<size_t>(p)]; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      const Index index = active_[static_cast<size_t>(bank)];
      const bool write = entry(index).write;
      consider(best, bank, index, write ? DramCommandKind::kWrite : DramCommandKind::kRead,
               state_.column_ready(bank, write), tick, wake);
    }
  }
}

void UnifiedController::pick_hits(int64_t tick, Pick& best, int64_t& wake) const {
  const int direction = write_mode_ ? 1 : 0;
  const DramCommandKind kind = write_mode_ ? DramCommandKind::kWrite : DramCommandKind::kRead;
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    uint64_t mask = masks_[static_cast<size_t>(direction)][static_cast<size_t>(p)].hit & allowed(p, only);
    if (mask == 0) continue;
    if (const int64_t ready = state_.any_column_ready(p, write_mode_); ready > tick) {
      wake = std::min(wake, ready);
      continue;
    }
    for (; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      consider(best, bank, lane(direction, bank).hit, kind, state_.column_ready(bank, write_mode_), tick,
               wake);
    }
  }
}

void UnifiedController::pick_rows(int64_t tick, Pick& best, int64_t& wake) const {
  const int direction = write_mode_ ? 1 : 0;
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    const Masks& masks = masks_[static_cast<size_t>(direction)][static_cast<size_t>(p)];
    const uint64_t allow = allowed(p, only);
    uint64_t activate = masks.activate & allow;
    if (activate != 0 && !state_.shape().rank_domains) {
      if (const int64_t ready = state_.any_activate_ready(p); ready > tick) {  // one window for all of them
        wake = std::min(wake, ready);
        activate = 0;
      }
    }
    for (uint64_t mask = activate; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      consider(best, bank, lane(direction, bank).head, DramCommandKind::kActivate,
               state_.edge(std::max(tick, state_.activate_ready(bank))), tick, wake);
    }
    for (uint64_t mask = masks.precharge & allow; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      consider(best, bank, lane(direction, bank).miss, DramCommandKind::kPrecharge,
               state_.precharge_ready(bank), tick, wake);
    }
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
  int64_t wake = kNever;
  if (active_count_ > 0) pick_active(tick, best, wake);
  if (best.bank < 0 && refreshes_.empty()) pick_hits(tick, best, wake);
  column_wake_ = wake;
  if (best.bank < 0) return;
  issue(best, tick);
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
  if (active_count_ > 0) pick_active(tick, best, wake);
  bool issued = false;
  if (best.bank < 0 && !refreshes_.empty()) {
    issued = refresh_slot(tick, wake);
  } else if (best.bank < 0) {
    issued = refresh_ == DramRefresh::kPerBank && bank_refresh_slot(tick, wake);
    if (!issued) {
      pick_hits(tick, best, wake);
      pick_rows(tick, best, wake);
      pick_idle_close(tick, best, wake);
    }
  }
  if (best.bank >= 0) {
    issue(best, tick);
    issued = true;
  }
  rescan(issued ? state_.row_bus_free() : wake);
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
  column_wake_ = std::min(
      column_wake_, std::min(state_.column_ready(pick.bank, false), state_.column_ready(pick.bank, true)));
}

void UnifiedController::issue_column(Index index, int64_t tick) {
  const Entry& e = entry(index);
  const int bank = e.bank;
  Index& active = active_[static_cast<size_t>(bank)];
  const bool was_active = active == index;
  count_first(index, &DramStats::row_hits);
  if (was_active) {
    active = kNone;
    --active_count_;
    active_mask_[static_cast<size_t>(pseudo_channel_of(bank))] &= ~bit_of(bank);
  } else {
    unlink(index);
  }
  state_.column(bank, e.write, tick);
  record(e.write ? DramCommandKind::kWrite : DramCommandKind::kRead, bank, tick, e.row, e.column);
  count_column(bank, e.write);
  if (e.write) {
    posted_.push({tick, e.tag, true});
  } else {
    done_.push({tick + state_.timing().read_latency, e.tag, false});
  }
  release(index);
  if (was_active) {
    update_masks(bank);  // requests for other rows may close the bank now
  } else {
    update_masks(e.write ? 1 : 0, bank);
  }
  const auto channel = static_cast<size_t>(pseudo_channel_of(bank));
  const uint64_t closable = masks_[0][channel].precharge | masks_[1][channel].precharge | blocked_[channel];
  if (!refreshes_.empty()) {
    row_wake_ = tick;
  } else if (close_idle_rows_ || (closable & bit_of(bank)) != 0) {
    row_wake_ = std::min(row_wake_, state_.precharge_ready(bank));
  }
  if (scheduling_ == DramScheduling::kFirstCome) rescan(tick + 1);
}

// --- refresh

bool UnifiedController::refresh_slot(int64_t tick, int64_t& wake) {
  const int domain = refreshes_.front();
  const int count = state_.shape().banks_per_domain();
  bool open = false;
  for (int bank = domain * count; bank < (domain + 1) * count; ++bank) {
    if (active_[static_cast<size_t>(bank)] != kNone) return false;  // its column command wakes the slot again
    open = open || state_.is_open(bank);
  }
  const int64_t ready =
      open ? state_.precharge_all_ready(domain) : state_.edge(std::max(tick, state_.refresh_ready(domain)));
  if (ready > tick) {
    wake = std::min(wake, ready);
    return false;
  }
  if (open) {
    state_.precharge_all(domain, tick);
    record(DramCommandKind::kPrechargeAll, domain * count, tick);
    ++stats_.precharges;
    for (int bank = domain * count; bank < (domain + 1) * count; ++bank) row_changed(bank);
    return true;
  }
  state_.refresh(domain, tick);
  record(DramCommandKind::kRefresh, domain * count, tick);
  ++stats_.refreshes;
  refreshes_.pop();
  if (refreshes_.empty()) rescan(tick + 1);
  return true;
}

// One bank of a pseudo channel at a time: it takes no new request, is closed and refreshed; the others go on.
bool UnifiedController::bank_refresh_slot(int64_t tick, int64_t& wake) {
  const int banks = state_.shape().banks_per_pseudo_channel;
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    BankRefresh& refresh = bank_refresh_[static_cast<size_t>(p)];
    uint64_t& blocked = blocked_[static_cast<size_t>(p)];
    if (refresh.bank < 0 && refresh.owed > 0) {
      refresh.bank = p * banks + refresh.next;
      refresh.next = (refresh.next + 1) % banks;
      blocked |= bit_of(refresh.bank);
      update_masks(refresh.bank);
    }
    const int bank = refresh.bank;
    if (bank < 0 || active_[static_cast<size_t>(bank)] != kNone) continue;
    const bool open = state_.is_open(bank);
    const int64_t ready =
        open ? state_.precharge_ready(bank) : state_.edge(std::max(tick, state_.refresh_bank_ready(bank)));
    if (ready > tick) {
      wake = std::min(wake, ready);
      continue;
    }
    if (open) {
      close_bank(bank, tick);
      return true;
    }
    state_.refresh_bank(bank, tick);
    record(DramCommandKind::kRefreshBank, bank, tick);
    ++stats_.bank_refreshes;
    --refresh.owed;
    refresh.bank = -1;
    blocked &= ~bit_of(bank);
    update_masks(bank);
    rescan(tick + 1);
    return true;
  }
  return false;
}

}  // namespace rdusim::sim
