#include "sim/dram/bank_state.h"

namespace rdusim::sim {

DramState::DramState(const DramSpec& spec) : timing_(spec), shape_(spec) {
  groups_.resize(static_cast<size_t>(shape_.banks_per_channel / shape_.banks_per_group));
  ranks_.resize(static_cast<size_t>(shape_.banks_per_channel / shape_.banks_per_rank));
  const auto siblings = static_cast<size_t>(shape_.ranks);
  for (size_t r = 0; r < ranks_.size(); ++r) {
    ranks_[r].pseudo_channel = r / siblings;
    ranks_[r].sibling = &ranks_[r - r % siblings + (r + 1) % siblings];
  }
  domains_.resize(static_cast<size_t>(shape_.domains));
  banks_.resize(static_cast<size_t>(shape_.banks_per_channel));
  refresh_.resize(banks_.size());
  for (int b = 0; b < shape_.banks_per_channel; ++b) {
    Bank& bank = banks_[static_cast<size_t>(b)];
    bank.group = &groups_[static_cast<size_t>(shape_.group_of(b))];
    bank.rank = &ranks_[static_cast<size_t>(shape_.rank_of(b))];
    bank.domain = &domains_[static_cast<size_t>(shape_.domain_of(b))];
  }
  for (Domain& domain : domains_) domain.window.fill(-kNever);
  column_bus_ = spec.command_bus.style == "single" ? 0 : 1;
  half_cycle_ = spec.command_bus.style == "dual_half_cycle" ? 1 : 0;
}

// Also of banks that are closed: what held them has passed or holds no longer than tRP did.
int64_t DramState::precharge_all_ready(int domain) const {
  int64_t ready = domain_precharge(domain);
  const int count = shape_.banks_per_domain();
  for (int b = domain * count; b < (domain + 1) * count; ++b)
    ready = std::max(ready, banks_[static_cast<size_t>(b)].precharge);
  return ready;
}

void DramState::activate(int bank, int32_t row, int64_t tick) {
  Bank& b = banks_[static_cast<size_t>(bank)];
  Domain& d = *b.domain;
  b.row = row;
  raise(b.column[0], tick + timing_.act_rd);
  raise(b.column[1], tick + timing_.act_wr);
  raise(b.precharge, tick + timing_.act_pre);
  raise(b.activate, tick + timing_.act_act);
  raise(refresh_[static_cast<size_t>(bank)], tick + timing_.act_ref);
  raise(b.group->activate, tick + timing_.rrd_l);
  raise(d.group_activate, tick + timing_.rrd_l);
  d.window[d.next & 3] = tick;
  ++d.next;
  raise(d.activate, std::max(tick + timing_.rrd_s, d.window[d.next & 3] + timing_.faw));
  raise(d.refresh, tick + timing_.act_ref);
  raise(d.refresh_bank, tick + timing_.act_refb);
  bus_[0] = tick + timing_.activate_ticks;
}

void DramState::precharge(int bank, int64_t tick) {
  Bank& b = banks_[static_cast<size_t>(bank)];
  Domain& d = *b.domain;
  b.row = -1;
  raise(b.activate, tick + timing_.pre_act);
  raise(refresh_[static_cast<size_t>(bank)], tick + timing_.pre_ref);
  raise(d.precharge, tick + timing_.pre_pre);
  raise(d.refresh, tick + timing_.pre_ref);
  bus_[0] = tick + timing_.precharge_ticks;
}

void DramState::precharge_all(int domain, int64_t tick) {
  Domain& d = domains_[static_cast<size_t>(domain)];
  const int count = shape_.banks_per_domain();
  for (int b = domain * count; b < (domain + 1) * count; ++b) {
    Bank& bank = banks_[static_cast<size_t>(b)];
    bank.row = -1;
    raise(refresh_[static_cast<size_t>(b)], tick + timing_.pre_ref);
  }
  raise(d.activate, tick + timing_.pre_act);
  raise(d.precharge, tick + timing_.pre_pre);
  raise(d.refresh, tick + timing_.pre_ref);
  bus_[0] = tick + timing_.precharge_ticks;
}

void DramState::refresh(int domain, int64_t tick) {
  Domain& d = domains_[static_cast<size_t>(domain)];
  raise(d.activate, tick + timing_.ref_act);
  raise(d.refresh, tick + timing_.ref_act);
  bus_[0] = tick + timing_.refresh_ticks;
}

void DramState::refresh_bank(int bank, int64_t tick) {
  Bank& b = banks_[static_cast<size_t>(bank)];
  Domain& d = *b.domain;
  raise(b.activate, tick + timing_.refb_act);
  raise(refresh_[static_cast<size_t>(bank)], tick + timing_.refb_act);
  raise(d.activate, tick + timing_.refb_other);
  raise(d.refresh_bank, tick + timing_.refb_other);
  bus_[0] = tick + timing_.refresh_ticks;
}

}  // namespace rdusim::sim
