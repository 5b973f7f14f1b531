// A DRAM device and its controller as plain numbers: organisation, timings in clock ticks, queues, policies,
// address mapping. One file of configs/dram/ describes one channel type; sim/dram/ simulates it.
//
// One tick is the smallest step of the command clock: a whole CK, or half of one where commands may sit on
// either edge (HBM3). Timings count from the last tick of one command to the last tick of the next, as the
// standards do; a command of several ticks is recorded at its first, and sim/dram/timing.h converts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdusim {

// Counts are powers of two, because addresses are cut into bit fields.
struct DramOrganisation {
  int64_t channels = 1;
  int64_t pseudo_channels = 1;  // of one channel: own data bus, shared command bus
  int64_t ranks = 1;            // of one pseudo channel: DIMM ranks, or stack ids of an HBM stack
  int64_t bank_groups = 1;      // of one rank
  int64_t banks = 1;            // of one bank group
  int64_t rows = 1;             // of one bank
  int64_t row_bytes = 0;        // of one bank: what one activate opens
  int64_t burst_bytes = 0;      // moved by one column command

  [[nodiscard]] int64_t banks_per_pseudo_channel() const { return ranks * bank_groups * banks; }
  [[nodiscard]] int64_t banks_per_channel() const { return pseudo_channels * banks_per_pseudo_channel(); }
  [[nodiscard]] int64_t channel_bytes() const { return banks_per_channel() * rows * row_bytes; }
  [[nodiscard]] int64_t bursts_per_row() const { return row_bytes / burst_bytes; }
};

struct DramCommandBus {
  // single: one command a tick. dual: one row and one column command a tick. dual_half_cycle: as dual, but
  // only precharges may start on an even tick (the falling edge).
  std::string style = "single";
  int64_t activate_ticks = 1;
  int64_t column_ticks = 1;
  int64_t precharge_ticks = 1;
  int64_t refresh_ticks = 1;
};

// Names without the leading t. 0 = not constrained.
struct DramTimings {
  int64_t tick_ps = 0;
  int64_t burst = 0;  // data bus occupancy of one burst
  int64_t cl = 0;
  int64_t cwl = 0;
  int64_t rcd_read = 0;
  int64_t rcd_write = 0;
  int64_t rp = 0;
  int64_t ras = 0;
  int64_t rc = 0;
  int64_t wr = 0;   // end of write data to precharge
  int64_t rtp = 0;  // read to precharge
  int64_t ccd_s = 0;
  int64_t ccd_l = 0;
  int64_t ccd_s_write = 0;
  int64_t ccd_l_write = 0;
  int64_t rrd_s = 0;
  int64_t rrd_l = 0;
  int64_t faw = 0;
  int64_t wtr_s = 0;  // end of write data to read, other bank group
  int64_t wtr_l = 0;
  int64_t rtw = 0;  // read command to write command
  int64_t ppd = 0;  // precharge to precharge
  int64_t rfc = 0;
  int64_t refi = 0;
  int64_t rfc_bank = 0;
  int64_t refi_bank = 0;
  int64_t rrefd = 0;  // per-bank refresh to activate of another bank
  // Command to command across ranks (stack ids).
  int64_t rank_read_to_read = 0;
  int64_t rank_write_to_write = 0;
  int64_t rank_read_to_write = 0;
  int64_t rank_write_to_read = 0;
};

struct DramControllerSpec {
  std::string kind = "unified_queue";  // or per_bank_queue
  std::string scheduler = "fr_fcfs_row_hit";
  std::string row_policy = "open";
  std::string refresh = "all_bank";
  // pseudo_channel: ranks (stack ids) share the activate window and refresh together; rank: each its own.
  std::string activate_scope = "rank";
  int64_t read_queue = 0;
  int64_t write_queue = 0;
  int64_t bank_queue = 0;           // per_bank_queue: commands of one bank
  double write_low_watermark = 0;   // of the write queue: a drain ends below it
  double write_high_watermark = 1;  // a drain starts above it
  std::string mapping;              // base/arch/dram_mapping.h
};

struct DramSpec {
  std::string name;
  std::vector<std::string> aliases;  // other names of this file on the command line and in reference tables
  DramOrganisation organisation;
  DramCommandBus command_bus;
  DramTimings timings;
  DramControllerSpec controller;

  // Of all channels, from the data bus alone.
  [[nodiscard]] double peak_bytes_per_s() const {
    return static_cast<double>(organisation.burst_bytes) /
           (static_cast<double>(timings.burst * timings.tick_ps) * 1e-12) *
           static_cast<double>(organisation.pseudo_channels * organisation.channels);
  }
  [[nodiscard]] double tick_ns() const { return static_cast<double>(timings.tick_ps) * 1e-3; }
};

}  // namespace rdusim
