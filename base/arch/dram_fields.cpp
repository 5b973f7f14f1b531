// Limits are sanity bounds that also keep the simulator's arithmetic and bank masks (64 banks of a pseudo
// channel) in range.
#include "base/arch/dram_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "base/arch/dram_mapping.h"

namespace rdusim {
namespace {

constexpr IntegerRange kTicks{0, 1'000'000};
constexpr IntegerRange kSomeTicks{1, 1'000'000};
constexpr IntegerRange kQueue{1, 4096};
constexpr int64_t kMostBanks = 64;

const Fields<DramOrganisation>& organisation_fields() {
  using O = DramOrganisation;
  static const auto fields =
      Fields<O>("dram_organisation", "counts are powers of two")
          .integer("channels", &O::channels, {1, 1024}, "channels", "of the device")
          .integer("pseudo_channels", &O::pseudo_channels, {1, 4}, "", "of a channel: own data bus")
          .integer("ranks", &O::ranks, {1, 16}, "", "of a pseudo channel: ranks or stack ids")
          .integer("bank_groups", &O::bank_groups, {1, 16}, "", "of a rank")
          .integer("banks", &O::banks, {1, 32}, "", "of a bank group")
          .integer("rows", &O::rows, {1, int64_t{1} << 24}, "", "of a bank")
          .integer("row_bytes", &O::row_bytes, {64, 1 << 16}, "bytes", "of a bank: opened by one activate")
          .integer("burst_bytes", &O::burst_bytes, {8, 256}, "bytes", "moved by one column command");
  return fields;
}

const Fields<DramCommandBus>& bus_fields() {
  using B = DramCommandBus;
  static const auto fields =
      Fields<B>("dram_command_bus", "how commands reach the device")
          .text("style", &B::style, "one bus, or one for rows and one for columns")
          .choices({"single", "dual", "dual_half_cycle"})
          .integer("activate_ticks", &B::activate_ticks, {1, 8}, "ticks", "of one activate command")
          .integer("column_ticks", &B::column_ticks, {1, 8}, "ticks", "of one read or write command")
          .integer("precharge_ticks", &B::precharge_ticks, {1, 8}, "ticks", "of one precharge command")
          .integer("refresh_ticks", &B::refresh_ticks, {1, 8}, "ticks", "of one refresh command");
  return fields;
}

const Fields<DramTimings>& timing_fields() {
  using T = DramTimings;
  static const auto fields =
      Fields<T>("dram_timings", "in ticks; 0 = not constrained")
          .integer("tick_ps", &T::tick_ps, {10, 100'000}, "ps", "one tick of the command clock")
          .integer("burst", &T::burst, kSomeTicks, "ticks", "data bus occupancy of one burst")
          .integer("cl", &T::cl, kSomeTicks, "ticks", "read command to data")
          .integer("cwl", &T::cwl, kSomeTicks, "ticks", "write command to data")
          .integer("rcd_read", &T::rcd_read, kSomeTicks, "ticks", "activate to read")
          .integer("rcd_write", &T::rcd_write, kSomeTicks, "ticks", "activate to write")
          .integer("rp", &T::rp, kSomeTicks, "ticks", "precharge to activate")
          .integer("ras", &T::ras, kSomeTicks, "ticks", "activate to precharge")
          .integer("rc", &T::rc, kSomeTicks, "ticks", "activate to activate of one bank")
          .integer("wr", &T::wr, kTicks, "ticks", "end of write data to precharge")
          .integer("rtp", &T::rtp, kTicks, "ticks", "read to precharge")
          .integer("ccd_s", &T::ccd_s, kSomeTicks, "ticks", "read to read, other bank group")
          .integer("ccd_l", &T::ccd_l, kSomeTicks, "ticks", "read to read, same bank group")
          .integer("ccd_s_write", &T::ccd_s_write, kSomeTicks, "ticks", "write to write, other bank group")
          .integer("ccd_l_write", &T::ccd_l_write, kSomeTicks, "ticks", "write to write, same bank group")
          .integer("rrd_s", &T::rrd_s, kSomeTicks, "ticks", "activate to activate, other bank group")
          .integer("rrd_l", &T::rrd_l, kSomeTicks, "ticks", "activate to activate, same bank group")
          .integer("faw", &T::faw, kTicks, "ticks", "window of four activates")
          .integer("wtr_s", &T::wtr_s, kTicks, "ticks", "end of write data to read, other bank group")
          .integer("wtr_l", &T::wtr_l, kTicks, "ticks", "end of write data to read, same bank group")
          .integer("rtw", &T::rtw, kSomeTicks, "ticks", "read to write")
          .integer("ppd", &T::ppd, kTicks, "ticks", "precharge to precharge")
          .integer("rfc", &T::rfc, kSomeTicks, "ticks", "all-bank refresh to activate")
          .integer("refi", &T::refi, kSomeTicks, "ticks", "between all-bank refreshes")
          .integer("rfc_bank", &T::rfc_bank, kTicks, "ticks", "per-bank refresh to activate of that bank")
          .integer("refi_bank", &T::refi_bank, kTicks, "ticks", "between per-bank refreshes")
          .integer("rrefd", &T::rrefd, kTicks, "ticks", "per-bank refresh to activate of another bank")
          .integer("rank_read_to_read", &T::rank_read_to_read, kTicks, "ticks", "across ranks")
          .integer("rank_write_to_write", &T::rank_write_to_write, kTicks, "ticks", "across ranks")
          .integer("rank_read_to_write", &T::rank_read_to_write, kTicks, "ticks", "across ranks")
          .integer("rank_write_to_read", &T::rank_write_to_read, kTicks, "ticks", "across ranks");
  return fields;
}

const Fields<DramControllerSpec>& controller_fields() {
  using C = DramControllerSpec;
  static const auto fields =
      Fields<C>("dram_controller", "queues and policies of one channel's controller")
          .text("kind", &C::kind, "one queue for all banks, or a command queue a bank behind it")
          .choices({"unified_queue", "per_bank_queue"})
          .text("scheduler", &C::scheduler, "first ready, first come; row_hit: hits hold their row open")
          .choices({"fr_fcfs_row_hit", "fr_fcfs", "fcfs"})
          .text("row_policy", &C::row_policy, "open: a row stays open until another is needed")
          .choices({"open", "closed"})
          .text("refresh", &C::refresh, "all_bank: a rank at once; staggered: its ranks in turn")
          .choices({"all_bank", "staggered", "per_bank", "none"})
          .text("activate_scope", &C::activate_scope, "what shares tRRD, tFAW and the all-bank refresh")
          .choices({"rank", "pseudo_channel"})
          .integer("read_queue", &C::read_queue, kQueue, "requests", "of one channel")
          .integer("write_queue", &C::write_queue, kQueue, "requests", "of one channel")
          .integer("bank_queue", &C::bank_queue, {0, 64}, "commands", "of one bank (per_bank_queue)")
          .real("write_low_watermark", &C::write_low_watermark, {0, 1}, "", "a write drain ends below it")
          .real("write_high_watermark", &C::write_high_watermark, {0, 1}, "", "a write drain starts above it")
          .text("mapping", &C::mapping, "address bits to fields, lowest first");
  return fields;
}

bool power_of_two(int64_t value) {
  return value > 0 && std::has_single_bit(static_cast<uint64_t>(value));
}

std::string check_organisation(const DramOrganisation& o) {
  const struct {
    const char* key;
    int64_t value;
  } counts[] = {{"channels", o.channels},   {"pseudo_channels", o.pseudo_channels},
                {"ranks", o.ranks},         {"bank_groups", o.bank_groups},
                {"banks", o.banks},         {"rows", o.rows},
                {"row_bytes", o.row_bytes}, {"burst_bytes", o.burst_bytes}};
  for (const auto& count : counts) {
    if (!power_of_two(count.value)) return fmt::format("{} {} is no power of two", count.key, count.value);
  }
  if (o.burst_bytes > o.row_bytes) return "a burst is larger than a row";
  if (o.banks_per_pseudo_channel() > kMostBanks) {
    return fmt::format("{} banks of a pseudo channel, {} at most", o.banks_per_pseudo_channel(), kMostBanks);
  }
  return "";
}

std::string check_refresh(const DramSpec& spec) {
  const DramTimings& t = spec.timings;
  const std::string& refresh = spec.controller.refresh;
  if (refresh == "per_bank") {
    if (t.rfc_bank == 0 || t.refi_bank == 0) return "refresh per_bank needs rfc_bank and refi_bank";
    if (spec.controller.kind != "unified_queue") return "refresh per_bank needs the unified_queue controller";
  } else if (refresh != "none" && t.refi <= t.rfc + t.rc) {
    return "refi leaves no time between refreshes";
  }
  return "";
}

std::string check_spec(const DramSpec& spec) {
  if (auto text = check_organisation(spec.organisation); !text.empty()) return text;
  if (auto text = check_refresh(spec); !text.empty()) return text;
  const DramControllerSpec& c = spec.controller;
  if (c.kind == "per_bank_queue") {
    if (c.bank_queue == 0) return "per_bank_queue needs bank_queue";
    if (c.scheduler != "fr_fcfs_row_hit") return "per_bank_queue schedules with fr_fcfs_row_hit only";
    if (c.row_policy != "open") return "per_bank_queue keeps rows open only";
    if (spec.command_bus.style != "single") return "per_bank_queue drives a single command bus only";
  }
  if (c.write_low_watermark > c.write_high_watermark) return "the write watermarks are the wrong way round";
  const DramTimings& t = spec.timings;
  if (t.ras + t.rp > t.rc + 4) return "rc is shorter than ras and rp";
  if (t.ccd_s < t.burst || t.ccd_s_write < t.burst) return "ccd_s is shorter than a burst";
  if (t.ccd_l < t.ccd_s || t.ccd_l_write < t.ccd_s_write || t.rrd_l < t.rrd_s || t.wtr_l < t.wtr_s) {
    return "a timing of one bank group is shorter than across bank groups";
  }
  if (auto mapping = parse_dram_mapping(c.mapping, spec.organisation); !mapping.ok()) {
    return mapping.error().where + ": " + mapping.error().what;
  }
  return "";
}

// The file of configs/dram/ that lists `name` among its aliases; empty if none does.
Result<std::string> find_alias(ConfigContext& context, const std::string& name) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::path(context.config_dir) / "dram", ignored)) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    ConfigContext scratch{context.config_dir, {}, {}, {}, {}};
    RDU_ASSIGN(const DocumentNode root, read_config(scratch, path));
    RDU_ASSIGN(const DramSpec spec, dram_fields().parse(root));
    if (std::find(spec.aliases.begin(), spec.aliases.end(), name) != spec.aliases.end()) return path;
  }
  return std::string();
}

}  // namespace

