// DramController: one DRAM channel with its memory controller, by command, without a clock.
//
//   submit(location, write, arrival) --> [read queue] [write queue] --> scheduler --> commands -->
//   completions
//
// The caller owns time. next_tick() is the earliest tick at which anything may happen inside; tick(t) does
// what happens in tick t, and t must be that tick or an earlier one. A request submitted with arrival a is
// seen from tick a on, so after tick(t) the caller submits with a > t. Completions come out in order of time:
// a read when the last of its data has arrived, a write when it is posted (unified_queue: its command is
// issued; per_bank_queue: one tick after it is accepted). Nothing is allocated once the rings have their
// size.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/arch/dram.h"
#include "sim/dram/address_map.h"
#include "sim/dram/bank_state.h"
#include "sim/dram/ring.h"

namespace rdusim::sim {

struct DramCompletion {
  int64_t tick = 0;
  uint64_t tag = 0;  // as submitted
  bool write = false;
};

// Counters of one channel, all from tick 0. Each request is counted once as hit (its row was open), miss (its
// bank was closed) or conflict (another row was open), at its first command.
struct DramStats {
  int64_t reads = 0;  // bursts on the data bus
  int64_t writes = 0;
  int64_t activates = 0;
  int64_t precharges = 0;  // all-bank precharges count once
  int64_t refreshes = 0;
  int64_t bank_refreshes = 0;
  int64_t row_hits = 0;
  int64_t row_misses = 0;
  int64_t row_conflicts = 0;
  int64_t forwarded_reads = 0;   // served from the write queue
  int64_t coalesced_writes = 0;  // absorbed by a waiting write of the same burst
  int64_t turnarounds = 0;       // read to write and back, per pseudo channel
};

class DramController {
 public:
  explicit DramController(const DramSpec& spec);
  virtual ~DramController() = default;
  DramController(const DramController&) = delete;
  DramController& operator=(const DramController&) = delete;

  // The controller that spec.controller.kind names. The spec must have passed check_dram().
  static std::unique_ptr<DramController> make(const DramSpec& spec);

  // --- requests in: one burst each
  [[nodiscard]] virtual bool can_accept(bool write) const = 0;
  // Requires can_accept(write), and arrivals that do not fall.
  virtual void submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) = 0;

  // --- time
  [[nodiscard]] virtual int64_t next_tick() const = 0;
  virtual void tick(int64_t tick) = 0;

  // --- completions out, earliest first; kNever if none
  [[nodiscard]] int64_t next_completion() const {
    const int64_t slow = done_.empty() ? kNever : done_.front().tick;
    return posted_.empty() ? slow : std::min(slow, posted_.front().tick);
  }
  DramCompletion pop_completion();

  // Every command from now on is appended to `trace`; null stops.
  void set_trace(std::vector<DramCommand>* trace) { trace_ = trace; }
  [[nodiscard]] const DramStats& stats() const { return stats_; }
  [[nodiscard]] const DramState& state() const { return state_; }
  // Activates of the bank that had most.
  [[nodiscard]] int64_t most_activates() const {
    return *std::max_element(bank_activates_.begin(), bank_activates_.end());
  }

 protected:
  void record(DramCommandKind kind, int bank, int64_t tick, int32_t row = 0, int32_t column = 0) {
    if (trace_ != nullptr) [[unlikely]]
      trace_->push_back({tick, kind, bank, row, column});
  }
  void count_activate(int bank) {
    ++stats_.activates;
    ++bank_activates_[static_cast<size_t>(bank)];
  }
  void count_column(int bank, bool write) {
    ++(write ? stats_.writes : stats_.reads);
    bool& last = last_was_write_[static_cast<size_t>(state_.shape().pseudo_channel_of(bank))];
    stats_.turnarounds += last != write ? 1 : 0;
    last = write;
  }

  DramState state_;
  DramStats stats_;
  Ring<DramCompletion> done_;    // in order of issue
  Ring<DramCompletion> posted_;  // in order of time
  std::vector<DramCommand>* trace_ = nullptr;

 private:
  std::array<bool, 4> last_was_write_{};  // [pseudo channel]
  std::vector<int64_t> bank_activates_;
};

}  // namespace rdusim::sim
