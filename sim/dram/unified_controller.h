// Controller with one read and one write queue for all banks of a channel (kind unified_queue).
//
//   read queue  --+                         +--> active requests (their row is being opened) --+
//                 |--> first ready, oldest -+                                                  +--> data
//   write queue --+    (row hits hold row)  +--> row hits -------------------------------------+
//   refresh ------> goes before both queues; lets active requests finish
//
// A tick of a dual command bus has a slot for a column command and one for a row command, a single bus has
// one slot for both. A slot takes the oldest request whose next command is ready: active requests first, then
// a waiting refresh, then the queue in use. Reads are in use until the write queue passes its high watermark
// (or no read waits); writes then drain to the low one. These are the rules of Ramulator 2.1's controllers.
//
// Each bank keeps its requests in order of arrival with its oldest row hit and oldest non-hit; bit masks say
// which banks have something for which slot. So a slot looks at one candidate a bank instead of at every
// queued request, and only in ticks in which one of them can be ready.
//
// APPROX: requests that became active in the same tick order by arrival. A bank-group-wide same-bank refresh
// (DDR5 REFsb) is not modelled.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/dram/controller.h"

namespace rdusim::sim {

class UnifiedController : public DramController {
 public:
  explicit UnifiedController(const DramSpec& spec);

  void submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) override;
  void tick(int64_t tick) override;

 private:
  using Index = int16_t;  // of an entry; -1: none
  static constexpr Index kNone = -1;
  static constexpr int kMostPseudoChannels = 4;

  struct Entry {
    int64_t arrival = 0;
    uint64_t order = 0;
    uint64_t tag = 0;
    int32_t row = 0;
    int32_t column = 0;
    Index next = kNone;
    Index previous = kNone;
    int16_t bank = 0;
    bool write = false;
    bool counted = false;
  };
  // Requests of one bank and direction, oldest first. hit and miss: the oldest for the open row and for
  // another.
  struct Lane {
    Index head = kNone;
    Index tail = kNone;
    Index hit = kNone;
    Index miss = kNone;
  };
  // Banks of one pseudo channel and direction that have something for a slot.
  struct Masks {
    uint64_t hit = 0;
    uint64_t activate = 0;
    uint64_t precharge = 0;
    uint64_t waiting = 0;
  };
  // Requests of one direction.
  struct Side {
    std::vector<Lane> lanes;           // [bank]
    std::vector<uint64_t> hit_orders;  // [bank]: of the oldest hit of the bank, where masks.hit has it
    std::array<Masks, kMostPseudoChannels> masks{};
  };
  struct Pick {
    int bank = -1;
    Index entry = kNone;
    DramCommandKind kind = DramCommandKind::kRead;
    uint64_t order = ~uint64_t{0};
  };
  struct BankRefresh {  // of one pseudo channel
    int owed = 0;
    int bank = -1;  // the one that waits for its refresh
    int next = 0;
  };

  // --- queues
  [[nodiscard]] Lane& lane(int direction, int bank) {
    return sides_[static_cast<size_t>(direction)].lanes[static_cast<size_t>(bank)];
  }
  [[nodiscard]] const Lane& lane(int direction, int bank) const {
    return sides_[static_cast<size_t>(direction)].lanes[static_cast<size_t>(bank)];
  }
  [[nodiscard]] Entry& entry(Index index) { return entries_[static_cast<size_t>(index)]; }
  [[nodiscard]] const Entry& entry(Index index) const { return entries_[static_cast<size_t>(index)]; }
  [[nodiscard]] int pseudo_channel_of(int bank) const { return bank >> bank_bits_; }
  [[nodiscard]] uint64_t bit_of(int bank) const { return uint64_t{1} << (bank & bank_mask_); }
  [[nodiscard]] uint64_t group_of(int bank) const { return group_mask_ << (bank & ~group_place_); }
  void unlink(Index index);
  [[nodiscard]] Index find_from(Index index, int32_t row, bool equal) const;
  [[nodiscard]] Index find_same(int direction, const DramLocation& location) const;
  void row_changed(int bank);
  void hit_gone(int direction, int bank);
  void update_masks(int direction, int bank);
  void update_masks(int bank);
  [[nodiscard]] int oldest_bank() const;
  [[nodiscard]] uint64_t allowed(int pseudo_channel, int only) const;

