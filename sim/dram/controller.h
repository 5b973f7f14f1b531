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
  [[nodiscard]] bool can_accept(bool write) const {
    return queued_[write ? 1 : 0] < capacity_[write ? 1 : 0];
  }
  // Requires can_accept(write), and arrivals that do not fall.
  virtual void submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) = 0;

  // --- time
  [[nodiscard]] int64_t next_tick() const { return next_tick_; }
  virtual void tick(int64_t tick) = 0;

  // --- completions out, earliest first; kNever if none
  [[nodiscard]] int64_t next_completion() const { return next_completion_; }
  DramCompletion pop_completion() {
    if (!posted_.empty() && posted_.front().tick <= first_of(done_)) {
      const DramCompletion completion = posted_.front();
      posted_.pop();
      next_completion_ = std::min(first_of(done_), posted_.empty() ? kNever : posted_.front().tick);
      return completion;
    }
    const Read read = done_.front();
    done_.pop();
    next_completion_ = first_of(done_);
    if (!posted_.empty()) next_completion_ = std::min(next_completion_, posted_.front().tick);
    return {read.tick, read.tag, false};
  }

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
  void count_column(bool write, size_t pseudo_channel) {
    ++(write ? stats_.writes : stats_.reads);
    bool& last = last_was_write_[pseudo_channel];
    if (last == write) return;
    ++stats_.turnarounds;
    last = write;
  }

  void complete_read(int64_t tick, uint64_t tag) {
    done_.push({tick, tag});
    next_completion_ = std::min(next_completion_, tick);
  }
  void post(int64_t tick, uint64_t tag, bool write) {
    posted_.push({tick, tag, write});
    next_completion_ = std::min(next_completion_, tick);
  }
  // Data come back in order of issue: no read completes before the one that was issued last.
  [[nodiscard]] int64_t last_read() const { return done_.empty() ? 0 : done_.back().tick; }

  DramState state_;
  DramStats stats_;
  std::vector<DramCommand>* trace_ = nullptr;
  std::array<int, 2> capacity_{};  // read, write queue
  std::array<int, 2> queued_{};
  int64_t next_tick_ = kNever;

 private:
  struct Read {
    int64_t tick = 0;
    uint64_t tag = 0;
  };
  static int64_t first_of(const Ring<Read>& ring) { return ring.empty() ? kNever : ring.front().tick; }

  Ring<Read> done_;              // in order of issue
  Ring<DramCompletion> posted_;  // in order of time
  int64_t next_completion_ = kNever;
  std::array<bool, kMostPseudoChannels> last_was_write_{};  // [pseudo channel]
  std::vector<int64_t> bank_activates_;
};

}  // namespace rdusim::sim
