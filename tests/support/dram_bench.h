// For tests of the DRAM model: devices of configs/dram/, a run of given requests, and a slow, obvious checker
// of a command trace.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/arch/dram_fields.h"
#include "base/arch/dram_mapping.h"
#include "sim/dram/controller.h"

namespace rdusim::testing {

inline DramSpec dram(const std::string& name) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto spec = load_dram(context, name);
  return spec.ok() ? *spec : DramSpec{};
}

struct DramRequest {
  int64_t arrival = 1;
  int32_t bank = 0;
  int32_t row = 0;
  int32_t column = 0;
  bool write = false;
};

struct DramRun {
  std::vector<sim::DramCommand> commands;
  std::vector<sim::DramCompletion> completions;  // in the order they came; the tag is the request's number
  sim::DramStats stats;
  [[nodiscard]] std::vector<sim::DramCommand> of(sim::DramCommandKind kind) const {
    std::vector<sim::DramCommand> found;
    for (const auto& command : commands) {
      if (command.kind == kind) found.push_back(command);
    }
    return found;
  }
  [[nodiscard]] int64_t done(uint64_t tag) const {
    for (const auto& completion : completions) {
      if (completion.tag == tag) return completion.tick;
    }
    return -1;
  }
};

// Submits each request at its arrival, or as soon after as its queue has room; runs until all are complete
// and at least to `until`.
inline DramRun run_requests(const DramSpec& spec, const std::vector<DramRequest>& requests,
                            int64_t until = 0) {
  DramRun run;
  const auto controller = sim::DramController::make(spec);
  controller->set_trace(&run.commands);
  size_t next = 0;
  int64_t now = 0;
  while (run.completions.size() < requests.size() || now < until) {
    while (next < requests.size() && requests[next].arrival <= now + 1 &&
           controller->can_accept(requests[next].write)) {
      const DramRequest& r = requests[next];
      controller->submit({0, r.bank, r.row, r.column}, r.write, now + 1, next);
      ++next;
    }
    int64_t at = std::min(controller->next_tick(), controller->next_completion());
    if (next < requests.size() && controller->can_accept(requests[next].write)) {
      at = std::min(at, std::max(now + 1, requests[next].arrival - 1));
    }
    if (at >= sim::kNever) break;
    now = at;
    if (controller->next_tick() <= now) controller->tick(now);
    while (controller->next_completion() <= now) run.completions.push_back(controller->pop_completion());
  }
  run.stats = controller->stats();
  return run;
}

// Every rule, pair by pair, from the spec's own numbers. Returns the first breach, or nothing.
class DramChecker {
 public:
  explicit DramChecker(const DramSpec& spec) : spec_(spec), shape_(spec) {
    rows_.assign(static_cast<size_t>(shape_.banks_per_channel), -1);
  }

  std::string check(const std::vector<sim::DramCommand>& trace) {
    for (size_t j = 0; j < trace.size(); ++j) {
      for (size_t i = j; i-- > 0 && trace[j].tick - trace[i].tick < kFurthest;) {
        const int64_t least = std::max(distance(trace[i], trace[j]), bus_distance(trace[i], trace[j]));
        if (trace[j].tick - trace[i].tick < least) {
          return fmt::format("command {} kind {} at {} only {} ticks after {} kind {} at {}, {} needed", j,
                             static_cast<int>(trace[j].kind), trace[j].tick, trace[j].tick - trace[i].tick, i,
                             static_cast<int>(trace[i].kind), trace[i].tick, least);
        }
      }
      if (auto text = check_window(trace, j); !text.empty()) return text;
      if (auto text = apply(trace[j]); !text.empty()) return text;
    }
    return "";
  }

 private:
  using Kind = sim::DramCommandKind;
  static constexpr int64_t kFurthest = 2000;  // ticks; above every timing that is checked

