// rdusim probe memory: one DRAM device at command level under closed-loop traffic.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/probes/memory_probe.h"
#include "cli/probes/probes.h"
#include "report/format.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

std::string summary(const MemoryProbeSetup& setup, const sim::DramResult& r) {
  const sim::DramStats& s = r.stats;
  report::Table table{{"what", "value"}, {}};
  table.add({"peak", report::format_bandwidth(setup.spec.peak_bytes_per_s())});
  table.add({"bandwidth",
             fmt::format("{} ({:.2f} % of the peak)", report::format_bandwidth(r.bandwidth_bytes_per_s),
                         100 * r.fraction_of_peak)});
  if (s.reads + s.forwarded_reads > 0) {
    table.add({"read latency",
               fmt::format("{:.2f} ns (p50 {:.2f}, p99 {:.2f}; in the controller {:.2f})", r.latency_ns,
                           r.latency_p50_ns, r.latency_p99_ns, r.controller_latency_ns)});
  }
  table.add({"bound by", r.bound_by});
  table.add({"data bus busy", report::format_percent(r.data_bus_share)});
  table.add({"activate window full", report::format_percent(r.activate_window_share)});
  table.add({"busiest bank", report::format_percent(r.busiest_bank_share)});
  table.add({"in refresh", report::format_percent(r.refresh_share)});
  table.add(
      {"row hits, misses, conflicts", fmt::format("{} {} {}", s.row_hits, s.row_misses, s.row_conflicts)});
  table.add({"activates, precharges", fmt::format("{} {}", s.activates, s.precharges)});
  table.add({"reads, writes", fmt::format("{} {}", s.reads, s.writes)});
  table.add({"refreshes, of one bank", fmt::format("{} {}", s.refreshes, s.bank_refreshes)});
  table.add({"turnarounds", fmt::format("{}", s.turnarounds)});
  table.add({"simulated", fmt::format("{} ticks of {} ps", r.ticks, setup.spec.timings.tick_ps)});
  return report::table_text(table);
}

Result<int> run(Session& session, const MemoryProbeOptions& options) {
  RDU_ASSIGN(const MemoryProbeSetup setup, memory_probe_setup(session, options));
  RDU_ASSIGN(const sim::DramResult result, sim::run_dram_traffic(setup.spec, setup.traffic));
  session.print(fmt::format("{}, {} channels, {}, mapping {}\n\n{}", setup.spec.name,
                            setup.spec.organisation.channels, options.pattern, setup.spec.controller.mapping,
                            summary(setup, result)));
  RDU_CHECK_OK(session.write_json(memory_probe_json(setup, result)));
  return kExitOk;
}

void add_traffic_options(CLI::App& command, MemoryProbeOptions& o) {
  command.add_option("--pattern", o.pattern,
                     "sequential, random, streams, mix, or a name of the reference table, e.g. random_64B");
  command.add_option("--direction", o.direction, "read, write or 2R1W")
      ->check(CLI::IsMember({"read", "write", "2R1W", "2R:1W"}));
  command.add_option("--granule-bytes", o.granule_bytes, "of one random access, or of one stream's turn");
  command.add_option("--window-bytes,--window-bytes-per-channel", o.window_bytes, "outstanding, a channel");
  command.add_option("--streams", o.streams, "of pattern streams");
  command.add_option("--requests,--n-transactions", o.requests, "bursts")->capture_default_str();
  command.add_option("--source-queue", o.source_queue, "bursts that wait in order for a channel")
      ->capture_default_str();
  command.add_option("--pattern-seed", o.pattern_seed, "of mt19937_64")->capture_default_str();
}

void add_device_options(CLI::App& command, MemoryProbeOptions& o) {
  command.add_option("--memory", o.memory, "a file of configs/dram/, an alias that one lists, or a path")
      ->capture_default_str();
  command.add_option("--channels", o.channels, "a power of two");
  command.add_option("--mapping", o.mapping, "address bits, e.g. \"co1 bg2 pc1 co4 ra1 ba2 ro14 +xor\"");
  command.add_option("--refresh", o.refresh, "all_bank, staggered, per_bank or none");
  command.add_option("--scheduler", o.scheduler, "fr_fcfs_row_hit, fr_fcfs or fcfs");
  command.add_option("--row-policy", o.row_policy, "open or closed");
  command.add_option("--read-queue,--queue", o.read_queue, "requests of one channel's controller");
  command.add_option("--write-queue", o.write_queue, "requests of one channel's controller");
}

}  // namespace

report::Json memory_probe_json(const MemoryProbeSetup& setup, const sim::DramResult& r) {
  const sim::DramStats& s = r.stats;
  const bool reads = s.reads + s.forwarded_reads > 0;
  const auto latency = [&](double ns) { return reads ? report::Json(ns) : report::Json(nullptr); };
  return {{"memory", setup.spec.name},
          {"channels", setup.spec.organisation.channels},
          {"mapping", setup.spec.controller.mapping},
          {"burst_bytes", setup.spec.organisation.burst_bytes},
          {"granule_bytes", setup.traffic.granule_bytes},
          {"window_bytes", setup.traffic.window_bytes},
          {"requests", setup.traffic.bursts},
          {"peak_bytes_per_s", setup.spec.peak_bytes_per_s()},
          {"bandwidth_bytes_per_s", r.bandwidth_bytes_per_s},
          {"fraction_of_peak", r.fraction_of_peak},
          {"latency_ns", latency(r.latency_ns)},
          {"latency_p50_ns", latency(r.latency_p50_ns)},
          {"latency_p99_ns", latency(r.latency_p99_ns)},
          {"controller_latency_ns", latency(r.controller_latency_ns)},
          {"bound_by", r.bound_by},
          {"data_bus_share", r.data_bus_share},
          {"activate_window_share", r.activate_window_share},
          {"busiest_bank_share", r.busiest_bank_share},
          {"refresh_share", r.refresh_share},
          {"row_hits", s.row_hits},
          {"row_misses", s.row_misses},
          {"row_conflicts", s.row_conflicts},
          {"forwarded_reads", s.forwarded_reads},
          {"coalesced_writes", s.coalesced_writes},
          {"commands",
           {{"reads", s.reads},
            {"writes", s.writes},
            {"activates", s.activates},
            {"precharges", s.precharges},
            {"refreshes", s.refreshes},
            {"bank_refreshes", s.bank_refreshes}}},
          {"turnarounds", s.turnarounds},
          {"ticks", r.ticks},
          {"tick_ps", setup.spec.timings.tick_ps}};
}

void add_memory_probe(CLI::App& probe, Session& session) {
  auto* command = probe.add_subcommand("memory", "a DRAM device at command level, under closed-loop traffic");
  auto options = std::make_shared<MemoryProbeOptions>();
  auto reference = std::make_shared<std::string>();
  add_device_options(*command, *options);
  add_traffic_options(*command, *options);
  auto* compare = command
                      ->add_option("--reference", *reference,
                                   "compare with a table of the reference simulators instead; without FILE: "
                                   "configs/published/dram_streams.csv")
                      ->expected(0, 1)
                      ->type_name("FILE");
  command->callback([&session, options, reference, compare] {
    session.body = [options, reference, compare](Session& s) -> Result<int> {
      if (compare->count() == 0) return run(s, *options);
      const bool named = !reference->empty() && *reference != "true";
      return compare_with_dram_reference(
          s, named ? *reference : s.config.config_dir + "/published/dram_streams.csv");
    };
  });
}

}  // namespace rdusim::cli
