#include "sim/dram/bank_queue_controller.h"

#include <bit>

namespace rdusim::sim {

BankQueueController::BankQueueController(const DramSpec& spec)
    : DramController(spec),
      bank_capacity_(static_cast<size_t>(spec.controller.bank_queue)),
      staggered_(spec.controller.refresh == "staggered") {
  capacity_ = {static_cast<int>(spec.controller.read_queue), static_cast<int>(spec.controller.write_queue)};
  banks_.resize(static_cast<size_t>(state_.shape().banks_per_channel));
  entries_.resize(static_cast<size_t>(capacity_[0] + capacity_[1]) + banks_.size() * bank_capacity_);
  for (size_t i = entries_.size(); i > 0; --i) {
    entries_[i - 1].next = free_;
    free_ = static_cast<Index>(i - 1);
  }
  if (spec.controller.refresh != "none") {
    refresh_interval_ = staggered_ ? state_.timing().refi / state_.shape().domains : state_.timing().refi;
    refresh_due_ = refresh_interval_;
  }
  find_next_tick();
}

// --- lists

void BankQueueController::append(Lane& lane, Index index) {
  Entry& added = entry(index);
  added.next = kNone;
  added.previous = lane.tail;
  (lane.tail == kNone ? lane.head : entry(lane.tail).next) = index;
  lane.tail = index;
}

void BankQueueController::unlink(Lane& lane, const Entry& gone) {
  (gone.previous == kNone ? lane.head : entry(gone.previous).next) = gone.next;
  (gone.next == kNone ? lane.tail : entry(gone.next).previous) = gone.previous;
}

bool BankQueueController::holds(const Lane& lane, const DramLocation& like, bool write) const {
  for (Index i = lane.head; i != kNone; i = entry(i).next) {
    const Entry& e = entry(i);
    if (e.write == write && e.row == like.row && e.column == like.column) return true;
  }
  return false;
}

// True if a request of this direction to the same burst waits.
bool BankQueueController::holds(const DramLocation& like, bool write) const {
  const BankQueue& queue = bank(like.bank);
  return holds(queue.waiting[write ? 1 : 0], like, write) || holds(queue.requests, like, write);
}

void BankQueueController::submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) {
  const bool same_write = waiting_writes_ > 0 && holds(location, true);
  if (write) post(arrival + 1, tag, true);
  if (same_write) {
    ++(write ? stats_.coalesced_writes : stats_.forwarded_reads);
    if (!write) post(arrival + 1, tag, false);
    return;
  }
  const Index index = free_;
  Entry& added = entry(index);
  free_ = added.next;
  added = {
      tag,   next_order_++, location.row, location.column, kNone, kNone, static_cast<int16_t>(location.bank),
      write, false};
  const size_t direction = write ? 1 : 0;
  BankQueue& queue = bank(location.bank);
  Lane& lane = queue.waiting[direction];
  if (lane.head == kNone && queue.length < bank_capacity_)
    movable_[direction].place(location.bank, added.order);
  append(lane, index);
  ++queued_[direction];
  if (write) ++waiting_writes_;
  transfer_wake_ = std::min(transfer_wake_, arrival);
  next_tick_ = std::min(next_tick_, arrival);
}

void BankQueueController::tick(int64_t tick) {
  if (tick >= refresh_due_) {
    if (staggered_) {
      refreshes_.push(next_rank_);
      next_rank_ = (next_rank_ + 1) % state_.shape().domains;
    } else {
      for (int r = 0; r < state_.shape().domains; ++r) refreshes_.push(r);
    }
    refresh_due_ += refresh_interval_;
    command_wake_ = std::min(command_wake_, tick);
  }
  if (command_wake_ <= tick) {
    int64_t wake = kNever;
    const bool issued = (!refreshes_.empty() && refresh_command(tick, wake)) || queue_command(tick, wake);
    command_wake_ = issued ? tick + 1 : wake;
  }
  transfer_wake_ = transfer(tick) ? tick + 1 : kNever;
  find_next_tick();
}

// --- from the queues to the banks

