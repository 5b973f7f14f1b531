// What the unified-queue controller puts on its command buses in one tick.
#include <bit>

#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

// --- candidates

// fcfs: the bank of the oldest request of the direction in use; -1 if none waits or any bank may go.
int UnifiedController::oldest_bank() const {
  if (scheduling_ != DramScheduling::kFirstCome) return -1;
  const int direction = write_mode_ ? 1 : 0;
  int oldest = -1;
  uint64_t order = ~uint64_t{0};
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    uint64_t waiting = pseudo_channel(p).waiting[static_cast<size_t>(direction)];
    for (; waiting != 0; waiting &= waiting - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(waiting);
      const uint64_t head = lane(direction, bank).head->order;
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

// The oldest active request of the pseudo channel that may go in `tick` and is older than `oldest`. Notes
// when the next of the others may.
void UnifiedController::scan_active(int p, int64_t tick, Entry*& oldest) {
  PseudoChannel& channel = pseudo_channel(p);
  channel.active.pass_to(tick);
  int64_t others = channel.active.next();
  for (uint64_t rest = channel.active.due(); rest != 0; rest &= rest - 1) {
    Entry* const e = active((p << bank_bits_) + std::countr_zero(rest));
    const int64_t ready = state_.column_ready(e->bank, e->write);
    if (ready > tick || (oldest != kNone && oldest->order < e->order)) {
      others = std::min(others, ready);
      continue;
    }
    if (oldest != kNone) {  // it goes later after all
      const int before = pseudo_channel_of(oldest->bank);
      int64_t& its = before == p ? others : pseudo_channel(before).active_ready;
      its = std::min(its, tick);
    }
    oldest = e;
  }
  channel.active_ready = others;
}

// The oldest active request that may go in `tick`. Ready times only rise, so a channel that is known to have
// none before a later tick needs no look.
UnifiedController::Entry* UnifiedController::pick_active(int64_t tick) {
  Entry* oldest = kNone;
  const int count = state_.shape().pseudo_channels;
  for (int p = 0; p < count; ++p) {
    if (pseudo_channel(p).active_ready <= tick) scan_active(p, tick, oldest);
  }
  active_ready_ = kNever;
  for (int p = 0; p < count; ++p) active_ready_ = std::min(active_ready_, pseudo_channel(p).active_ready);
  return oldest;
}

// When none of them may go in `tick`: the earliest tick at which one may. Those whose own timing holds them
// beyond the earliest so far are not looked at.
int64_t UnifiedController::active_wake() {
  int64_t wake = kNever;
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    PseudoChannel& channel = pseudo_channel(p);
    const RowSet& set = channel.active;
    int64_t earliest = kNever;
    for (uint64_t rest = set.banks(); rest != 0; rest &= rest - 1) {
      const int at = std::countr_zero(rest);
      if (set.ready(at) >= earliest) continue;
      const Entry& e = *active((p << bank_bits_) + at);
      earliest = std::min(earliest, state_.column_ready(e.bank, e.write));
    }
    channel.active_ready = earliest;
    wake = std::min(wake, earliest);
  }
  active_ready_ = wake;
  return wake;
}

// Oldest first: one that is ready ends the search. When none is, `wake` is lowered to the earliest tick at
// which one may be.
inline UnifiedController::Entry* UnifiedController::ready_hit(int64_t tick, int64_t& wake) const {
  if (scheduling_ == DramScheduling::kFirstCome || !state_.column_bus_takes(tick)) [[unlikely]]
    return ready_oldest(tick, wake);
  const bool write = write_mode_;
  int best = -1;
  uint64_t order = ~uint64_t{0};
  int64_t next = kNever;
  const int count = state_.shape().pseudo_channels;
  for (int p = 0; p < count; ++p) {
    const OldestFirst& hits = pseudo_channel(p).hits[write ? 1 : 0];
    int at = hits.first();
    if (at == OldestFirst::kEnd) continue;
    if (const int64_t any = state_.any_column_ready(p, write); any > tick) {
      wake = std::min(wake, any);
      continue;
    }
    const int first = p << bank_bits_;
    do {
      const int64_t ready = state_.bank_column_ready(first + at, write);
      if (ready <= tick) {
        if (hits.order(at) < order) {
          order = hits.order(at);
          best = first + at;
        }
        break;
      }
      next = std::min(next, ready);
      at = hits.next(at);
    } while (at != OldestFirst::kEnd);
  }
  if (best >= 0) return lane(write ? 1 : 0, best).hit;
  wake = std::min(wake, state_.edge(next));
  return kNone;
}

// The same in order of arrival, where only the bank of the oldest request may go, and while the bus is busy.
UnifiedController::Entry* UnifiedController::ready_oldest(int64_t tick, int64_t& wake) const {
  const bool in_order = scheduling_ == DramScheduling::kFirstCome;
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    const OldestFirst& hits = pseudo_channel(p).hits[write_mode_ ? 1 : 0];
    if (hits.empty()) continue;
    if (in_order && (pseudo_channel_of(only) != p || !hits.contains(only & bank_mask_))) continue;
    if (const int64_t any = state_.any_column_ready(p, write_mode_); any > tick) {
      wake = std::min(wake, any);
      continue;
    }
    for (int at = hits.first(); at != OldestFirst::kEnd; at = hits.next(at)) {
      const int bank = (p << bank_bits_) + at;
      if (in_order && bank != only) continue;
      const int64_t ready = state_.column_ready(bank, write_mode_);
      if (ready <= tick) return lane(write_mode_ ? 1 : 0, bank).hit;
      wake = std::min(wake, ready);
    }
  }
  return kNone;
}

