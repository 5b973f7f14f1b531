// How many PMUs side by side hold what compute stages read. A token that is held for several firings is read
// for each of them (base/program/operand_reads.h), so the PMUs that hold it need ports enough for the pace of
// the stage, also where one would have the room: 32 rows held against a stream of weights, weights held
// against the rows of a prompt, keys and values.
//
//   pace of a stage   the longer of its work and of what it waits for: the memory, at its full rate, where an
//                     operand streams in (streams take turns, so each comes at the full rate in its turn);
//                     else the section's slowest stage or stream. Where stages follow one another a stage has
//                     but its turn for both, and what streamed in has waited for it
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {

class OperandWidths {
 public:
  // What a launch leaves a stage for its work, if reading does not limit: cycles, and thousandths of it.
  struct Turn {
    int64_t cycles = 0;
    int64_t permille = 1000;
  };
  // `section` has its PCUs and PMUs enough to hold its tokens.
  OperandWidths(Section& section, const SectionWork& work, const ChipSpec& chip, const Turn& turn);

  // Spreads tokens and buffers over so many PMUs that reading takes at most `permille` thousandths of the
  // stages' pace, and where `left` more PMUs do not suffice, the smallest multiple that they allow, alike for
  // all. Returns the PMUs that it took.
  int64_t widen(int64_t permille, int64_t left);
  // Until the slowest reader is done, cycles of a launch.
  [[nodiscard]] int64_t cycles() const;

 private:
  struct Holder {
    int64_t* pmus = nullptr;  // of a channel or a buffer
    int64_t bytes = 0;        // read in a launch, as if evenly (SectionWork::paced_operand_bytes)
    int64_t cycles = 0;       // at the stage's pace
    int64_t most = 0;         // PMUs that its readers could use
  };
  void add(size_t unit, size_t input, int64_t* pmus, int64_t cycles, const SectionWork& work);
  [[nodiscard]] int64_t pace_cycles(size_t unit, const SectionWork& work, const ChipSpec& chip,
                                    const Turn& turn) const;
  [[nodiscard]] int64_t wanted(const Holder& holder, int64_t permille) const;
  [[nodiscard]] int64_t more(int64_t permille) const;

  Section& section_;
  int64_t port_bytes_;
  std::vector<int64_t> stream_bytes_;  // that memory streams into each channel in a launch
  std::vector<Holder> holders_;
};

}  // namespace rdusim::compiler
