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
// Each bank keeps its requests in order of arrival with its oldest row hit and oldest non-hit. The banks with
// hits are in a list by age, so the column slot mostly takes the first or the second; bit masks say which
// banks have something for the row slot. Both look only in ticks in which something can be ready.
//
// APPROX: requests that became active in the same tick order by arrival. A bank-group-wide same-bank refresh
// (DDR5 REFsb) is not modelled.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/dram/controller.h"
#include "sim/dram/oldest_first.h"
#include "sim/dram/row_set.h"

namespace rdusim::sim {

class UnifiedController : public DramController {
 public:
  explicit UnifiedController(const DramSpec& spec);

  void submit(const DramLocation& location, bool write, int64_t arrival, uint64_t tag) override;
  void tick(int64_t tick) override;

 private:
  struct Entry;
  static constexpr Entry* kNone = nullptr;

  struct Entry {
    int64_t arrival = 0;
    uint64_t order = 0;
    uint64_t tag = 0;
    Entry* previous = kNone;
    Entry* next = kNone;
    int32_t row = 0;
    int32_t column = 0;
    int16_t bank = 0;
    bool write = false;
    bool counted = false;
  };
  // Requests of one bank and direction, oldest first. hit and miss: the oldest for the open row and for
  // another.
  struct Lane {
    Entry* head = kNone;
    Entry* tail = kNone;
    Entry* hit = kNone;
    Entry* miss = kNone;
  };
  // Banks of one activate domain that have something for the row slot, by their numbers in the pseudo
  // channel.
  struct Rows {
    std::array<RowSet, 2> activate{};  // [read, write]
    std::array<RowSet, 2> precharge{};
  };
  struct BankRefresh {
    int owed = 0;
    int bank = -1;  // the one that waits for its refresh
    int next = 0;
  };
  struct PseudoChannel {
    std::array<OldestFirst, 2> hits{};  // [read, write]
    std::array<uint64_t, 2> waiting{};  // banks with requests in their lane
    RowSet active;                      // banks with an active request
    int64_t active_ready = kNever;      // none of them may go before
    uint64_t closing = 0;               // banks with a precharge set or a refresh that waits for the row
    uint64_t blocked = 0;               // a refresh of the bank waits
    BankRefresh refresh;
  };
  struct Pick {
    int bank = -1;
    Entry* entry = kNone;
    DramCommandKind kind = DramCommandKind::kRead;
    uint64_t order = ~uint64_t{0};
  };
  // --- queues
  [[nodiscard]] Lane& lane(int direction, int bank) {
    return lanes_[static_cast<size_t>(bank)][static_cast<size_t>(direction)];
  }
  [[nodiscard]] const Lane& lane(int direction, int bank) const {
    return lanes_[static_cast<size_t>(bank)][static_cast<size_t>(direction)];
  }
  [[nodiscard]] Entry* active(int bank) const { return active_[static_cast<size_t>(bank)]; }
  [[nodiscard]] int pseudo_channel_of(int bank) const { return bank >> bank_bits_; }
  [[nodiscard]] PseudoChannel& pseudo_channel(int number) {
    return pseudo_channels_[static_cast<size_t>(number)];
  }
  [[nodiscard]] const PseudoChannel& pseudo_channel(int number) const {
    return pseudo_channels_[static_cast<size_t>(number)];
  }
  [[nodiscard]] uint64_t bit_of(int bank) const { return uint64_t{1} << (bank & bank_mask_); }
  [[nodiscard]] uint64_t group_of(int bank) const { return group_mask_ << (bank & ~group_place_); }
  void unlink(const Entry& e);
  [[nodiscard]] Entry* find_from(Entry* e, int32_t row, bool equal) const {
    while (e != kNone && (e->row == row) != equal) e = e->next;
    return e;
  }
  [[nodiscard]] Entry* find_same(int direction, const DramLocation& location) const;
  void row_closed(int bank);
  void row_opened(int bank);
  [[gnu::always_inline]] void unlink_hit(const Entry& e, PseudoChannel& channel);
  void place(int direction, int bank);
  void place(int bank);
  void place_open(int direction, int bank);
  void place_close(int bank);
  void put_off_close(int bank);
  [[nodiscard]] bool may_close(const Lane& l, int bank) const {
    if (l.miss == kNone || active(bank) != kNone) return false;
    if (scheduling_ == DramScheduling::kFirstCome) return l.miss == l.head;
    return scheduling_ != DramScheduling::kRowHitFirst || l.hit == kNone || l.miss->arrival < l.hit->arrival;
  }
  [[nodiscard]] bool nothing_waits(int direction, int bank) const {
    return (pseudo_channel(pseudo_channel_of(bank)).waiting[static_cast<size_t>(direction)] & bit_of(bank)) ==
           0;
  }
  void note_closing(int bank, PseudoChannel& channel, const Rows& rows) const {
    const uint64_t bit = bit_of(bank);
    const uint64_t now = rows.precharge[0].banks() | rows.precharge[1].banks() | channel.blocked;
    channel.closing = (channel.closing & ~bit) | (now & bit);
  }
  [[nodiscard]] Rows& rows_of(int bank) { return rows_[static_cast<size_t>(bank >> domain_bits_)]; }
  [[nodiscard]] int oldest_bank() const;
  [[nodiscard]] uint64_t allowed(int pseudo_channel, int only) const;

