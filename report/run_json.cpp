#include "report/run_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "report/format.h"

namespace rdusim::report {
namespace {

int64_t bytes_on(const ByteCounts& bytes, Wire wire) {
  const auto& causes = bytes[static_cast<size_t>(wire)];
  return std::accumulate(causes.begin(), causes.end(), int64_t{0});
}

// HBM bytes of one launch on one socket over the time of the launch, without the part of its launch cost in
// which no stream moves.
double hbm_rate(const SectionResult& section, double clock_hz) {
  if (section.streaming_cycles() == 0) return 0;
  return static_cast<double>(bytes_on(section.bytes, Wire::kHbm)) * clock_hz /
         static_cast<double>(section.streaming_cycles());
}

double share_of(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Multiply-accumulates of one run on one socket, two operations each.
int64_t flops_of(const SectionResult& section) {
  int64_t macs = 0;
  for (const UnitResult& unit : section.units) {
    macs +=
        unit.work[static_cast<size_t>(WorkKind::kMac16)] + unit.work[static_cast<size_t>(WorkKind::kMac32)];
  }
  return 2 * macs;
}

int64_t cycles_of(const SectionResult& section) {
  return section.cycles();
}

Json section_json(const SectionResult& section, const RunResult& result, const SocketPeaks& peaks) {
  Json json;
  json["name"] = section.name;
  json["launches"] = section.launches;
  json["runs"] = section.runs;
  if (section.iterations > 1) json["iterations"] = section.iterations;
  json["time_s"] = static_cast<double>(cycles_of(section)) / result.clock_hz;
  json["share"] = share_of(cycles_of(section), result.cycles);
  json["cycles_per_launch"] = section.cycles_per_launch;
  json["launch_cycles_per_launch"] = section.launch_cycles_per_launch;
  if (section.head_start_cycles > 0) json["head_start_cycles_per_launch"] = section.head_start_cycles;
  json["bound_by"] = section.bound_by;
  json["hbm_bytes_per_s"] = hbm_rate(section, result.clock_hz);
  json["hbm_fraction_of_peak"] =
      peaks.hbm_bytes_per_s > 0 ? hbm_rate(section, result.clock_hz) / peaks.hbm_bytes_per_s : 0;
  json["pcus"] = section.pcus;
  json["pmus"] = section.pmus;
  json["flops"] = flops_of(section);
  json["bytes"] = byte_counts_json(section.bytes);
  return json;
}

}  // namespace

Json byte_counts_json(const ByteCounts& bytes) {
  Json json = Json::object();
  for (size_t wire = 0; wire < kWireCount; ++wire) {
    Json& causes = json[std::string(wire_name(static_cast<Wire>(wire)))] = Json::object();
    for (size_t cause = 0; cause < kCauseCount; ++cause) {
      if (bytes[wire][cause] != 0)
        causes[std::string(cause_name(static_cast<Cause>(cause)))] = bytes[wire][cause];
    }
  }
  return json;
}

Json run_json(const Program& program, const RunResult& result, const SocketPeaks& peaks) {
  const double latency_s = result.latency_s();
  Json json;
  json["program"] = program.name;
  json["phase"] = program.phase;
  json["sockets"] = program.sockets;
  json["batch"] = program.batch;
  json["context"] = program.context;
  json["fidelity"] = std::string(fidelity_name(result.fidelity));
  json["latency_s"] = latency_s;
  json["tokens_per_second"] = latency_s > 0 ? static_cast<double>(program.tokens_per_run) / latency_s : 0;
  json["flops_per_s"] = latency_s > 0 ? static_cast<double>(program.flops) / latency_s : 0;
  json["cycles"] = result.cycles;
  json["clock_hz"] = result.clock_hz;
  json["bytes"] = byte_counts_json(result.bytes);
  const UnitCycles& cycles = result.unit_cycles;
  json["unit_cycles"] = {{"busy", cycles.busy},
                         {"starved", cycles.starved},
                         {"blocked", cycles.blocked},
                         {"launching", cycles.launching},
                         {"idle", cycles.idle}};
  json["firings_simulated"] = result.firings_simulated;
  json["firings_skipped"] = result.firings_skipped;
  json["sections"] = Json::array();
  for (const auto& section : result.sections)
    json["sections"].push_back(section_json(section, result, peaks));
  return json;
}

Table run_table(const RunResult& result, const SocketPeaks& peaks) {
  Table table;
  table.header = {"section",  "launches", "time",    "share", "one launch", "launch cost",
                  "bound by", "HBM",      "of peak", "PCU",   "PMU"};
  for (const auto& section : result.sections) {
    const double rate = hbm_rate(section, result.clock_hz);
    const auto time = [&](int64_t cycles) {
      return format_time(static_cast<double>(cycles) / result.clock_hz);
    };
    std::string launches = format_count(section.launches);
    if (section.runs != section.launches) launches += fmt::format(" of {} runs", format_count(section.runs));
    table.add({section.name, std::move(launches), time(cycles_of(section)),
               format_percent(share_of(cycles_of(section), result.cycles)), time(section.cycles_per_launch),
               time(section.launch_cycles_per_launch), section.bound_by, format_bandwidth(rate),
               peaks.hbm_bytes_per_s > 0 ? format_percent(rate / peaks.hbm_bytes_per_s) : "–",
               format_percent(share_of(section.pcus, peaks.pcus)),
               format_percent(share_of(section.pmus, peaks.pmus))});
  }
  return table;
}

}  // namespace rdusim::report
