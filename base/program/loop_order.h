// What a looping launch that prefetches keeps in order. Its runs are one dataflow run of a section whose
// units fire for all of them: channels pass the runs' tokens one behind the other, so all that is left to say
// is which streams of a run must wait for the run before:
//
//   activations      for every store of it: they may be what those stores write, and while they wait, no
//                    compute stage begins the next run, so buffers that are filled on chip are free too
//   into a buffer    for the units that read the buffer: it has no second copy
//   written before   any other symbol that an earlier run of the launch stores
//
// All else (weights, caches, constants that go into channels) runs ahead as far as the channels have slots:
// the double buffer is what the allocation gave them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/program/program.h"

namespace rdusim {

// Whether every port ends a run where its rhythm begins, so that the next run can follow.
bool repeats_evenly(const Section& section);

// The section with so many runs in one: firings and repeats of streams multiplied.
Section repeated(const Section& section, int64_t iterations);

enum class LoopWait : uint8_t {
  kNothing,      // it runs ahead
  kStores,       // for all that the run before stores
  kBufferReader  // for the readers of the buffer that it fills
};

// What each unit's next run waits for; kNothing but for loads. `launch`: all its rows count.
std::vector<LoopWait> loop_waits(const Program& program, const Launch& launch);

// By unit: those whose end of a run its next run waits for.
std::vector<std::vector<size_t>> loop_order(const Program& program, const Launch& launch);

}  // namespace rdusim
