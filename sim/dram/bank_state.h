// State of one DRAM channel: the open row of every bank and, for every command, the earliest tick at which it
// may be issued.
//
// No clock: a command that is issued raises the timestamps of what must wait for it, at the level where the
// constraint holds (bank, bank group, rank, activate domain, command bus). What is ready when is the maximum
// of the levels above a bank.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "sim/dram/timing.h"

namespace rdusim::sim {

enum class DramCommandKind : uint8_t {
  kActivate,
  kPrecharge,
  kPrechargeAll,
  kRead,
  kWrite,
  kRefresh,
  kRefreshBank
};
inline constexpr size_t kDramCommandKinds = 7;

// One command as it went over the bus. PrechargeAll and Refresh name the first bank of their domain.
struct DramCommand {
  int64_t tick = 0;
  DramCommandKind kind = DramCommandKind::kActivate;
  int32_t bank = 0;
  int32_t row = 0;     // activate
  int32_t column = 0;  // read, write
};

class DramState {
 public:
  explicit DramState(const DramSpec& spec);

  [[nodiscard]] const DramTiming& timing() const { return timing_; }
  [[nodiscard]] const DramShape& shape() const { return shape_; }
  [[nodiscard]] int32_t open_row(int bank) const { return banks_[static_cast<size_t>(bank)].row; }
  [[nodiscard]] bool is_open(int bank) const { return open_row(bank) >= 0; }

  // --- earliest ticks
  [[nodiscard]] int64_t column_ready(int bank, bool write) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    const size_t w = write ? 1 : 0;
    return edge(std::max(std::max(b.column[w], groups_[b.group].column[w]),
                         std::max(ranks_[b.rank].column[w], bus_[column_bus_])));
  }
  // No column command of this direction goes to the bank's group before.
  [[nodiscard]] int64_t group_column_ready(int bank, bool write) const {
    return groups_[static_cast<size_t>(shape_.group_of(bank))].column[write ? 1 : 0];
  }
  // No column command of this direction goes to the pseudo channel before.
  [[nodiscard]] int64_t any_column_ready(int pseudo_channel, bool write) const {
    int64_t earliest = kNever;
    const int first = pseudo_channel * shape_.ranks;
    for (int r = first; r < first + shape_.ranks; ++r) {
      earliest = std::min(earliest, ranks_[static_cast<size_t>(r)].column[write ? 1 : 0]);
    }
    return earliest;
  }
  [[nodiscard]] int64_t any_activate_ready(int domain) const {
    return edge(std::max(domains_[static_cast<size_t>(domain)].activate, bus_[0]));
  }
  [[nodiscard]] int64_t activate_ready(int bank) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    return edge(std::max(std::max(b.activate, groups_[b.group].activate),
                         std::max(domains_[b.domain].activate, bus_[0])));
  }
  [[nodiscard]] int64_t precharge_ready(int bank) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    return std::max(b.precharge, std::max(domains_[b.domain].precharge, bus_[0]));
  }
  [[nodiscard]] int64_t precharge_all_ready(int domain) const {
    const Domain& d = domains_[static_cast<size_t>(domain)];
    return std::max(std::max(d.precharge_all, d.precharge), bus_[0]);
  }
  [[nodiscard]] int64_t refresh_ready(int domain) const {
    return edge(std::max(domains_[static_cast<size_t>(domain)].refresh, bus_[0]));
  }
  [[nodiscard]] int64_t refresh_bank_ready(int bank) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    return edge(std::max(std::max(b.refresh, domains_[b.domain].refresh_bank), bus_[0]));
  }
  [[nodiscard]] int64_t column_bus_free() const { return edge(bus_[column_bus_]); }
  [[nodiscard]] int64_t row_bus_free() const { return bus_[0]; }
  // The first tick not before `tick` at which anything but a precharge may start.
  [[nodiscard]] int64_t edge(int64_t tick) const { return tick + (half_cycle_ & ~tick & 1); }

  // --- commands; the caller has asked whether they are ready
  void activate(int bank, int32_t row, int64_t tick);
  void precharge(int bank, int64_t tick);
  void precharge_all(int domain, int64_t tick);
  void column(int bank, bool write, int64_t tick) {
    Bank& b = banks_[static_cast<size_t>(bank)];
    const DramTiming::ColumnGaps& gaps = timing_.column_gaps[write ? 1 : 0];
    const size_t first = static_cast<size_t>(shape_.pseudo_channel_of(bank) * shape_.ranks);
    for (size_t r = first; r < first + static_cast<size_t>(shape_.ranks); ++r) {
      raise(ranks_[r].column, r == b.rank ? gaps.rank : gaps.other_rank, tick);
    }
    raise(groups_[b.group].column, gaps.group, tick);
    raise(b.precharge, tick + gaps.precharge);
    raise(domains_[b.domain].precharge_all, tick + gaps.precharge);
    bus_[column_bus_] = tick + timing_.column_ticks;
  }
  void refresh(int domain, int64_t tick);
  void refresh_bank(int bank, int64_t tick);

 private:
  static void raise(int64_t& earliest, int64_t tick) { earliest = std::max(earliest, tick); }
  static void raise(std::array<int64_t, 2>& earliest, const std::array<int64_t, 2>& gaps, int64_t tick) {
    raise(earliest[0], tick + gaps[0]);
    raise(earliest[1], tick + gaps[1]);
  }

  // [0] read, [1] write
  struct alignas(64) Bank {
    std::array<int64_t, 2> column{};
    int64_t activate = 0;
    int64_t precharge = 0;
    int64_t refresh = 0;
    int32_t row = -1;
    uint16_t group = 0;
    uint16_t rank = 0;
    uint16_t domain = 0;
  };
  struct alignas(32) Group {
    std::array<int64_t, 2> column{};
    int64_t activate = 0;
  };
  struct Rank {
    std::array<int64_t, 2> column{};
  };
  struct Domain {
    int64_t activate = 0;
    int64_t precharge = 0;
    int64_t precharge_all = 0;
    int64_t refresh = 0;
    int64_t refresh_bank = 0;
    std::array<int64_t, 4> window{};  // ticks of the last four activates
    uint32_t next = 0;
  };

  DramTiming timing_;
  DramShape shape_;
  std::vector<Bank> banks_;
  std::vector<Group> groups_;
  std::vector<Rank> ranks_;
  std::vector<Domain> domains_;
  std::array<int64_t, 2> bus_{};  // row, column; a single bus uses the first for both
  size_t column_bus_ = 0;
  int64_t half_cycle_ = 0;  // 1: only precharges may start on an even tick
};

}  // namespace rdusim::sim