bool BankQueueController::transfer(int64_t tick) {
  if (draining_ == 0 && (queued_[1] >= capacity_[1] || (queued_[1] > kIdleDrain && busy_banks_ == 0))) {
    draining_ = queued_[1];
  }
  if (draining_ > 0) {
    const int index = movable_[1].first();
    if (index == OldestFirst::kEnd) return false;
    const Entry& oldest = entry(bank(index).waiting[1].head);
    if (!holds({0, index, oldest.row, oldest.column}, false)) {
      --draining_;
      move_to_bank(index, 1, tick);
      return true;
    }
    draining_ = 0;  // a read of the old value goes first
  }
  const int index = movable_[0].first();
  if (index == OldestFirst::kEnd) return false;
  move_to_bank(index, 0, tick);
  return true;
}

void BankQueueController::move_to_bank(int index, size_t direction, int64_t tick) {
  BankQueue& queue = bank(index);
  Lane& from = queue.waiting[direction];
  const Index moved = from.head;
  const Entry& e = entry(moved);
  unlink(from, e);
  append(queue.requests, moved);
  queue.row_hits[direction] += e.row == state_.open_row(index) ? 1 : 0;
  queue.wake = 0;
  if (++queue.length == bank_capacity_) {
    movable_[0].remove(index);
    movable_[1].remove(index);
  } else if (from.head == kNone) {
    movable_[direction].remove(index);
  } else {
    movable_[direction].place(index, entry(from.head).order);
  }
  busy_banks_ |= uint64_t{1} << index;
  command_wake_ = std::min(command_wake_, tick + 1);
  --queued_[direction];
}

// --- commands

bool BankQueueController::refresh_command(int64_t tick, int64_t& wake) {
  const int rank = refreshes_.front();
  const int count = state_.shape().banks_per_domain();
  bool open = false;
  for (int b = rank * count; b < (rank + 1) * count; ++b) {
    if (!state_.is_open(b)) continue;
    open = true;
    const int64_t ready = state_.precharge_ready(b);
    if (ready <= tick) {
      issue_precharge(b, tick);
      return true;
    }
    wake = std::min(wake, ready);
  }
  if (open) return false;
  const int64_t ready = state_.refresh_ready(rank);
  if (ready > tick) {
    wake = std::min(wake, ready);
    return false;
  }
  state_.refresh(rank, tick);
  record(DramCommandKind::kRefresh, rank * count, tick);
  ++stats_.refreshes;
  refreshes_.pop();
  return true;
}

bool BankQueueController::queue_command(int64_t tick, int64_t& wake) {
  uint64_t busy = busy_banks_;
  if (!refreshes_.empty()) {
    const int count = state_.shape().banks_per_domain();
    const uint64_t banks = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    busy &= ~(banks << (refreshes_.front() * count));
  }
  const int start = next_bank_ + 1;
  // Banks after the one served last, then those from the first on.
  const uint64_t later = start < 64 ? busy & (~uint64_t{0} << start) : 0;
  for (uint64_t part : {later, busy & ~later}) {
    for (; part != 0; part &= part - 1) {
      const int index = std::countr_zero(part);
      BankQueue& queue = bank(index);
      Choice choice;
      if (queue.wake <= tick && choose(index, tick, choice)) {
        next_bank_ = index;
        issue(choice, tick);
        return true;
      }
      wake = std::min(wake, queue.wake);
    }
  }
  return false;
}

// A write waits for an older read of its burst.
bool BankQueueController::waits_for_read(const BankQueue& queue, Index write) const {
  const Entry& late = entry(write);
  for (Index i = queue.requests.head; i != write; i = entry(i).next) {
    const Entry& older = entry(i);
    if (!older.write && older.row == late.row && older.column == late.column) return true;
  }
  return false;
}

// The oldest request to the open row whose direction may go.
BankQueueController::Index BankQueueController::first_hit(const BankQueue& queue, int32_t row,
                                                          const std::array<bool, 2>& ready) const {
  for (Index i = queue.requests.head; i != kNone; i = entry(i).next) {
    const Entry& e = entry(i);
    if (e.row != row || !ready[e.write ? 1 : 0]) continue;
    if (!e.write || !waits_for_read(queue, i)) return i;
  }
  return kNone;
}

