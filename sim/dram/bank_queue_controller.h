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
// APPROX: reads of one burst that wait at the same time are served one by one, not merged.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/dram/controller.h"

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
  static constexpr size_t kIdleDrain = 8;

  struct Request {
    uint64_t tag = 0;
    int32_t bank = 0;
    int32_t row = 0;
    int32_t column = 0;
    bool write = false;
    bool counted = false;
  };
  struct BankQueue {
    std::vector<Request> requests;  // oldest first, at most bank_queue of them
    int64_t wake = 0;               // no command of it can be ready before
    int hits = 0;                   // accesses to the open row
  };
  struct Choice {
    int bank = -1;
    size_t position = 0;
    DramCommandKind kind = DramCommandKind::kRead;
  };

  void find_next_tick() { next_tick_ = std::min(std::min(command_wake_, refresh_due_), transfer_wake_); }
  [[nodiscard]] BankQueue& bank(int index) { return banks_[static_cast<size_t>(index)]; }
  bool refresh_command(int64_t tick, int64_t& wake);
  bool queue_command(int64_t tick, int64_t& wake);
  bool choose(int index, int64_t tick, Choice& choice);
  static bool hit_waits(const BankQueue& queue, int32_t row);
  static bool waits_for_read(const BankQueue& queue, size_t position);
  void issue(const Choice& choice, int64_t tick);
  void issue_precharge(int index, int64_t tick);
  bool transfer(int64_t tick);
  void move_to_bank(std::vector<Request>& queue, std::vector<Request>::iterator it, int64_t tick);
  [[nodiscard]] bool holds(const Request& like, bool write) const;

  // configuration
  size_t bank_capacity_ = 0;
  int64_t refresh_interval_ = 0;
  bool staggered_ = true;
  // state
  std::array<std::vector<Request>, 2> queues_;  // read, write; oldest first
  std::vector<BankQueue> banks_;
  uint64_t busy_banks_ = 0;  // banks whose queue is not empty
  int next_bank_ = 0;        // the bank that was served last
  size_t draining_ = 0;      // writes of the current drain that still wait
  size_t waiting_writes_ = 0;
  Ring<int> refreshes_;  // ranks
  int next_rank_ = 0;
  // earliest ticks at which something can change
  int64_t command_wake_ = kNever;
  int64_t transfer_wake_ = kNever;
  int64_t refresh_due_ = kNever;
};

}  // namespace rdusim::sim
