// Queues, refresh and direction of the unified-queue controller; its slots are in unified_slots.cpp and
// unified_refresh.cpp.
#include "sim/dram/unified_controller.h"

#include <bit>
#include <cmath>

namespace rdusim::sim {
namespace {

DramScheduling scheduling_of(const std::string& name) {
  if (name == "fcfs") return DramScheduling::kFirstCome;
  return name == "fr_fcfs" ? DramScheduling::kFirstReady : DramScheduling::kRowHitFirst;
}

DramRefresh refresh_of(const std::string& name) {
  if (name == "none") return DramRefresh::kNone;
  if (name == "per_bank") return DramRefresh::kPerBank;
  return name == "staggered" ? DramRefresh::kStaggered : DramRefresh::kAllBank;
}

}  // namespace

UnifiedController::UnifiedController(const DramSpec& spec)
    : DramController(spec),
      scheduling_(scheduling_of(spec.controller.scheduler)),
      refresh_(refresh_of(spec.controller.refresh)),
      single_bus_(spec.command_bus.style == "single"),
      close_idle_rows_(spec.controller.row_policy == "closed") {
  const DramControllerSpec& c = spec.controller;
  const DramShape& shape = state_.shape();
  bank_bits_ = std::countr_zero(static_cast<unsigned>(shape.banks_per_pseudo_channel));
  group_place_ = shape.banks_per_group - 1;
  group_mask_ = shape.banks_per_group == 64 ? ~uint64_t{0} : (uint64_t{1} << shape.banks_per_group) - 1;
  bank_mask_ = shape.banks_per_pseudo_channel - 1;
  capacity_ = {static_cast<int>(c.read_queue), static_cast<int>(c.write_queue)};
  low_ = static_cast<int>(std::ceil(c.write_low_watermark * static_cast<double>(c.write_queue)));
  high_ = static_cast<int>(std::floor(c.write_high_watermark * static_cast<double>(c.write_queue)));
  const auto banks = static_cast<size_t>(shape.banks_per_channel);
  domain_bits_ = std::countr_zero(static_cast<unsigned>(shape.banks_per_domain()));
  rows_.resize(static_cast<size_t>(shape.domains));
  lanes_.resize(banks);
  active_.assign(banks, kNone);
  entries_.resize(static_cast<size_t>(capacity_[0] + capacity_[1]) + banks);
  for (size_t i = entries_.size(); i > 0; --i) {
    entries_[i - 1].next = free_;
    free_ = &entries_[i - 1];
  }
  if (refresh_ == DramRefresh::kAllBank) refresh_interval_ = state_.timing().refi;
  if (refresh_ == DramRefresh::kStaggered) refresh_interval_ = state_.timing().refi / shape.domains;
  if (refresh_ == DramRefresh::kPerBank) refresh_interval_ = state_.timing().refi_bank;
  if (refresh_interval_ > 0) refresh_due_ = refresh_interval_;
  find_next_tick();
}

// --- queues

UnifiedController::Entry* UnifiedController::find_same(int direction, const DramLocation& location) const {
  for (Entry* i = lane(direction, location.bank).head; i != kNone; i = i->next) {
    if (i->row == location.row && i->column == location.column) return i;
  }
  return kNone;
}

// A new request in the direction in use may go as soon as its bank can.
void UnifiedController::wake_submitted(const Entry& added) {
  const int bank = added.bank;
  const int32_t open = state_.open_row(bank);
  int64_t ready = 0;
  if (open == added.row) {
    ready = std::max(added.arrival, state_.column_ready(bank, added.write));
    column_wake_ = std::min(column_wake_, ready);
  } else {
    ready = std::max(added.arrival, open < 0 ? state_.activate_ready(bank) : state_.precharge_ready(bank));
    row_wake_ = std::min(row_wake_, ready);
  }
  next_tick_ = std::min(next_tick_, ready);
}

// A write to a burst that waits to be written replaces it, and a read of one takes its data.
bool UnifiedController::absorb(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) {
  if (find_same(1, location) == kNone) return false;
  if (write) {
    ++stats_.coalesced_writes;
    post(arrival, tag, true);
  } else {  // data returns in order
    ++stats_.forwarded_reads;
    complete_read(std::max(arrival, last_read()), tag);
  }
  return true;
}

// What the first request of a lane changes, or the first for the open row or for another.
void UnifiedController::place_first(Entry& added) {
  Lane& l = lane(added.write ? 1 : 0, added.bank);
  const int32_t open = state_.open_row(added.bank);
  if (open == added.row) {
    l.hit = &added;
  } else if (open >= 0) {
    l.miss = &added;
  }
  place(added.write ? 1 : 0, added.bank);
  wake_added(added);
}

inline void UnifiedController::wake_added(const Entry& added) {
  if (added.write == write_mode_) {
    const bool waits_for_bus =
        state_.open_row(added.bank) == added.row && column_wake_ <= std::max(added.arrival, column_free_);
    if (!waits_for_bus) wake_submitted(added);
  }
  if (mode_flips_) {
    mode_wake_ = std::min(mode_wake_, added.arrival);
    next_tick_ = std::min(next_tick_, added.arrival);
  }
}

void UnifiedController::submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) {
  if (queued_[1] > 0 && absorb(location, write, arrival, tag)) return;
  const size_t direction = write ? 1 : 0;
  const int bank = location.bank;
  Entry* const added = free_;
  free_ = added->next;
  Lane& l = lanes_[static_cast<size_t>(bank)][direction];
  Entry* const last = l.tail;
  const bool alone = l.head == kNone;
  added->arrival = arrival;
  added->order = next_order_++;
  added->tag = tag;
  added->previous = last;
  added->next = kNone;
  added->row = location.row;
  added->column = location.column;
  added->bank = static_cast<int16_t>(bank);
  added->write = write;
  added->counted = false;
  (alone ? l.head : last->next) = added;
  l.tail = added;
  ++queued_[direction];
  if (write | write_mode_ | mode_flips_) length_changed();
  const int32_t open = state_.open_row(bank);
  if (alone || (open == location.row ? l.hit : open >= 0 ? l.miss : l.head) == kNone)
    return place_first(*added);
  wake_added(*added);
}

