// What a simulation of one Program says: time, unit-cycles, bytes, per section. All counters add up
// (tests/property): sum of unit_cycles = units x cycles; bytes by cause = bytes on the wire.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/program/program.h"

namespace rdusim {

enum class Fidelity : uint8_t { kAnalytic, kEvent, kCycle };
std::string_view fidelity_name(Fidelity fidelity);

// Where bytes move. SRAM counts PMU writes of channels and buffers.
enum class Wire : uint8_t { kSram, kHbm, kDdr, kLink };
inline constexpr size_t kWireCount = 4;
std::string_view wire_name(Wire wire);
using ByteCounts = std::array<std::array<int64_t, kCauseCount>, kWireCount>;  // [wire][cause]

// Primitive operations that were executed, for the energy: multiply-accumulates by the wider of their
// operands' formats, and element operations by the part of the PCU that does them (tile_op.def; layout
// operations cost no PCU work).
enum class WorkKind : uint8_t { kMac16, kMac32, kMap, kReduce, kTail, kCross };
inline constexpr size_t kWorkKindCount = 6;
std::string_view work_kind_name(WorkKind kind);
using WorkCounts = std::array<int64_t, kWorkKindCount>;
using CauseCounts = std::array<int64_t, kCauseCount>;

// Cycles of all PCUs and PMUs of all sockets, by what they did.
struct UnitCycles {
  int64_t busy = 0;       // working on a token, buffers that are filled during a launch included
  int64_t starved = 0;    // configured, waiting for an input token
  int64_t blocked = 0;    // configured, waiting for space downstream
  int64_t launching = 0;  // being configured or synchronised, and not at work ahead of it
  int64_t idle = 0;       // not part of the running section
  [[nodiscard]] int64_t total() const { return busy + starved + blocked + launching + idle; }
};

struct UnitResult {
  std::string name;
  UnitKind kind = UnitKind::kSimd;
  int64_t pcus = 0;
  int64_t pmus = 0;
  int64_t firings = 0;
  int64_t busy_cycles = 0;
  int64_t starved_cycles = 0;
  int64_t blocked_cycles = 0;
  int64_t done_cycles = 0;  // waiting for the section's other units after the last firing; counted as idle
  WorkCounts work{};        // one launch, one socket
  CauseCounts operand_bytes{};  // of the held tokens that its firings read, by cause
  // Working before the launch was complete (run_ahead.h); not among the cycles above, which are the run's.
  int64_t ahead_cycles = 0;
};

// Vectors on the RDN, each once for every unit that takes a copy, and the links that they crossed (a copy's
// common way once).
struct FlitCounts {
  int64_t sent = 0;
  int64_t delivered = 0;
  int64_t hops = 0;
};

struct SectionResult {
  std::string name;
  int64_t launches = 0;
  int64_t runs = 0;                      // more than launches where a launch loops
  int64_t iterations = 1;                // of the section in one run; more where a looping launch prefetches
  int64_t cycles_per_launch = 0;         // of one run, without launch cost
  int64_t launch_cycles_per_launch = 0;  // launch and synchronisation
  int64_t head_start_cycles = 0;         // of these, in which streams run ahead; 0 where none do
  int64_t pcus = 0;
  int64_t pmus = 0;
  // What sets the section's time: "hbm", "ddr", "link", "unit layer.gate", "PMU reads of layer.gate" (its
  // operands' way out of the PMUs, tokens that it holds for each firing again), "latency".
  std::string bound_by;
  std::vector<UnitResult> units;
  ByteCounts bytes{};           // one run, one socket
  CauseCounts rdn_byte_hops{};  // bytes of channels x hops of their routes; one run, one socket
  FlitCounts flits;             // cycle fidelity only; one run, one socket
  // Of one run, from when its first stream may move.
  [[nodiscard]] int64_t streaming_cycles() const { return cycles_per_launch + head_start_cycles; }
  // Of all its runs and launches.
  [[nodiscard]] int64_t cycles() const {
    return runs * cycles_per_launch + launches * launch_cycles_per_launch;
  }
};

struct RunResult {
  Fidelity fidelity = Fidelity::kEvent;
  double clock_hz = 0;
  int64_t cycles = 0;  // whole program, launches included
  int64_t sockets = 1;
  UnitCycles unit_cycles;  // all sockets
  ByteCounts bytes{};      // all sockets
  WorkCounts gemm_work{};  // executed by gemm and by simd units; all launches, all sockets
  WorkCounts simd_work{};
  CauseCounts operand_bytes{};  // read from PMUs
  CauseCounts rdn_byte_hops{};
  std::vector<SectionResult> sections;
  int64_t firings_simulated = 0;  // one by one
  int64_t firings_skipped = 0;    // in periods and launches that repeat others
  [[nodiscard]] double latency_s() const { return static_cast<double>(cycles) / clock_hz; }
};

}  // namespace rdusim
