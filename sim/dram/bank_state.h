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

inline constexpr size_t kMostPseudoChannels = 4;  // of a channel

class DramState {
 public:
  explicit DramState(const DramSpec& spec);
  DramState(const DramState&) = delete;  // banks point to their groups
  DramState& operator=(const DramState&) = delete;

  [[nodiscard]] const DramTiming& timing() const { return timing_; }
  [[nodiscard]] const DramShape& shape() const { return shape_; }
  [[nodiscard]] int32_t open_row(int bank) const { return banks_[static_cast<size_t>(bank)].row; }
  [[nodiscard]] bool is_open(int bank) const { return open_row(bank) >= 0; }

  // --- earliest ticks
  [[nodiscard]] int64_t column_ready(int bank, bool write) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    const size_t w = write ? 1 : 0;
    return edge(
        std::max(std::max(b.column[w], b.group->column[w]), std::max(b.rank->column[w], bus_[column_bus_])));
  }
  // As column_ready, but for the bus and its edges.
  [[nodiscard]] int64_t bank_column_ready(int bank, bool write) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    const size_t w = write ? 1 : 0;
    return std::max(std::max(b.column[w], b.group->column[w]), b.rank->column[w]);
  }
  // No column command of this direction goes to the pseudo channel before.
  [[nodiscard]] int64_t any_column_ready(int pseudo_channel, bool write) const {
    return any_column_[static_cast<size_t>(pseudo_channel)][write ? 1 : 0];
  }
  [[nodiscard]] int64_t any_activate_ready(int domain) const {
    return edge(std::max(domains_[static_cast<size_t>(domain)].activate, bus_[0]));
  }
  [[nodiscard]] int64_t activate_ready(int bank) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    return edge(std::max(std::max(b.activate, b.group->activate), std::max(b.domain->activate, bus_[0])));
  }
  [[nodiscard]] int64_t bank_column(int bank, bool write) const {
    return banks_[static_cast<size_t>(bank)].column[write ? 1 : 0];
  }
  // The parts of activate_ready and precharge_ready: the bank's, its group's, and its domain's with the bus.
  [[nodiscard]] int64_t bank_activate(int bank) const { return banks_[static_cast<size_t>(bank)].activate; }
  [[nodiscard]] int64_t bank_precharge(int bank) const { return banks_[static_cast<size_t>(bank)].precharge; }
  [[nodiscard]] int64_t group_activate(int bank) const {
    return banks_[static_cast<size_t>(bank)].group->activate;
  }
  [[nodiscard]] int64_t last_group_activate(int domain) const {
    return domains_[static_cast<size_t>(domain)].group_activate;
  }
  [[nodiscard]] int64_t domain_activate(int domain) const {
    return std::max(domains_[static_cast<size_t>(domain)].activate, bus_[0]);
  }
  [[nodiscard]] int64_t domain_precharge(int domain) const {
    return std::max(domains_[static_cast<size_t>(domain)].precharge, bus_[0]);
  }
  [[nodiscard]] int64_t precharge_ready(int bank) const {
    const Bank& b = banks_[static_cast<size_t>(bank)];
    return std::max(b.precharge, std::max(b.domain->precharge, bus_[0]));
  }
  [[nodiscard]] int64_t precharge_all_ready(int domain) const;
  [[nodiscard]] int64_t refresh_ready(int domain) const {
    return edge(std::max(domains_[static_cast<size_t>(domain)].refresh, bus_[0]));
  }
  [[nodiscard]] int64_t refresh_bank_ready(int bank) const {
    const auto b = static_cast<size_t>(bank);
    return edge(std::max(std::max(refresh_[b], banks_[b].domain->refresh_bank), bus_[0]));
  }
  // For a tick that is an edge.
  [[nodiscard]] bool column_bus_takes(int64_t tick) const { return bus_[column_bus_] <= tick; }
  [[nodiscard]] int64_t column_bus_free() const { return edge(bus_[column_bus_]); }
  [[nodiscard]] int64_t row_bus_free() const { return bus_[0]; }
  // The first tick not before `tick` at which anything but a precharge may start.
  [[nodiscard]] int64_t edge(int64_t tick) const { return tick + (half_cycle_ & ~tick); }
  [[nodiscard]] bool is_edge(int64_t tick) const { return (half_cycle_ & ~tick) == 0; }

  // --- commands; the caller has asked whether they are ready
  void activate(int bank, int32_t row, int64_t tick);
  void precharge(int bank, int64_t tick);
  void precharge_all(int domain, int64_t tick);
  void column(int bank, bool write, int64_t tick) {
    write ? column_command<1>(bank, tick) : column_command<0>(bank, tick);
  }
  void refresh(int domain, int64_t tick);
  void refresh_bank(int bank, int64_t tick);

 private:
  static void raise(int64_t& earliest, int64_t tick) { earliest = std::max(earliest, tick); }
  // After a column command that was ready: nothing held its own direction beyond `tick`.
  template <size_t kWrite>
  static void follow(std::array<int64_t, 2>& earliest, const std::array<int64_t, 2>& gaps, int64_t tick) {
    earliest[kWrite] = tick + gaps[kWrite];
    raise(earliest[1 - kWrite], tick + gaps[1 - kWrite]);
  }
  // [0] read, [1] write
  struct alignas(32) Group {
    std::array<int64_t, 2> column{};
    int64_t activate = 0;
  };
  struct Rank {
    std::array<int64_t, 2> column{};
    Rank* sibling = nullptr;  // the next of its pseudo channel, in a circle
    size_t pseudo_channel = 0;
  };
  struct Domain {
    int64_t activate = 0;
    int64_t group_activate = 0;  // the latest of its groups
    int64_t precharge = 0;
    int64_t refresh = 0;
    int64_t refresh_bank = 0;
    std::array<int64_t, 4> window{};  // ticks of the last four activates
    uint32_t next = 0;
  };
  // A cache line: what a column command asks for, and where its other levels are.
  struct alignas(64) Bank {
    std::array<int64_t, 2> column{};
    int64_t activate = 0;
    int64_t precharge = 0;
    Group* group = nullptr;
    Rank* rank = nullptr;
    Domain* domain = nullptr;
    int32_t row = -1;
  };

  template <size_t kWrite>
  void column_command(int bank, int64_t tick) {
    Bank& b = banks_[static_cast<size_t>(bank)];
    const DramTiming::ColumnGaps& gaps = timing_.column_gaps[kWrite];
    Rank& rank = *b.rank;
    follow<kWrite>(rank.column, gaps.rank, tick);
    std::array<int64_t, 2>& any = any_column_[rank.pseudo_channel];
    any = rank.column;
    for (Rank* other = rank.sibling; other != &rank; other = other->sibling) {
      raise(other->column[0], tick + gaps.other_rank[0]);
      raise(other->column[1], tick + gaps.other_rank[1]);
      any[0] = std::min(any[0], other->column[0]);
      any[1] = std::min(any[1], other->column[1]);
    }
    follow<kWrite>(b.group->column, gaps.group, tick);
    raise(b.precharge, tick + gaps.precharge);
    bus_[column_bus_] = tick + timing_.column_ticks;
  }

  DramTiming timing_;
  DramShape shape_;
  std::vector<Bank> banks_;
  std::vector<int64_t> refresh_;  // [bank]: earliest refresh of the bank alone
  std::vector<Group> groups_;
  std::vector<Rank> ranks_;
  // [pseudo channel]: the earliest of its ranks
  std::array<std::array<int64_t, 2>, kMostPseudoChannels> any_column_{};
  std::vector<Domain> domains_;
  std::array<int64_t, 2> bus_{};  // row, column; a single bus uses the first for both
  size_t column_bus_ = 0;
  int64_t half_cycle_ = 0;  // 1: only precharges may start on an even tick
};

}  // namespace rdusim::sim