  static bool column(Kind k) { return k == Kind::kRead || k == Kind::kWrite; }
  static bool whole_domain(Kind k) { return k == Kind::kPrechargeAll || k == Kind::kRefresh; }
  [[nodiscard]] int64_t ticks(Kind k) const {
    const DramCommandBus& b = spec_.command_bus;
    if (k == Kind::kActivate) return b.activate_ticks;
    if (column(k)) return b.column_ticks;
    return k == Kind::kPrecharge || k == Kind::kPrechargeAll ? b.precharge_ticks : b.refresh_ticks;
  }
  [[nodiscard]] int64_t bus_distance(const sim::DramCommand& a, const sim::DramCommand& b) const {
    const bool same_bus = spec_.command_bus.style == "single" || column(a.kind) == column(b.kind);
    return same_bus ? ticks(a.kind) : 0;
  }
  // Between the first ticks of two commands.
  [[nodiscard]] int64_t distance(const sim::DramCommand& a, const sim::DramCommand& b) const {
    if (shape_.pseudo_channel_of(a.bank) != shape_.pseudo_channel_of(b.bank)) return 0;
    const int64_t nominal = column(a.kind) && column(b.kind) ? column_distance(a, b) : row_distance(a, b);
    return nominal == 0 ? 0 : nominal + ticks(a.kind) - ticks(b.kind);
  }
  [[nodiscard]] int64_t column_distance(const sim::DramCommand& a, const sim::DramCommand& b) const {
    const DramTimings& t = spec_.timings;
    const bool wa = a.kind == Kind::kWrite;
    const bool wb = b.kind == Kind::kWrite;
    if (shape_.rank_of(a.bank) != shape_.rank_of(b.bank)) {
      if (wa == wb) return wa ? t.rank_write_to_write : t.rank_read_to_read;
      return wa ? t.rank_write_to_read : t.rank_read_to_write;
    }
    const bool group = shape_.group_of(a.bank) == shape_.group_of(b.bank);
    if (wa && wb) return group ? t.ccd_l_write : t.ccd_s_write;
    if (!wa && !wb) return group ? t.ccd_l : t.ccd_s;
    return wa ? t.cwl + t.burst + (group ? t.wtr_l : t.wtr_s) : t.rtw;
  }
  [[nodiscard]] int64_t row_distance(const sim::DramCommand& a, const sim::DramCommand& b) const {
    const DramTimings& t = spec_.timings;
    const bool domain = shape_.domain_of(a.bank) == shape_.domain_of(b.bank);
    if (!domain) return 0;
    const bool same = a.bank == b.bank || whole_domain(a.kind) || whole_domain(b.kind);
    const bool close_b = b.kind == Kind::kPrecharge || b.kind == Kind::kPrechargeAll;
    const bool refresh_b = b.kind == Kind::kRefresh || b.kind == Kind::kRefreshBank;
    if (a.kind == Kind::kActivate) {
      if (b.kind == Kind::kActivate) {
        if (same) return t.rc;
        return shape_.group_of(a.bank) == shape_.group_of(b.bank) ? t.rrd_l : t.rrd_s;
      }
      if (close_b) return same ? t.ras : 0;
      if (refresh_b) return same ? t.rc : t.rrd_s;
      return same ? (b.kind == Kind::kRead ? t.rcd_read : t.rcd_write) : 0;
    }
    if (a.kind == Kind::kPrecharge || a.kind == Kind::kPrechargeAll) {
      if (close_b) return t.ppd;
      return same && (b.kind == Kind::kActivate || refresh_b) ? t.rp : 0;
    }
    if (column(a.kind)) return same && close_b ? (a.kind == Kind::kRead ? t.rtp : t.cwl + t.burst + t.wr) : 0;
    if (a.kind == Kind::kRefresh) return b.kind == Kind::kActivate || refresh_b ? t.rfc : 0;
    if (b.kind == Kind::kActivate) return same ? t.rfc_bank : t.rrefd;
    return b.kind == Kind::kRefreshBank ? t.rrefd : 0;
  }
  [[nodiscard]] std::string check_window(const std::vector<sim::DramCommand>& trace, size_t j) const {
    if (trace[j].kind != Kind::kActivate || spec_.timings.faw == 0) return "";
    int count = 0;
    for (size_t i = j + 1; i-- > 0 && trace[j].tick - trace[i].tick < spec_.timings.faw;) {
      if (trace[i].kind == Kind::kActivate &&
          shape_.domain_of(trace[i].bank) == shape_.domain_of(trace[j].bank)) {
        ++count;
      }
    }
    return count > 4 ? fmt::format("five activates in one window at {}", trace[j].tick) : "";
  }
  std::string apply(const sim::DramCommand& c) {
    const bool odd_only = spec_.command_bus.style == "dual_half_cycle" && c.kind != Kind::kPrecharge &&
                          c.kind != Kind::kPrechargeAll;
    if (odd_only && c.tick % 2 == 0)
      return fmt::format("kind {} on a falling edge", static_cast<int>(c.kind));
    const int count = whole_domain(c.kind) ? shape_.banks_per_domain() : 1;
    const int first = whole_domain(c.kind) ? shape_.domain_of(c.bank) * count : c.bank;
    for (int bank = first; bank < first + count; ++bank) {
      int32_t& row = rows_[static_cast<size_t>(bank)];
      const bool needs_closed =
          c.kind == Kind::kActivate || c.kind == Kind::kRefresh || c.kind == Kind::kRefreshBank;
      if (needs_closed && row >= 0)
        return fmt::format("kind {} on open bank {}", static_cast<int>(c.kind), bank);
      if (c.kind == Kind::kPrecharge && row < 0) return fmt::format("precharge of closed bank {}", bank);
      if (column(c.kind) && row != c.row) return fmt::format("bank {} has row {}, not {}", bank, row, c.row);
      if (c.kind == Kind::kActivate) row = c.row;
      if (c.kind == Kind::kPrecharge || c.kind == Kind::kPrechargeAll) row = -1;
    }
    return "";
  }

  const DramSpec& spec_;
  sim::DramShape shape_;
  std::vector<int32_t> rows_;
};

}  // namespace rdusim::testing
