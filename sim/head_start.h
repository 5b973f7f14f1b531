// The head start of a run: cycles before its launch is complete in which the units that may run ahead
// (base/program/run_ahead.h) do. A run's own time begins with it; all other units begin at its end.
//
//   launch:  | program | arguments | the rest: head start |
//   run:                           0                      `cycles`: stages, activations and stores begin
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdusim::sim {

struct HeadStart {
  int64_t cycles = 0;
  std::vector<bool> ahead{};  // by unit of the section; empty: none

  [[nodiscard]] bool runs_ahead(size_t unit) const { return !ahead.empty() && ahead[unit]; }
  // Cycle of the run at which the unit may begin.
  [[nodiscard]] int64_t begin_of(size_t unit) const { return runs_ahead(unit) ? 0 : cycles; }
  friend bool operator==(const HeadStart&, const HeadStart&) = default;
};

}  // namespace rdusim::sim