const Fields<DramSpec>& dram_fields() {
  static const auto fields =
      Fields<DramSpec>("dram", "a DRAM channel type and its controller")
          .tag("kind", "dram", "what this file describes")
          .text("name", &DramSpec::name, "as it stands in reports")
          .texts("aliases", &DramSpec::aliases, "other names, as reference tables have it")
          .optional()
          .nested("organisation", &DramSpec::organisation, organisation_fields())
          .nested("command_bus", &DramSpec::command_bus, bus_fields())
          .nested("timings", &DramSpec::timings, timing_fields())
          .nested("controller", &DramSpec::controller, controller_fields())
          .check(check_spec);
  return fields;
}

std::string dump_dram(const DramSpec& spec) {
  return dram_fields().dump(spec);
}

Status check_dram(const DramSpec& spec) {
  std::string text = check_spec(spec);
  if (text.empty()) return {};
  return Error{ErrorCode::kInvalidInput, "dram " + spec.name, std::move(text), ""};
}

Result<DramSpec> load_dram(ConfigContext& context, const std::string& name) {
  auto path = find_config(context, "dram", name);
  if (!path.ok()) {
    RDU_ASSIGN(std::string alias, find_alias(context, name));
    if (alias.empty()) return path.take_error();
    path = std::move(alias);
  }
  RDU_ASSIGN(DocumentNode root, read_config(context, *path));
  RDU_CHECK_OK(apply_overrides(context, root, "dram"));
  return dram_fields().parse(root);
}

}  // namespace rdusim
