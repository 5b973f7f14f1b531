// What the hardware of a launch takes: program load, argument load, execute, of one section on one socket.
//
//   configuration file in HBM ─► load controller of each tile ─ a chunk a bus cycle ─► units, in rounds
//                                units shift chunks into their configuration stores, one bit a cycle
//   argument file ─► (value, control) tuples, one a bus cycle ─► argument registers of the units
//   start over the control network; sockets wait for each other
//
// In round r every unit whose file has more than r chunks gets one; a round lasts as long as its chunks need
// on the bus, and at least as long as a chunk needs to be shifted in. Tiles load side by side. A daisy chain
// through all units of a tile then reports that the load is complete.
// Sources: US 10,831,507 (rounds, serial shift, daisy chain, a chunk is what the bus carries in a cycle) and
// US 11,237,996 (chunks of a unit file in an example: switch 2, PCU 3, PMU 5, AGCU 6); argument tuples:
// US 12,079,157. None of it is published for the SN40L: numbers below say what is assumed.
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/result.h"

namespace rdusim::sim::agcu {

struct LaunchSpec {
  double clock_hz = 1.6e9;
  int64_t pcus = 1040, pmus = 1040, switches = 2080, agcus = 20;  // of a socket
  int64_t tiles =
      8;  // assumed: 130 PCUs each, near the 160 of SN10 and SN30; each has its own load controller
  // Chunks of a unit file: the patents' example.
  int64_t switch_chunks = 2, pcu_chunks = 3, pmu_chunks = 5, agcu_chunks = 6;
  int64_t chunk_bits = 512;              // assumed: one cycle of the 64-byte vector bus
  int64_t network_bits_per_cycle = 512;  // top-level network to a tile: assumed one such chunk a cycle
  double memory_latency_ns = 150;        // first chunk of a file: HBM as in the chip file
  // Arguments that a launch sets: addresses, sizes and counts. assumed: 16 of an AGCU port, 2 of a PMU.
  int64_t argument_tuples = 16 * 20 + 2 * 1040;
  int64_t tuple_bits = 64;  // assumed: 32 bits of value, 32 of destination and register
  int64_t control_hops =
      50;  // start and done over the control network: assumed across a tile of 16 x 16 and back
  // Sockets wait for each other at every launch: one message there, one back.
  int64_t sockets = 8;
  double link_latency_ns = 500;
};
// Sizes of the chip, latencies of chip and link; the rest as assumed above.
LaunchSpec launch_spec(const NodeSpec& node);
Status validate(const LaunchSpec& spec);

struct LaunchTime {
  int64_t configuration_bits = 0;  // of the socket
  int64_t rounds = 0;
  int64_t program_load_cycles = 0;   // memory latency, rounds, daisy chain
  int64_t argument_load_cycles = 0;  // memory latency, tuples
  int64_t execute_cycles = 0;        // start, done, sockets
  double clock_hz = 1;
  [[nodiscard]] double program_load_s() const { return static_cast<double>(program_load_cycles) / clock_hz; }
  [[nodiscard]] double argument_load_s() const {
    return static_cast<double>(argument_load_cycles) / clock_hz;
  }
  [[nodiscard]] double execute_s() const { return static_cast<double>(execute_cycles) / clock_hz; }
  // A section that replaces another, and one that is launched again while its program is still loaded.
  [[nodiscard]] double new_program_s() const { return program_load_s() + again_s(); }
  [[nodiscard]] double again_s() const { return argument_load_s() + execute_s(); }
};
// The specification must be valid.
LaunchTime launch_time(const LaunchSpec& spec);

}  // namespace rdusim::sim::agcu
