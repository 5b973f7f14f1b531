// What a launch that prefetches may begin before it is complete. A launch takes long (host, program,
// arguments, sockets that wait for each other), and memory idles meanwhile; once program and arguments are
// loaded, only the word to start is missing, and that is needed by what reads or writes what other launches
// or sockets do:
//
//   runs ahead    loads of weights, caches, states and constants whose symbol no earlier launch of the
//   program
//                 stores, as far as their channels have slots, and buffers that such loads fill: the fabric
//                 has drained, so both are empty
//   waits         everything else: compute stages, activations, gathers, exchanges, stores
//
// How long the head start is belongs to the chip and its stack (sim/launch_course.h).
// assumed: program and arguments come first in a launch, so that all the rest of it is head start; no public
// source tells in which order a launch of the SN40L goes.
#pragma once

#include <vector>

#include "base/program/program.h"

namespace rdusim {

// Whether bytes of that kind are there before a program begins, unless it has stored them itself.
bool is_kept(Cause cause);

// By launch of the program, by unit of its section: what may begin before the launch is complete. Empty for
// launches that do not prefetch. Of a looping launch: its first iteration.
std::vector<std::vector<bool>> units_ahead(const Program& program);

}  // namespace rdusim
