// How soon a launch of a section ends once its units have their places and ways: the judge between placements
// and between allocations that differ in how they spread over the mesh.
//
// A section is drawn in several layouts (placement.h). Those with the shortest wires are routed, and their
// launches are followed token by token (launch_course.h): one link that two wide reads share holds up a whole
// pipeline, which no sum over wires or links shows.
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

struct DrawOptions {
  int routed = 1;     // draws of a round that are routed, at most
  int rounds = 1;     // the first in many layouts, others in the best so far, with other swaps
  uint64_t seed = 0;  // of what they draw
};
// Where a placement only stands for the cost of what is compared, and for what is left when that is done.
inline constexpr int kFewDraws = 2;
inline constexpr int kManyDraws = 6;

struct Mapping {
  Section section;     // with tiles and AGCU ports, without routes
  Layout layout;       // that was drawn
  int64_t cycles = 0;  // of a launch
};

// The best of the draws; the first that is nearly as fast as a section without ways ends the search, and no
// other round begins when the best is not much slower. If traffic names a layout, that is the first round.
Result<Mapping> best_mapping(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip,
                             const DrawOptions& options);

}  // namespace rdusim::compiler
