// What the unified-queue controller puts on its command buses in one tick.
#include <bit>

#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

// --- candidates

void UnifiedController::consider(Pick& best, int bank, Entry* request, DramCommandKind kind, int64_t ready,
                                 int64_t tick, int64_t& wake) const {
  if (ready > tick) {
    wake = std::min(wake, ready);
    return;
  }
  const uint64_t order = request == kNone ? ~uint64_t{0} - 1 : request->order;
  if (order < best.order) best = {bank, request, kind, order};
}

// fcfs: the bank of the oldest request of the direction in use; -1 if none waits or any bank may go.
int UnifiedController::oldest_bank() const {
  if (scheduling_ != DramScheduling::kFirstCome) return -1;
  const int direction = write_mode_ ? 1 : 0;
  int oldest = -1;
  uint64_t order = ~uint64_t{0};
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    uint64_t waiting = pseudo_channel(p).masks[static_cast<size_t>(direction)].waiting;
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

// Notes when the next of the others may go: ready times only rise.
UnifiedController::Pick UnifiedController::pick_active(int64_t tick) {
  Pick best;
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    PseudoChannel& channel = pseudo_channel(p);
    if (channel.active_ready > tick) continue;
    int64_t others = kNever;
    for (uint64_t mask = channel.active; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      Entry& e = *active(bank);
      if (const int64_t open = state_.row_open(bank, e.write); open > tick) {
        others = std::min(others, open);
        continue;
      }
      const int64_t ready = state_.column_ready(bank, e.write);
      if (ready > tick || e.order >= best.order) {
        others = std::min(others, ready);
        continue;
      }
      if (best.bank >= 0) {  // it goes later after all
        int64_t& earlier = pseudo_channel_of(best.bank) == p
                               ? others
                               : pseudo_channel(pseudo_channel_of(best.bank)).active_ready;
        earlier = std::min(earlier, tick);
      }
      best = {bank, &e, e.write ? DramCommandKind::kWrite : DramCommandKind::kRead, e.order};
    }
    channel.active_ready = others;
  }
  active_ready_ = kNever;
  for (int p = 0; p < state_.shape().pseudo_channels; ++p)
    active_ready_ = std::min(active_ready_, pseudo_channel(p).active_ready);
  return best;
}

// Oldest first: one that is ready ends the search. A bank group that is found too early drops out as a whole.
inline UnifiedController::Entry* UnifiedController::ready_hit(int64_t tick) const {
  if (!state_.column_bus_takes(tick)) return kNone;
  const bool write = write_mode_;
  const bool in_order = scheduling_ == DramScheduling::kFirstCome;
  const int only = in_order ? oldest_bank() : -1;
  Entry* best = kNone;
  const int count = state_.shape().pseudo_channels;
  for (int p = 0; p < count; ++p) {
    if (state_.any_column_ready(p, write) > tick) continue;
    const OldestFirst& hits = pseudo_channel(p).hits[write ? 1 : 0];
    const int first = p << bank_bits_;
    uint64_t early = in_order ? ~allowed(p, only) : 0;
    for (int at = hits.first(); at != OldestFirst::kEnd; at = hits.next(at)) {
      if ((early >> at & 1) != 0) continue;
      if (state_.group_column_ready(first + at, write) > tick) {
        early |= group_of(at);
      } else if (state_.bank_takes_column(first + at, write, tick)) {
        Entry* hit = lane(write ? 1 : 0, first + at).hit;
        if (best == kNone || hit->order < best->order) best = hit;
        break;
      }
    }
  }
  return best;
}

// When none of the column commands that wait may go in `tick`: the earliest tick at which one may.
int64_t UnifiedController::active_wake() const {
  int64_t wake = kNever;
  for (int p = 0; active_count_ > 0 && p < state_.shape().pseudo_channels; ++p) {
    for (uint64_t mask = pseudo_channel(p).active; mask != 0; mask &= mask - 1) {
      const int bank = (p << bank_bits_) + std::countr_zero(mask);
      wake = std::min(wake, state_.column_ready(bank, active(bank)->write));
    }
  }
  return wake;
}

int64_t UnifiedController::hit_wake(int64_t tick) const {
  int64_t wake = kNever;
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    const OldestFirst& hits = pseudo_channel(p).hits[write_mode_ ? 1 : 0];
    if (hits.empty()) continue;
    if (only >= 0 && (pseudo_channel_of(only) != p || !hits.contains(only & bank_mask_))) continue;
    if (const int64_t ready = state_.any_column_ready(p, write_mode_); ready > tick) {
      wake = std::min(wake, ready);
      continue;
    }
    const uint64_t allow = allowed(p, only);
    for (int at = hits.first(); at != OldestFirst::kEnd; at = hits.next(at)) {
      if ((allow >> at & 1) != 0)
        wake = std::min(wake, state_.column_ready((p << bank_bits_) + at, write_mode_));
    }
  }
  return wake;
}