// --- column commands

void UnifiedController::unlink(const Entry& e) {
  Lane& l = lane(e.write ? 1 : 0, e.bank);
  if (l.hit == &e) l.hit = find_from(e.next, e.row, true);
  if (l.miss == &e) l.miss = find_from(e.next, state_.open_row(e.bank), false);
  (e.previous == kNone ? l.head : e.previous->next) = e.next;
  (e.next == kNone ? l.tail : e.next->previous) = e.previous;
  --queued_[e.write ? 1 : 0];
  if (e.write || queued_[0] == 0 || write_mode_ || mode_flips_) length_changed();
}

// As unlink and place; while only hits wait in the bank, all that changes is which one is the oldest.
inline void UnifiedController::unlink_hit(const Entry& e, PseudoChannel& channel) {
  const int direction = e.write ? 1 : 0;
  Lane& l = lane(direction, e.bank);
  if (e.next == kNone || l.miss != kNone || scheduling_ == DramScheduling::kFirstCome) {
    unlink(e);
    place(direction, e.bank);
    return;
  }
  l.head = l.hit = e.next;  // the oldest hit was the oldest of all
  e.next->previous = kNone;
  --queued_[static_cast<size_t>(direction)];
  if (e.write | write_mode_ | mode_flips_ | (queued_[0] == 0)) length_changed();
  channel.hits[static_cast<size_t>(direction)].advance(e.bank & bank_mask_, e.next->order);
}

// The bank has moved data: it may be closed later only.
void UnifiedController::put_off_close(int bank) {
  for (RowSet& set : rows_of(bank).precharge) set.put_off(bank & bank_mask_, state_.bank_precharge(bank));
}

inline void UnifiedController::issue_column(Entry& e, int64_t tick) {
  const int bank = e.bank;
  const bool write = e.write;
  const int number = pseudo_channel_of(bank);
  PseudoChannel& channel = pseudo_channel(number);
  const uint64_t bit = bit_of(bank);
  stats_.row_hits += static_cast<int64_t>(!e.counted);
  state_.column(bank, write, tick);
  record(write ? DramCommandKind::kWrite : DramCommandKind::kRead, bank, tick, e.row, e.column);
  count_column(write, static_cast<size_t>(number));
  if (write) {
    post(tick, e.tag, true);
  } else {
    complete_read(tick + state_.timing().read_latency, e.tag);
  }
  if (Entry*& active = active_[static_cast<size_t>(bank)]; active == &e) {
    active = kNone;
    channel.active.remove(bank & bank_mask_);
    place_close(bank);  // requests for other rows may close the bank now
  } else {
    unlink_hit(e, channel);
  }
  e.next = free_;
  free_ = &e;
  const bool closes = (channel.closing & bit) != 0;
  if (closes) put_off_close(bank);
  if (!refreshes_.empty()) {
    row_wake_ = tick;
  } else if (closes || close_idle_rows_) {
    row_wake_ = std::min(row_wake_, state_.precharge_ready(bank));
  }
  if (scheduling_ == DramScheduling::kFirstCome) rescan(tick + 1);
}

