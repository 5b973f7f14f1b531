#include "sim/dram/bank_queue_controller.h"

#include <bit>

namespace rdusim::sim {

BankQueueController::BankQueueController(const DramSpec& spec)
    : DramController(spec),
      bank_capacity_(static_cast<size_t>(spec.controller.bank_queue)),
      staggered_(spec.controller.refresh == "staggered") {
  capacity_ = {static_cast<int>(spec.controller.read_queue), static_cast<int>(spec.controller.write_queue)};
  queues_[0].reserve(static_cast<size_t>(capacity_[0]));
  queues_[1].reserve(static_cast<size_t>(capacity_[1]));
  banks_.resize(static_cast<size_t>(state_.shape().banks_per_channel));
  for (BankQueue& queue : banks_) queue.requests.reserve(bank_capacity_);
  if (spec.controller.refresh != "none") {
    refresh_interval_ = staggered_ ? state_.timing().refi / state_.shape().domains : state_.timing().refi;
    refresh_due_ = refresh_interval_;
  }
  find_next_tick();
}

// True if a request of this direction to the same burst waits.
bool BankQueueController::holds(const Request& like, bool write) const {
  const auto same = [&](const Request& r) {
    return r.write == write && r.bank == like.bank && r.row == like.row && r.column == like.column;
  };
  const auto& waiting = queues_[write ? 1 : 0];
  const auto& moved = banks_[static_cast<size_t>(like.bank)].requests;
  return std::any_of(waiting.begin(), waiting.end(), same) || std::any_of(moved.begin(), moved.end(), same);
}

void BankQueueController::submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) {
  const Request request{tag, location.bank, location.row, location.column, write, false};
  const bool same_write = waiting_writes_ > 0 && holds(request, true);
  if (write) post(arrival + 1, tag, true);
  if (same_write) {
    ++(write ? stats_.coalesced_writes : stats_.forwarded_reads);
    if (!write) post(arrival + 1, tag, false);
    return;
  }
  queues_[write ? 1 : 0].push_back(request);
  ++queued_[write ? 1 : 0];
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
  std::vector<Request>& writes = queues_[1];
  if (draining_ == 0 && (queued_[1] >= capacity_[1] || (writes.size() > kIdleDrain && busy_banks_ == 0))) {
    draining_ = writes.size();
  }
  const auto fits = [&](const Request& r) { return bank(r.bank).requests.size() < bank_capacity_; };
  if (draining_ > 0) {
    const auto it = std::find_if(writes.begin(), writes.end(), fits);
    if (it == writes.end()) return false;
    if (!holds(*it, false)) {
      --draining_;
      move_to_bank(writes, it, tick);
      return true;
    }
    draining_ = 0;  // a read of the old value goes first
  }
  std::vector<Request>& reads = queues_[0];
  const auto it = std::find_if(reads.begin(), reads.end(), fits);
  if (it == reads.end()) return false;
  move_to_bank(reads, it, tick);
  return true;
}

void BankQueueController::move_to_bank(std::vector<Request>& queue, std::vector<Request>::iterator it,
                                       int64_t tick) {
  BankQueue& target = bank(it->bank);
  target.requests.push_back(*it);
  target.wake = 0;
  busy_banks_ |= uint64_t{1} << it->bank;
  command_wake_ = std::min(command_wake_, tick + 1);
  --queued_[it->write ? 1 : 0];
  queue.erase(it);
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
  const int count = state_.shape().banks_per_channel;
  const int refreshing = refreshes_.empty() ? -1 : refreshes_.front();
  const int start = next_bank_ + 1;
  // Banks after the one served last, then those from the first on.
  const uint64_t later = start < 64 ? busy_banks_ & (~uint64_t{0} << start) : 0;
  for (uint64_t part : {later, busy_banks_ & ~later}) {
    for (; part != 0; part &= part - 1) {
      const int index = std::countr_zero(part);
      if (index >= count || state_.shape().domain_of(index) == refreshing) continue;
      Choice choice;
      if (bank(index).wake <= tick && choose(index, tick, choice)) {
        next_bank_ = index;
        issue(choice, tick);
        return true;
      }
      wake = std::min(wake, bank(index).wake);
    }
  }
  return false;
}