// After a precharge: what waits for the bank waits for its activate.
void UnifiedController::row_closed(int bank) {
  for (int direction = 0; direction < 2; ++direction) {
    if (nothing_waits(direction, bank)) continue;
    Lane& l = lane(direction, bank);
    l.hit = l.miss = kNone;
    place(direction, bank);
  }
}

void UnifiedController::row_opened(int bank) {
  const int32_t open = state_.open_row(bank);
  for (int direction = 0; direction < 2; ++direction) {
    if (nothing_waits(direction, bank)) continue;
    Lane& l = lane(direction, bank);
    l.hit = find_from(l.head, open, true);
    l.miss = l.hit != l.head ? l.head : find_from(l.head, open, false);
    place(direction, bank);
  }
}

void UnifiedController::place(int bank) {
  place(0, bank);
  place(1, bank);
}

// Puts the bank where the column and the row slot look for it.
void UnifiedController::place(int direction, int bank) {
  PseudoChannel& channel = pseudo_channel(pseudo_channel_of(bank));
  const auto d = static_cast<size_t>(direction);
  const int at = bank & bank_mask_;
  const uint64_t bit = uint64_t{1} << at;
  const Entry* const head = lane(direction, bank).head;
  channel.waiting[d] = (channel.waiting[d] & ~bit) | (head != kNone ? bit : 0);
  const bool idle = head == kNone || (channel.blocked & bit) != 0;  // or its refresh goes first
  if (!idle && state_.is_open(bank)) return place_open(direction, bank);
  Rows& rows = rows_of(bank);
  channel.hits[d].remove(at);
  rows.precharge[d].remove(at);
  if (idle) {
    rows.activate[d].remove(at);
  } else {
    rows.activate[d].place(at, state_.bank_activate(bank), head->order);
  }
  note_closing(bank, channel, rows);
}

void UnifiedController::place_open(int direction, int bank) {
  const auto d = static_cast<size_t>(direction);
  const int at = bank & bank_mask_;
  const Lane& l = lane(direction, bank);
  Rows& rows = rows_of(bank);
  rows.activate[d].remove(at);
  if (may_close(l, bank)) {
    rows.precharge[d].place(at, state_.bank_precharge(bank), l.miss->order);
  } else {
    rows.precharge[d].remove(at);
  }
  PseudoChannel& channel = pseudo_channel(pseudo_channel_of(bank));
  note_closing(bank, channel, rows);
  OldestFirst& hits = channel.hits[d];
  if (l.hit != kNone && (scheduling_ != DramScheduling::kFirstCome || l.hit == l.head)) {
    hits.place(at, l.hit->order);
  } else {
    hits.remove(at);
  }
}

// An open bank has lost its active request.
void UnifiedController::place_close(int bank) {
  PseudoChannel& channel = pseudo_channel(pseudo_channel_of(bank));
  if ((channel.blocked & bit_of(bank)) != 0) return;
  Rows& rows = rows_of(bank);
  for (int direction = 0; direction < 2; ++direction) {
    const Lane& l = lane(direction, bank);
    if (!may_close(l, bank)) continue;
    rows.precharge[static_cast<size_t>(direction)].place(bank & bank_mask_, state_.bank_precharge(bank),
                                                         l.miss->order);
  }
  note_closing(bank, channel, rows);
}

// --- refresh and direction

void UnifiedController::refresh_becomes_due(int64_t tick) {
  const int domains = state_.shape().domains;
  if (refresh_ == DramRefresh::kPerBank) {
    for (int p = 0; p < state_.shape().pseudo_channels; ++p) ++pseudo_channel(p).refresh.owed;
  } else if (refresh_ == DramRefresh::kStaggered) {
    refreshes_.push(next_domain_);
    next_domain_ = (next_domain_ + 1) % domains;
  } else {
    for (int d = 0; d < domains; ++d) refreshes_.push(d);
  }
  refresh_due_ += refresh_interval_;
  row_wake_ = std::min(row_wake_, tick);
}

}  // namespace rdusim::sim
