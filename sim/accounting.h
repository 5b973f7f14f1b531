// From counters of section launches to a RunResult. Everything adds up by construction:
//
//   PCUs and PMUs of a socket x cycles = busy + starved + blocked + launching + idle
//
// A unit's physical units are its PCUs and PMUs and the PMUs of the channels it reads (a channel's PMUs are
// in the state of their consumer). After its last firing a unit is idle; units outside the section are idle;
// during a launch the section's units are launching, but for buffers that work ahead of its end. HBM, DDR and
// link bytes are payload (burst padding takes time but is not counted).
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/run_result.h"
#include "sim/launch_course.h"
#include "sim/section_run.h"

namespace rdusim::sim {

class Accounting {
 public:
  Accounting(const Program& program, const NodeSpec& node, const LaunchTiming& timing, Fidelity fidelity);

  // A new kind of run, with the outcome of its first; returns its number for add_run.
  size_t add_section(const LaunchRun& run, const SectionOutcome& outcome);
  // One run that took the same course as the outcome of the kind, but whose sockets counted as in `outcome`.
  // Later iterations of a looping launch are not `launched`: the fabric keeps its configuration.
  void add_run(size_t kind, const SectionOutcome& outcome, bool launched);

  [[nodiscard]] int64_t cycles() const { return result_.cycles; }
  [[nodiscard]] int64_t launch_cycles() const { return launch_cycles_; }
  RunResult take(int64_t firings_simulated, int64_t firings_skipped);

 private:
  struct Kind {
    const Section* section = nullptr;
    std::vector<int64_t> weights;  // physical units of each unit
    int64_t configured = 0;        // their sum
  };
  void add_bytes(ByteCounts& to, const ByteCounts& from, int64_t times) const;
  void add_work(const Unit& unit, const FiringWork& work, int64_t times);
  void add_unit_cycles(const Kind& kind, const SectionOutcome& outcome, int64_t launch_cycles);

  const Program& program_;
  int64_t physical_units_;
  int64_t launch_cycles_;
  std::vector<Kind> kinds_;
  RunResult result_;
};

// "hbm", "ddr" or "link" if that is busy over 90 % of the time; else the busiest unit if it works, or reads
// its operands, half of the time: "unit NAME", or "PMU reads of NAME" where its passes would take less than
// 90 % of what reading does; else "latency".
std::string bound_by(const Section& section, const SectionOutcome& outcome);

}  // namespace rdusim::sim