// --- slots

inline void UnifiedController::column_slot(int64_t tick) {
  Entry* next = active_ready_ <= tick ? pick_active(tick) : kNone;
  int64_t wake = kNever;
  if (next == kNone && refreshes_.empty()) next = ready_hit(tick, wake);
  if (next == kNone) [[unlikely]] {
    column_wake_ = std::min(active_wake(), wake);
    return;
  }
  issue_column(*next, tick);
  column_wake_ = column_free_ = state_.column_bus_free();
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
  int64_t wake = kNever;
  column_wake_ = row_wake_ = kNever;
  bool issued = true;
  Entry* column = active_ready_ <= tick ? pick_active(tick) : kNone;
  if (column != kNone) {
    issue_column(*column, tick);
  } else if (!refreshes_.empty()) {
    issued = refresh_slot(tick, wake);
  } else if (refresh_ != DramRefresh::kPerBank || !bank_refresh_slot(tick, wake)) {
    column = ready_hit(tick, wake);
    Pick best;
    if (column != kNone) best.order = column->order;
    pick_rows(tick, best, wake);
    if (column == kNone) pick_idle_close(tick, best, wake);
    if (best.bank >= 0) {
      issue(best, tick);
    } else if (column != kNone) {
      issue_column(*column, tick);
    } else {
      issued = false;
    }
  }
  wake = issued ? state_.row_bus_free() : std::min(wake, active_wake());
  rescan(wake);
}

void UnifiedController::tick(int64_t tick) {
  if (tick >= refresh_due_) [[unlikely]]
    refresh_becomes_due(tick);
  settle_mode(tick);
  if (single_bus_) {
    if (std::min(column_wake_, row_wake_) <= tick) single_slot(tick);
  } else {
    if (column_wake_ <= tick && state_.is_edge(tick)) column_slot(tick);
    settle_mode(tick);
    if (row_wake_ <= tick) row_slot(tick);
  }
  mode_wake_ = kNever;
  if (mode_flips_ && refreshes_.empty()) [[unlikely]]
    mode_wake_ = tick + 1;
  column_wake_ = std::max(column_wake_, tick + 1);
  row_wake_ = std::max(row_wake_, tick + 1);
  find_next_tick();
}

// --- commands

void UnifiedController::count_first(Entry& e, int64_t DramStats::*counter) {
  if (e.counted) return;
  e.counted = true;
  ++(stats_.*counter);
}

void UnifiedController::close_bank(int bank, int64_t tick) {
  state_.precharge(bank, tick);
  record(DramCommandKind::kPrecharge, bank, tick);
  ++stats_.precharges;
  row_closed(bank);
}

void UnifiedController::issue(const Pick& pick, int64_t tick) {
  if (pick.kind == DramCommandKind::kPrecharge) {
    if (pick.entry != kNone) count_first(*pick.entry, &DramStats::row_conflicts);
    close_bank(pick.bank, tick);
    return;
  }
  count_first(*pick.entry, &DramStats::row_misses);
  const Entry& e = *pick.entry;
  unlink(e);
  state_.activate(pick.bank, e.row, tick);
  record(DramCommandKind::kActivate, pick.bank, tick, e.row);
  count_activate(pick.bank);
  active_[static_cast<size_t>(pick.bank)] = pick.entry;
  PseudoChannel& channel = pseudo_channel(pseudo_channel_of(pick.bank));
  channel.active.place(pick.bank & bank_mask_, state_.bank_column(pick.bank, e.write), e.order);
  row_opened(pick.bank);
  const int64_t ready = std::min(state_.column_ready(pick.bank, false), state_.column_ready(pick.bank, true));
  column_wake_ = std::min(column_wake_, ready);
  channel.active_ready = std::min(channel.active_ready, state_.bank_column(pick.bank, e.write));
  active_ready_ = std::min(active_ready_, channel.active_ready);
}

}  // namespace rdusim::sim
