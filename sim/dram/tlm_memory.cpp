#include "sim/dram/tlm_memory.h"

#include <algorithm>
#include <cmath>

#include "base/arch/dram_mapping.h"
#include "base/check.h"
#include "base/random.h"
#include "sim/memory_controller.h"
#include "sim/unit_process.h"

namespace rdusim::sim {
namespace {

DramMapping mapping_of(const DramSpec& spec) {
  auto mapping = parse_dram_mapping(spec.controller.mapping, spec.organisation);
  RDU_CHECK(mapping.ok(), "{}", mapping.error().to_string());
  return *mapping;
}

}  // namespace

DramMemory::DramMemory(const sc_core::sc_module_name& name, const DramSpec& spec, double clock_hz,
                       int64_t path_latency_cycles)
    : sc_module(name),
      socket("socket"),
      burst_bytes_(spec.organisation.burst_bytes),
      period_fs_(std::llround(1e15 / clock_hz)),
      tick_fs_(spec.timings.tick_ps * 1000),
      path_latency_cycles_(path_latency_cycles),
      map_(spec.organisation, mapping_of(spec)) {
  channels_.resize(static_cast<size_t>(spec.organisation.channels));
  for (Channel& channel : channels_) channel.controller = DramController::make(spec);
  socket.register_b_transport(this, &DramMemory::b_transport);
  SC_METHOD(advance);
  sensitive << advance_event_;
  dont_initialize();
}

int64_t DramMemory::tick_of(int64_t cycle) const {
  return static_cast<int64_t>(static_cast<Uint128>(cycle) * static_cast<Uint128>(period_fs_) /
                              static_cast<Uint128>(tick_fs_));
}

int64_t DramMemory::cycle_of(int64_t tick) const {
  return static_cast<int64_t>(
      (static_cast<Uint128>(tick) * static_cast<Uint128>(tick_fs_) + static_cast<Uint128>(period_fs_ - 1)) /
      static_cast<Uint128>(period_fs_));
}

void DramMemory::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_data_length() == 0) {
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    return;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(transactions_.size()));
    transactions_.emplace_back();
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  MemoryAccess* access = nullptr;
  payload.get_extension(access);
  sc_core::sc_event issued;
  const int64_t asked = now_cycle();
  transactions_[slot] = {payload.get_address(),
                         payload.get_data_length(),
                         access != nullptr ? access->priority : 0,
                         access != nullptr ? access->order : 0,
                         0,
                         0,
                         payload.is_write(),
                         &issued};
  arrived_.push_back(slot);
  advance_event_.notify(cycles(1));  // after everything of this cycle has happened
  sc_core::wait(issued);
  const int64_t done = cycle_of(transactions_[slot].done_tick) + path_latency_cycles_;
  free_.push_back(slot);
  if (access != nullptr) {
    access->served = true;
    access->start_cycle = asked;
    access->finish_cycle = now_cycle();
  }
  delay += cycles(std::max<int64_t>(0, done - now_cycle()));
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

void DramMemory::take_arrivals() {
  const auto before = [&](uint32_t a, uint32_t b) {
    const Transaction& x = transactions_[a];
    const Transaction& y = transactions_[b];
    return x.priority != y.priority ? x.priority < y.priority : x.order < y.order;
  };
  std::stable_sort(arrived_.begin(), arrived_.end(), before);
  for (const uint32_t slot : arrived_) {
    Transaction& t = transactions_[slot];
    const auto burst = static_cast<uint64_t>(burst_bytes_);
    for (uint64_t at = t.address / burst * burst; at < t.address + t.bytes; at += burst) {
      const DramLocation location = map_.decode(at);
      channels_[static_cast<size_t>(location.channel)].queue.push({location, slot, t.write});
      ++t.left;
    }
  }
  arrived_.clear();
}

void DramMemory::send(int64_t tick) {
  for (Channel& channel : channels_) {
    while (!channel.queue.empty() && channel.controller->can_accept(channel.queue.front().write)) {
      const Burst& burst = channel.queue.front();
      channel.controller->submit(burst.location, burst.write, tick, burst.transaction);
      channel.queue.pop();
    }
  }
}

// A completion is known when its command is issued, ahead of its data.
void DramMemory::collect() {
  for (Channel& channel : channels_) {
    while (channel.controller->next_completion() < kNever) {
      const DramCompletion completion = channel.controller->pop_completion();
      Transaction& t = transactions_[completion.tag];
      t.done_tick = std::max(t.done_tick, completion.tick);
      if (--t.left == 0) t.issued->notify();
    }
  }
}

// Everything up to the tick in which this cycle begins.
void DramMemory::advance() {
  const int64_t until = std::max(now_tick_, tick_of(now_cycle()));
  take_arrivals();
  send(now_tick_ + 1);
  collect();
  int64_t next = kNever;
  while (true) {
    next = kNever;
    for (const Channel& channel : channels_) next = std::min(next, channel.controller->next_tick());
    if (next > until) break;
    for (Channel& channel : channels_) {
      if (channel.controller->next_tick() <= next) channel.controller->tick(next);
    }
    now_tick_ = next;
    send(next + 1);
    collect();
  }
  now_tick_ = until;
  const bool busy = std::any_of(transactions_.begin(), transactions_.end(),
                                [](const Transaction& t) { return t.left > 0; });
  if (busy) advance_event_.notify(cycles(std::max<int64_t>(1, cycle_of(next) - now_cycle())));
}

}  // namespace rdusim::sim