  // --- slots
  void single_slot(int64_t tick);
  void column_slot(int64_t tick);
  void row_slot(int64_t tick);
  bool refresh_slot(int64_t tick, int64_t& wake);
  bool bank_refresh_slot(int64_t tick, int64_t& wake);
  void close_bank(int bank, int64_t tick);
  void issue(const Pick& pick, int64_t tick);
  void issue_column(Index index, int64_t tick);
  void pick_active(int64_t tick, Pick& best);
  void pick_hits(int64_t tick, Pick& best) const;
  [[nodiscard]] int64_t active_wake() const;
  [[nodiscard]] int64_t hit_wake(int64_t tick) const;
  void pick_rows(int64_t tick, Pick& best, int64_t& wake) const;
  void pick_idle_close(int64_t tick, Pick& best, int64_t& wake) const;
  void pick_activates(int pseudo_channel, uint64_t banks, int64_t tick, Pick& best, int64_t& wake) const;
  void pick_precharges(int pseudo_channel, uint64_t banks, int64_t tick, Pick& best, int64_t& wake) const;
  void consider(Pick& best, int bank, Index index, DramCommandKind kind, int64_t ready, int64_t tick,
                int64_t& wake) const;
  void count_first(Index index, int64_t DramStats::*counter);

  // --- refresh and direction
  void refresh_becomes_due(int64_t tick);
  [[nodiscard]] bool mode_would_flip() const {
    if (!write_mode_) return queued_[0] == 0 || queued_[1] > high_;
    return queued_[0] != 0 && queued_[1] < low_;
  }
  void settle_mode(int64_t tick);
  void wake_submitted(const DramLocation& location, bool write, int64_t arrival);
  void find_next_tick() {
    next_tick_ = std::min(std::min(column_wake_, row_wake_), std::min(refresh_due_, mode_wake_));
  }
  void rescan(int64_t tick) {
    column_wake_ = std::min(column_wake_, tick);
    row_wake_ = std::min(row_wake_, tick);
  }

  // configuration
  DramScheduling scheduling_ = DramScheduling::kRowHitFirst;
  DramRefresh refresh_ = DramRefresh::kAllBank;
  bool single_bus_ = false;
  int bank_bits_ = 0;  // of a pseudo channel
  int bank_mask_ = 0;
  int group_place_ = 0;      // bits of a bank's number inside its group
  uint64_t group_mask_ = 0;  // the banks of the first group
  int64_t refresh_interval_ = 0;
  bool close_idle_rows_ = false;
  int low_ = 0;   // a write drain ends below it
  int high_ = 0;  // and starts above it
  // state
  std::vector<Entry> entries_;
  std::vector<Index> free_;
  std::array<Side, 2> sides_;  // [read, write]
  std::vector<Index> active_;  // [bank]
  std::array<uint64_t, kMostPseudoChannels> active_mask_{};
  std::array<uint64_t, kMostPseudoChannels> blocked_{};  // a refresh of the bank waits
  std::array<int, kMostPseudoChannels> last_bank_{};     // of its pseudo channel that had a column command
  std::array<BankRefresh, kMostPseudoChannels> bank_refresh_{};
  int active_count_ = 0;
  int64_t active_ready_ = kNever;  // no active request may go before
  Ring<int> refreshes_;            // domains whose refresh waits
  int next_domain_ = 0;
  bool write_mode_ = false;
  uint64_t next_order_ = 0;
  // earliest ticks at which something can change
  int64_t column_wake_ = kNever;
  int64_t row_wake_ = kNever;
  int64_t mode_wake_ = kNever;
  int64_t refresh_due_ = kNever;
};

}  // namespace rdusim::sim