bool BankQueueController::choose(int index, int64_t tick, Choice& choice) {
  BankQueue& queue = bank(index);
  const int32_t open = state_.open_row(index);
  int64_t wake = kNever;
  if (open < 0) {
    wake = state_.activate_ready(index);
    choice = {index, queue.requests.head, DramCommandKind::kActivate};
    queue.wake = wake;
    return wake <= tick;
  }
  // Only the oldest request may close the row, and it comes first.
  const bool oldest_misses = entry(queue.requests.head).row != open;
  if (oldest_misses && (queue.hits >= kMostHits || (queue.row_hits[0] | queue.row_hits[1]) == 0)) {
    wake = state_.precharge_ready(index);
    choice = {index, queue.requests.head, DramCommandKind::kPrecharge};
    if (wake <= tick) return true;
  }
  std::array<bool, 2> ready{};
  for (size_t d = 0; d < 2; ++d) {
    if (queue.row_hits[d] == 0) continue;
    const int64_t at = state_.column_ready(index, d == 1);
    ready[d] = at <= tick;
    if (!ready[d]) wake = std::min(wake, at);
  }
  if (ready[0] || ready[1]) {
    if (const Index hit = first_hit(queue, open, ready); hit != kNone) {
      choice = {index, hit, entry(hit).write ? DramCommandKind::kWrite : DramCommandKind::kRead};
      return true;
    }
  }
  queue.wake = wake;
  return false;
}

void BankQueueController::issue_precharge(int index, int64_t tick) {
  state_.precharge(index, tick);
  record(DramCommandKind::kPrecharge, index, tick);
  ++stats_.precharges;
  bank(index).hits = 0;
  bank(index).row_hits = {};
  bank(index).wake = 0;
}

void BankQueueController::issue(const Choice& choice, int64_t tick) {
  BankQueue& queue = bank(choice.bank);
  queue.wake = 0;
  if (choice.kind == DramCommandKind::kRead || choice.kind == DramCommandKind::kWrite)
    return issue_column(choice, tick);
  Entry& oldest = entry(choice.entry);
  const bool closes = choice.kind == DramCommandKind::kPrecharge;
  if (!oldest.counted) ++(closes ? stats_.row_conflicts : stats_.row_misses);
  oldest.counted = true;
  if (closes) return issue_precharge(choice.bank, tick);
  state_.activate(choice.bank, oldest.row, tick);
  record(choice.kind, choice.bank, tick, oldest.row);
  count_activate(choice.bank);
  for (Index i = queue.requests.head; i != kNone; i = entry(i).next)
    queue.row_hits[entry(i).write ? 1 : 0] += entry(i).row == oldest.row ? 1 : 0;
}

void BankQueueController::issue_column(const Choice& choice, int64_t tick) {
  BankQueue& queue = bank(choice.bank);
  Entry& e = entry(choice.entry);
  stats_.row_hits += e.counted ? 0 : 1;
  ++queue.hits;
  --queue.row_hits[e.write ? 1 : 0];
  state_.column(choice.bank, e.write, tick);
  record(choice.kind, choice.bank, tick, e.row, e.column);
  count_column(e.write, static_cast<size_t>(state_.shape().pseudo_channel_of(choice.bank)));
  if (e.write) {
    --waiting_writes_;
  } else {
    complete_read(tick + state_.timing().read_latency, e.tag);
  }
  unlink(queue.requests, e);
  e.next = free_;
  free_ = choice.entry;
  if (queue.length-- == bank_capacity_) {
    for (size_t d = 0; d < 2; ++d) {
      if (const Index head = queue.waiting[d].head; head != kNone)
        movable_[d].place(choice.bank, entry(head).order);
    }
  }
  if (queue.length == 0) busy_banks_ &= ~(uint64_t{1} << choice.bank);
}

}  // namespace rdusim::sim