void UnifiedController::pick_rows(int64_t tick, Pick& best, int64_t& wake) const {
  const int only = oldest_bank();
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    const Masks& masks = pseudo_channel(p).masks[write_mode_ ? 1 : 0];
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
  const int direction = write_mode_ ? 1 : 0;
  for (; banks != 0; banks &= banks - 1) {
    const int bank = (pseudo_channel << bank_bits_) + std::countr_zero(banks);
    consider(best, bank, lane(direction, bank).head, DramCommandKind::kActivate,
             state_.edge(std::max(tick, state_.activate_ready(bank))), tick, wake);
  }
}

void UnifiedController::pick_precharges(int pseudo_channel, uint64_t banks, int64_t tick, Pick& best,
                                        int64_t& wake) const {
  const int direction = write_mode_ ? 1 : 0;
  for (; banks != 0; banks &= banks - 1) {
    const int bank = (pseudo_channel << bank_bits_) + std::countr_zero(banks);
    consider(best, bank, lane(direction, bank).miss, DramCommandKind::kPrecharge,
             state_.precharge_ready(bank), tick, wake);
  }
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

// As unlink and update_masks; while only hits wait in the bank, all that changes is which one is the oldest.
inline void UnifiedController::unlink_hit(const Entry& e, PseudoChannel& channel) {
  const int direction = e.write ? 1 : 0;
  Lane& l = lane(direction, e.bank);
  if (e.next == kNone || l.miss != kNone || scheduling_ == DramScheduling::kFirstCome) {
    unlink(e);
    update_masks(direction, e.bank);
    return;
  }
  l.head = l.hit = e.next;  // the oldest hit was the oldest of all
  e.next->previous = kNone;
  --queued_[static_cast<size_t>(direction)];
  if (e.write | write_mode_ | mode_flips_ | (queued_[0] == 0)) length_changed();
  channel.hits[static_cast<size_t>(direction)].advance(e.bank & bank_mask_, e.next->order);
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
    --active_count_;
    channel.active &= ~bit;
    update_masks(bank);  // requests for other rows may close the bank now
  } else {
    unlink_hit(e, channel);
  }
  e.next = free_;
  free_ = &e;
  if (!refreshes_.empty()) {
    row_wake_ = tick;
  } else if (close_idle_rows_ ||
             ((channel.masks[0].precharge | channel.masks[1].precharge | channel.blocked) & bit) != 0) {
    row_wake_ = std::min(row_wake_, state_.precharge_ready(bank));
  }
  if (scheduling_ == DramScheduling::kFirstCome) rescan(tick + 1);
}

// --- slots

inline void UnifiedController::column_slot(int64_t tick) {
  const bool hits = refreshes_.empty();
  Entry* next = kNone;
  if (active_ready_ <= tick) next = pick_active(tick).entry;
  if (next == kNone && hits) next = ready_hit(tick);
  if (next == kNone) [[unlikely]] {
    column_wake_ = std::min(active_wake(), hits ? hit_wake(tick) : kNever);
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
  Pick best = active_ready_ <= tick ? pick_active(tick) : Pick{};
  bool issued = false;
  bool hits = false;
  if (best.bank < 0 && !refreshes_.empty()) {
    issued = refresh_slot(tick, wake);
  } else if (best.bank < 0) {
    issued = refresh_ == DramRefresh::kPerBank && bank_refresh_slot(tick, wake);
    hits = !issued;
    if (hits) {
      if (Entry* hit = ready_hit(tick); hit != kNone)
        best = {hit->bank, hit, hit->write ? DramCommandKind::kWrite : DramCommandKind::kRead, hit->order};
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

void UnifiedController::tick(int64_t tick) {
  if (tick >= refresh_due_) [[unlikely]]
    refresh_becomes_due(tick);
  settle_mode(tick);
  if (single_bus_) {
    if (std::min(column_wake_, row_wake_) <= tick) single_slot(tick);
  } else {
    if (column_wake_ <= tick && state_.edge(tick) == tick) column_slot(tick);
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
  row_changed(bank);
}

void UnifiedController::issue(const Pick& pick, int64_t tick) {
  if (pick.kind == DramCommandKind::kRead || pick.kind == DramCommandKind::kWrite) {
    issue_column(*pick.entry, tick);
    return;
  }
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
  ++active_count_;
  pseudo_channel(pseudo_channel_of(pick.bank)).active |= bit_of(pick.bank);
  row_changed(pick.bank);
  const int64_t ready = std::min(state_.column_ready(pick.bank, false), state_.column_ready(pick.bank, true));
  column_wake_ = std::min(column_wake_, ready);
  int64_t& active_ready = pseudo_channel(pseudo_channel_of(pick.bank)).active_ready;
  active_ready = std::min(active_ready, state_.column_ready(pick.bank, e.write));
  active_ready_ = std::min(active_ready_, active_ready);
}

}  // namespace rdusim::sim
