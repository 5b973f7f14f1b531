#include "sim/dram/timing.h"

#include <bit>

namespace rdusim::sim {

DramTiming::DramTiming(const DramSpec& spec) {
  const DramTimings& t = spec.timings;
  const DramCommandBus& bus = spec.command_bus;
  activate_ticks = bus.activate_ticks;
  column_ticks = bus.column_ticks;
  precharge_ticks = bus.precharge_ticks;
  refresh_ticks = bus.refresh_ticks;
  const int64_t act = activate_ticks - 1;
  const int64_t col = column_ticks - 1;
  const int64_t pre = precharge_ticks - 1;
  const int64_t ref = refresh_ticks - 1;

  act_rd = t.rcd_read + act - col;
  act_wr = t.rcd_write + act - col;
  act_pre = t.ras + act - pre;
  act_act = t.rc;
  pre_act = t.rp + pre - act;
  pre_pre = t.ppd;
  rd_pre = t.rtp + col - pre;
  wr_pre = t.cwl + t.burst + t.wr + col - pre;
  rd_rd_s = t.ccd_s;
  rd_rd_l = t.ccd_l;
  wr_wr_s = t.ccd_s_write;
  wr_wr_l = t.ccd_l_write;
  rd_wr = t.rtw;
  wr_rd_s = t.cwl + t.burst + t.wtr_s;
  wr_rd_l = t.cwl + t.burst + t.wtr_l;
  rank_rd_rd = t.rank_read_to_read;
  rank_wr_wr = t.rank_write_to_write;
  rank_rd_wr = t.rank_read_to_write;
  rank_wr_rd = t.rank_write_to_read;
  rrd_s = t.rrd_s;
  rrd_l = t.rrd_l;
  faw = t.faw;
  act_ref = t.rc + act - ref;
  pre_ref = t.rp + pre - ref;
  ref_act = t.rfc + ref - act;
  refb_act = t.rfc_bank + ref - act;
  refb_other = t.rrefd + ref - act;
  act_refb = t.rrd_s + act - ref;
  burst = t.burst;
  read_latency = t.cl + t.burst;
  write_latency = t.cwl + t.burst;
  refi = t.refi;
  refi_bank = t.refi_bank;
  column_gaps = {{{{rd_rd_l, rd_wr}, {rd_rd_s, rd_wr}, {rank_rd_rd, rank_rd_wr}, rd_pre},
                  {{wr_rd_l, wr_wr_l}, {wr_rd_s, wr_wr_s}, {rank_wr_rd, rank_wr_wr}, wr_pre}}};
}

DramShape::DramShape(const DramSpec& spec) {
  const DramOrganisation& o = spec.organisation;
  pseudo_channels = static_cast<int>(o.pseudo_channels);
  ranks = static_cast<int>(o.ranks);
  groups = static_cast<int>(o.bank_groups);
  banks = static_cast<int>(o.banks);
  banks_per_group = banks;
  banks_per_rank = banks * groups;
  banks_per_pseudo_channel = banks_per_rank * ranks;
  banks_per_channel = banks_per_pseudo_channel * pseudo_channels;
  rank_domains = spec.controller.activate_scope == "rank";
  const auto bits = [](int count) { return std::countr_zero(static_cast<unsigned>(count)); };
  group_bits = bits(banks_per_group);
  rank_bits = bits(banks_per_rank);
  pseudo_channel_bits = bits(banks_per_pseudo_channel);
  domains = rank_domains ? pseudo_channels * ranks : pseudo_channels;
}

}  // namespace rdusim::sim
