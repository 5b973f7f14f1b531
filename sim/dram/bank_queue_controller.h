// Controller with a short command queue behind each bank (kind per_bank_queue).
//
//   read queue  --+  one a tick   +--> [bank 0] --+
//                 |-------------->|      ...      |--> round robin over banks, one command a tick --> data
//   write queue --+               +--> [bank n] --+
//   refresh of a rank -> closes its banks as they become ready; its queues are skipped meanwhile
//
// A bank serves its queue in order but lets row hits pass; it closes a row for its oldest request when no hit
// waits, or after four accesses to the row. A write is posted when it is accepted; writes wait until their
// queue is full (or all bank queues are empty and more than eight wait), then all that wait go. These are the
// rules of DRAMsim3.
//
// Every request is in the list of its bank, and the banks that have room are in a list by their oldest
// waiting request, so a transfer takes the first. A bank knows how many reads and writes of its queue go to
// the open row, and looks at the queue only when one of them may go.
//
// APPROX: reads of one burst that wait at the same time are served one by one, not merged.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/dram/controller.h"
#include "sim/dram/oldest_first.h"

namespace rdusim::sim {

class BankQueueController : public DramController {
 public:
  explicit BankQueueController(const DramSpec& spec);

  void submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) override;
  void tick(int64_t tick) override;

 private:
  // Accesses to an open row after which a waiting conflict may close it although hits wait.
  static constexpr int kMostHits = 4;
  // With nothing else to do, more writes than these start a drain.
  static constexpr int kIdleDrain = 8;

  using Index = int16_t;  // of an entry; -1: none
  static constexpr Index kNone = -1;
  struct Entry {
    uint64_t tag = 0;
    uint64_t order = 0;
    int32_t row = 0;
    int32_t column = 0;
    Index next = kNone;
    Index previous = kNone;
    int16_t bank = 0;
    bool write = false;
    bool counted = false;
  };
  struct Lane {  // oldest first
    Index head = kNone;
    Index tail = kNone;
  };
  struct BankQueue {
    Lane requests;                  // the bank's queue
    std::array<Lane, 2> waiting;    // requests for the bank in the read and in the write queue
    std::array<int, 2> row_hits{};  // reads and writes of the bank's queue to the open row
    size_t length = 0;              // of the bank's queue
    int hits = 0;                   // accesses to the open row
    int64_t wake = 0;               // no command of it can be ready before
  };
  struct Choice {
    int bank = -1;
    Index entry = kNone;
    DramCommandKind kind = DramCommandKind::kRead;
  };

  void find_next_tick() { next_tick_ = std::min(std::min(command_wake_, refresh_due_), transfer_wake_); }
  [[nodiscard]] BankQueue& bank(int index) { return banks_[static_cast<size_t>(index)]; }
  [[nodiscard]] const BankQueue& bank(int index) const { return banks_[static_cast<size_t>(index)]; }
  [[nodiscard]] Entry& entry(Index index) { return entries_[static_cast<size_t>(index)]; }
  [[nodiscard]] const Entry& entry(Index index) const { return entries_[static_cast<size_t>(index)]; }
  void append(Lane& lane, Index index);
  void unlink(Lane& lane, const Entry& gone);
  [[nodiscard]] bool holds(const Lane& lane, const DramLocation& like, bool write) const;
  [[nodiscard]] bool holds(const DramLocation& like, bool write) const;
  bool refresh_command(int64_t tick, int64_t& wake);
  bool queue_command(int64_t tick, int64_t& wake);
  bool choose(int index, int64_t tick, Choice& choice);
  [[nodiscard]] Index first_hit(const BankQueue& queue, int32_t row, const std::array<bool, 2>& ready) const;
  [[nodiscard]] bool waits_for_read(const BankQueue& queue, Index write) const;
  void issue(const Choice& choice, int64_t tick);
  void issue_column(const Choice& choice, int64_t tick);
  void issue_precharge(int index, int64_t tick);
  bool transfer(int64_t tick);
  void move_to_bank(int index, size_t direction, int64_t tick);

  // configuration
  size_t bank_capacity_ = 0;
  int64_t refresh_interval_ = 0;
  bool staggered_ = true;
  // state
  std::vector<Entry> entries_;
  Index free_ = kNone;  // entries that are not in use, by their `next`
  std::vector<BankQueue> banks_;
  std::array<OldestFirst, 2> movable_;  // [read, write queue]: banks with room that a request waits for
  uint64_t next_order_ = 0;
  uint64_t busy_banks_ = 0;  // banks whose queue is not empty
  int next_bank_ = 0;        // the bank that was served last
  int draining_ = 0;         // writes of the current drain that still wait
  int waiting_writes_ = 0;
  Ring<int> refreshes_;  // ranks
  int next_rank_ = 0;
  // earliest ticks at which something can change
  int64_t command_wake_ = kNever;
  int64_t transfer_wake_ = kNever;
  int64_t refresh_due_ = kNever;
};

}  // namespace rdusim::sim
