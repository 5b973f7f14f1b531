// Component: a configured unit. Its program run() is sequential: take tokens, spend cycles, give tokens.
// Times are absolute cycles; `time_` is the unit's own clock, which may run ahead of the kernel's
// (token_channel.h says why that is exact).
//
//   counters: every cycle from the launch's end to `time_` is busy, starved or blocked
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/section_context.h"
#include "sim/section_outcome.h"
#include "sim/token_channel.h"
#include "sim/unit_process.h"

namespace rdusim::sim {

enum class WaitFor : uint8_t { kNothing, kToken, kSpace, kMemory };

class Component {
 public:
  Component(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket);
  virtual ~Component() = default;
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

  virtual void run() = 0;
  void finish() { finished_ = true; }
  void attach(UnitProcess* process) { process_ = process; }

  [[nodiscard]] const Unit& unit() const { return unit_; }
  [[nodiscard]] size_t unit_index() const { return unit_index_; }
  [[nodiscard]] int64_t socket() const { return socket_; }
  [[nodiscard]] const UnitCounters& counters() const { return counters_; }
  [[nodiscard]] bool finished() const { return finished_; }
  // Cycle after which nothing of this unit is in flight.
  [[nodiscard]] int64_t end_cycle() const { return end_cycle_ > time_ ? end_cycle_ : time_; }
  [[nodiscard]] WaitFor wait_for() const { return wait_for_; }
  [[nodiscard]] const TokenChannel* wait_channel() const { return wait_channel_; }
  [[nodiscard]] UnitProcess* process() const { return process_; }
  [[nodiscard]] const ByteCounts& bytes() const { return bytes_; }
  // Of a looping launch that prefetches: who waits for the end of its iterations gets a token there, which
  // has a slot for every iteration.
  void tell(TokenChannel* iteration_end) { iteration_ends_.push_back(iteration_end); }
  virtual void wait_for(TokenChannel* iteration_end);

 protected:
  // Sleep until the channel holds a token / has space.
  void await_token(TokenChannel& channel) {
    while (!channel.has_token()) sleep_for(channel, WaitFor::kToken);
  }
  void await_space(TokenChannel& channel) {
    while (!channel.has_space()) sleep_for(channel, WaitFor::kSpace);
  }
  // Time passes to `cycle`, if it lies ahead, as ...
  void starve_until(int64_t cycle) { pass(cycle, counters_.starved); }
  void block_until(int64_t cycle) { pass(cycle, counters_.blocked); }
  void finish_firing();
  void work_until(int64_t cycle);
  // Ends the unit's program; the run fails with this error (section and unit are added).
  [[noreturn]] void fail(Error error);
  void count_bytes(Wire wire, Cause cause, int64_t bytes) {
    bytes_[static_cast<size_t>(wire)][static_cast<size_t>(cause)] += bytes;
  }
  // Writes one result, made from cycle `first` to `last`, to all channels of the unit's port, rounded to each
  // channel's format; slots are claimed.
  void emit(const std::vector<TokenChannel*>& channels, const Tile& tile, int64_t first, int64_t last);
  [[nodiscard]] bool functional() const { return context_.functional; }

  SectionContext& context_;
  const Unit& unit_;
  const size_t unit_index_;
  const int64_t socket_;
  const int64_t begin_cycle_;  // before which it does nothing
  UnitCounters counters_;
  int64_t time_;
  int64_t end_cycle_;

 private:
  void sleep_for(TokenChannel& channel, WaitFor what);
  void pass(int64_t cycle, int64_t& counter) {
    if (cycle <= time_) return;
    counter += cycle - time_;
    if (time_ < launched_cycle_) leave_out_head_start(cycle, counter);
    time_ = cycle;
  }
  void leave_out_head_start(int64_t cycle, int64_t& counter);

  std::vector<TokenChannel*> iteration_ends_;
  UnitProcess* process_ = nullptr;
  bool finished_ = false;
  WaitFor wait_for_ = WaitFor::kNothing;
  const TokenChannel* wait_channel_ = nullptr;
  ByteCounts bytes_{};
  int64_t launched_cycle_;  // the launch is complete
  int trace_track_;
};

}  // namespace rdusim::sim
