#include "sim/agcu/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace rdusim::sim::agcu {
namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t cycles_of(double ns, double clock_hz) {
  return static_cast<int64_t>(std::ceil(ns * 1e-9 * clock_hz - 1e-9));
}

}  // namespace

LaunchSpec launch_spec(const NodeSpec& node) {
  LaunchSpec spec;
  const ChipSpec& chip = node.chip;
  spec.clock_hz = chip.clock_hz;
  spec.pcus = chip.pcu.count;
  spec.pmus = chip.pmu.count;
  spec.switches = chip.pcu.count + chip.pmu.count;  // one a unit
  spec.agcus = chip.agcu_ports;
  spec.memory_latency_ns = chip.hbm.latency_ns;
  spec.chunk_bits = spec.network_bits_per_cycle = 8 * chip.rdn.link_bytes_per_cycle;
  spec.argument_tuples = 16 * spec.agcus + 2 * spec.pmus;
  spec.sockets = node.sockets;
  spec.link_latency_ns = node.link.latency_ns;
  return spec;
}

Status validate(const LaunchSpec& spec) {
  const auto bad = [](std::string what) {
    return Error{ErrorCode::kOutOfRange, "launch", std::move(what), ""};
  };
  for (const int64_t count :
       {spec.pcus, spec.pmus, spec.switches, spec.agcus, spec.argument_tuples, spec.control_hops}) {
    if (count < 0 || count > 100'000'000) return bad(fmt::format("a count of {}", count));
  }
  for (const int64_t chunks : {spec.switch_chunks, spec.pcu_chunks, spec.pmu_chunks, spec.agcu_chunks}) {
    if (chunks < 0 || chunks > 100'000) return bad(fmt::format("unit files of {} chunks", chunks));
  }
  if (spec.tiles < 1 || spec.sockets < 1) return bad("at least one tile and one socket");
  if (spec.chunk_bits < 1 || spec.network_bits_per_cycle < 1 || spec.tuple_bits < 1)
    return bad("widths of at least a bit");
  if (!(spec.clock_hz >= 1e6) || !(spec.memory_latency_ns >= 0) || !(spec.link_latency_ns >= 0))
    return bad("a clock of at least 1 MHz, latencies that are not negative");
  return {};
}

LaunchTime launch_time(const LaunchSpec& spec) {
  const Status valid = validate(spec);
  RDU_CHECK(valid.ok(), "{}", valid.error().what);
  struct Kind {
    int64_t units;  // of a tile
    int64_t chunks;
  };
  const Kind kinds[] = {{ceil_div(spec.switches, spec.tiles), spec.switch_chunks},
                        {ceil_div(spec.pcus, spec.tiles), spec.pcu_chunks},
                        {ceil_div(spec.pmus, spec.tiles), spec.pmu_chunks},
                        {ceil_div(spec.agcus, spec.tiles), spec.agcu_chunks}};
  LaunchTime out;
  out.clock_hz = spec.clock_hz;
  out.configuration_bits =
      spec.chunk_bits * (spec.switches * spec.switch_chunks + spec.pcus * spec.pcu_chunks +
                         spec.pmus * spec.pmu_chunks + spec.agcus * spec.agcu_chunks);
  const int64_t bus_cycles = ceil_div(spec.chunk_bits, spec.network_bits_per_cycle);
  const int64_t memory = cycles_of(spec.memory_latency_ns, spec.clock_hz);
  int64_t chain = 0;
  for (const Kind& kind : kinds) {
    out.rounds = std::max(out.rounds, kind.units > 0 ? kind.chunks : 0);
    chain += kind.units;
  }
  out.program_load_cycles = memory + chain;
  for (int64_t round = 0; round < out.rounds; ++round) {
    int64_t chunks = 0;
    for (const Kind& kind : kinds) chunks += kind.chunks > round ? kind.units : 0;
    out.program_load_cycles += std::max(chunks * bus_cycles, spec.chunk_bits);
  }
  const int64_t tuples = ceil_div(spec.argument_tuples, spec.tiles);
  const int64_t tuples_per_cycle = std::max<int64_t>(1, spec.network_bits_per_cycle / spec.tuple_bits);
  const int64_t tuple_cycles = ceil_div(spec.tuple_bits, spec.network_bits_per_cycle);
  out.argument_load_cycles = memory + ceil_div(tuples, tuples_per_cycle) * tuple_cycles;
  out.execute_cycles = 2 * spec.control_hops;
  if (spec.sockets > 1) out.execute_cycles += 2 * cycles_of(spec.link_latency_ns, spec.clock_hz);
  return out;
}

}  // namespace rdusim::sim::agcu
