// Refresh in the unified-queue controller: of all banks of a domain at once, or of one bank at a time.
#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

bool UnifiedController::refresh_slot(int64_t tick, int64_t& wake) {
  const int domain = refreshes_.front();
  const int count = state_.shape().banks_per_domain();
  bool open = false;
  for (int bank = domain * count; bank < (domain + 1) * count; ++bank) {
    if (active(bank) != kNone) return false;  // its column command wakes the slot again
    open = open || state_.is_open(bank);
  }
  const int64_t ready =
      open ? state_.precharge_all_ready(domain) : state_.edge(std::max(tick, state_.refresh_ready(domain)));
  if (ready > tick) {
    wake = std::min(wake, ready);
    return false;
  }
  if (open) {
    state_.precharge_all(domain, tick);
    record(DramCommandKind::kPrechargeAll, domain * count, tick);
    ++stats_.precharges;
    for (int bank = domain * count; bank < (domain + 1) * count; ++bank) row_closed(bank);
    return true;
  }
  state_.refresh(domain, tick);
  record(DramCommandKind::kRefresh, domain * count, tick);
  ++stats_.refreshes;
  refreshes_.pop();
  if (refreshes_.empty()) rescan(tick + 1);
  return true;
}

// One bank of a pseudo channel at a time: it takes no new request, is closed and refreshed; the others go on.
bool UnifiedController::bank_refresh_slot(int64_t tick, int64_t& wake) {
  const int banks = state_.shape().banks_per_pseudo_channel;
  for (int p = 0; p < state_.shape().pseudo_channels; ++p) {
    BankRefresh& refresh = pseudo_channel(p).refresh;
    uint64_t& blocked = pseudo_channel(p).blocked;
    if (refresh.bank < 0 && refresh.owed > 0) {
      refresh.bank = p * banks + refresh.next;
      refresh.next = (refresh.next + 1) % banks;
      blocked |= bit_of(refresh.bank);
      place(refresh.bank);
    }
    const int bank = refresh.bank;
    if (bank < 0 || active(bank) != kNone) continue;
    const bool open = state_.is_open(bank);
    const int64_t ready =
        open ? state_.precharge_ready(bank) : state_.edge(std::max(tick, state_.refresh_bank_ready(bank)));
    if (ready > tick) {
      wake = std::min(wake, ready);
      continue;
    }
    if (open) {
      close_bank(bank, tick);
      return true;
    }
    state_.refresh_bank(bank, tick);
    record(DramCommandKind::kRefreshBank, bank, tick);
    ++stats_.bank_refreshes;
    --refresh.owed;
    refresh.bank = -1;
    blocked &= ~bit_of(bank);
    place(bank);
    rescan(tick + 1);
    return true;
  }
  return false;
}

}  // namespace rdusim::sim