  // --- slots
  void single_slot(int64_t tick);
  [[gnu::always_inline]] void column_slot(int64_t tick);
  void row_slot(int64_t tick);
  bool refresh_slot(int64_t tick, int64_t& wake);
  bool bank_refresh_slot(int64_t tick, int64_t& wake);
  void close_bank(int bank, int64_t tick);
  void issue(const Pick& pick, int64_t tick);
  [[gnu::always_inline]] void issue_column(Entry& e, int64_t tick);
  [[nodiscard]] Entry* pick_active(int64_t tick);
  [[gnu::always_inline]] [[nodiscard]] Entry* ready_hit(int64_t tick, int64_t& wake) const;
  [[nodiscard]] Entry* ready_oldest(int64_t tick, int64_t& wake) const;
  [[nodiscard]] int64_t active_wake();
  void scan_active(int pseudo_channel, int64_t tick, Entry*& oldest);
  void pick_rows(int64_t tick, Pick& best, int64_t& wake);
  void pick_oldest_row(int64_t tick, Pick& best, int64_t& wake) const;
  void pick_idle_close(int64_t tick, Pick& best, int64_t& wake) const;
  void pick_activates(int domain, int64_t tick, Pick& best, int64_t& wake);
  [[nodiscard]] int64_t earliest_activate(const RowSet& set, int first, int domain, int64_t free) const;
  void pick_precharges(int domain, int64_t tick, Pick& best, int64_t& wake);
  void consider(Pick& best, int bank, Entry* e, DramCommandKind kind, int64_t ready, int64_t tick,
                int64_t& wake) const;
  void count_first(Entry& e, int64_t DramStats::*counter);

  // --- refresh and direction
  void refresh_becomes_due(int64_t tick);
  // To be called when the mode or the length of a queue has changed.
  void length_changed() {
    mode_flips_ = write_mode_ ? queued_[0] != 0 && queued_[1] < low_ : queued_[0] == 0 || queued_[1] > high_;
  }
  void settle_mode(int64_t tick) {
    if (!mode_flips_ || !refreshes_.empty()) [[likely]]
      return;
    write_mode_ = !write_mode_;
    length_changed();
    rescan(tick);
  }
  void wake_submitted(const Entry& added);
  [[gnu::always_inline]] void wake_added(const Entry& added);
  bool absorb(const DramLocation& location, bool write, int64_t arrival, uint64_t tag);
  void place_first(Entry& added);
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
  int bank_bits_ = 0;    // of a pseudo channel
  int domain_bits_ = 0;  // of an activate domain
  int bank_mask_ = 0;
  int group_place_ = 0;      // bits of a bank's number inside its group
  uint64_t group_mask_ = 0;  // the banks of the first group
  int64_t refresh_interval_ = 0;
  bool close_idle_rows_ = false;
  int low_ = 0;   // a write drain ends below it
  int high_ = 0;  // and starts above it
  // state
  std::vector<Entry> entries_;
  Entry* free_ = kNone;                     // entries that are not in use, by their `next`
  std::vector<std::array<Lane, 2>> lanes_;  // [bank][read, write]
  std::vector<Entry*> active_;              // [bank]: the request that its row is being opened for
  std::array<PseudoChannel, kMostPseudoChannels> pseudo_channels_;
  std::vector<Rows> rows_;         // [domain]
  int64_t active_ready_ = kNever;  // the least of the pseudo channels' active_ready
  Ring<int> refreshes_;            // domains whose refresh waits
  int next_domain_ = 0;
  bool write_mode_ = false;
  bool mode_flips_ = true;  // before the next slot, unless a refresh waits
  uint64_t next_order_ = 0;
  // earliest ticks at which something can change
  int64_t column_wake_ = kNever;
  int64_t column_free_ = 0;  // no column command goes out before
  int64_t row_wake_ = kNever;
  int64_t mode_wake_ = kNever;
  int64_t refresh_due_ = kNever;
};

}  // namespace rdusim::sim
