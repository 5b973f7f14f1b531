// Command-to-command distances of a DRAM, in ticks from the first tick of one command to the first tick of
// the next.
//
// DramTimings counts between the last ticks of two commands, so a distance becomes
//   nominal + (ticks of the first - 1) - (ticks of the second - 1).
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "base/arch/dram.h"

namespace rdusim::sim {

// Later than anything; small enough that a distance can be added to it.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 4;

enum class DramScheduling : uint8_t { kRowHitFirst, kFirstReady, kFirstCome };
enum class DramRefresh : uint8_t { kNone, kAllBank, kStaggered, kPerBank };
enum class DramBus : uint8_t { kSingle, kDual, kDualHalfCycle };

struct DramTiming {
  explicit DramTiming(const DramSpec& spec);

  int64_t act_rd, act_wr, act_pre, act_act;
  int64_t pre_act, pre_pre;
  int64_t rd_pre, wr_pre;
  int64_t rd_rd_s, rd_rd_l, wr_wr_s, wr_wr_l;  // other and same bank group
  int64_t rd_wr, wr_rd_s, wr_rd_l;
  int64_t rank_rd_rd, rank_wr_wr, rank_rd_wr, rank_wr_rd;
  int64_t rrd_s, rrd_l, faw;
  int64_t act_ref, pre_ref, ref_act;       // all-bank refresh
  int64_t refb_act, refb_other, act_refb;  // per-bank refresh
  int64_t activate_ticks, column_ticks, precharge_ticks, refresh_ticks;
  int64_t burst;
  int64_t read_latency;  // read command to the last of its data
  int64_t write_latency;
  int64_t refi, refi_bank;

  // The same distances as what a read [0] or a write [1] raises; pairs: for reads, for writes.
  struct ColumnGaps {
    std::array<int64_t, 2> group, rank, other_rank;
    int64_t precharge;
  };
  std::array<ColumnGaps, 2> column_gaps;
};

// How banks, groups, ranks and refresh domains of one channel number. All counts are powers of two.
struct DramShape {
  explicit DramShape(const DramSpec& spec);

  int pseudo_channels, ranks, groups, banks;  // of a channel, pseudo channel, rank, group
  int banks_per_group, banks_per_rank, banks_per_pseudo_channel, banks_per_channel;
  int domains;  // activate windows of the channel
  bool rank_domains;
  int group_bits, rank_bits, pseudo_channel_bits;  // of a bank's number, below that field

  [[nodiscard]] int pseudo_channel_of(int bank) const { return bank >> pseudo_channel_bits; }
  [[nodiscard]] int group_of(int bank) const { return bank >> group_bits; }
  [[nodiscard]] int rank_of(int bank) const { return bank >> rank_bits; }
  [[nodiscard]] int domain_of(int bank) const {
    return rank_domains ? rank_of(bank) : pseudo_channel_of(bank);
  }
  [[nodiscard]] int banks_per_domain() const { return banks_per_channel / domains; }
};

}  // namespace rdusim::sim