// A write waits for an older read of its burst.
bool BankQueueController::waits_for_read(const BankQueue& queue, size_t position) {
  const Request& request = queue.requests[position];
  for (size_t i = 0; i < position; ++i) {
    const Request& older = queue.requests[i];
    if (!older.write && older.row == request.row && older.column == request.column) return true;
  }
  return false;
}

bool BankQueueController::choose(int index, int64_t tick, Choice& choice) {
  BankQueue& queue = bank(index);
  const int32_t open = state_.open_row(index);
  int64_t wake = kNever;
  if (open < 0) {
    wake = state_.activate_ready(index);
    choice = {index, 0, DramCommandKind::kActivate};
    queue.wake = wake;
    return wake <= tick;
  }
  // Only the oldest request may close the row, and it comes first.
  const bool oldest_misses = queue.requests.front().row != open;
  if (oldest_misses && (queue.hits >= kMostHits || !hit_waits(queue, open))) {
    wake = state_.precharge_ready(index);
    choice = {index, 0, DramCommandKind::kPrecharge};
    if (wake <= tick) return true;
  }
  const std::array<int64_t, 2> ready{state_.column_ready(index, false), state_.column_ready(index, true)};
  for (size_t i = oldest_misses ? 1 : 0; i < queue.requests.size(); ++i) {
    const Request& request = queue.requests[i];
    if (request.row != open) continue;
    const int64_t at = ready[request.write ? 1 : 0];
    if (at > tick) {
      wake = std::min(wake, at);
    } else if (!request.write || !waits_for_read(queue, i)) {
      choice = {index, i, request.write ? DramCommandKind::kWrite : DramCommandKind::kRead};
      return true;
    }
  }
  queue.wake = wake;
  return false;
}

bool BankQueueController::hit_waits(const BankQueue& queue, int32_t row) {
  return std::any_of(queue.requests.begin(), queue.requests.end(),
                     [row](const Request& r) { return r.row == row; });
}

void BankQueueController::issue_precharge(int index, int64_t tick) {
  state_.precharge(index, tick);
  record(DramCommandKind::kPrecharge, index, tick);
  ++stats_.precharges;
  bank(index).hits = 0;
  bank(index).wake = 0;
}

void BankQueueController::issue(const Choice& choice, int64_t tick) {
  BankQueue& queue = bank(choice.bank);
  Request& request = queue.requests[choice.position];
  const auto count = [&](int64_t& counter) {
    counter += request.counted ? 0 : 1;
    request.counted = true;
  };
  queue.wake = 0;
  if (choice.kind == DramCommandKind::kPrecharge) {
    count(stats_.row_conflicts);
    issue_precharge(choice.bank, tick);
    return;
  }
  if (choice.kind == DramCommandKind::kActivate) {
    count(stats_.row_misses);
    state_.activate(choice.bank, request.row, tick);
    record(choice.kind, choice.bank, tick, request.row);
    count_activate(choice.bank);
    return;
  }
  count(stats_.row_hits);
  ++queue.hits;
  state_.column(choice.bank, request.write, tick);
  record(choice.kind, choice.bank, tick, request.row, request.column);
  count_column(request.write, static_cast<size_t>(state_.shape().pseudo_channel_of(choice.bank)));
  if (request.write) {
    --waiting_writes_;
  } else {
    complete_read(tick + state_.timing().read_latency, request.tag);
  }
  queue.requests.erase(queue.requests.begin() + static_cast<std::ptrdiff_t>(choice.position));
  if (queue.requests.empty()) busy_banks_ &= ~(uint64_t{1} << choice.bank);
}

}  // namespace rdusim::sim
