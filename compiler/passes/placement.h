// One draw of a section's placement: which tile each PCU and PMU is, and which AGCU ports streams use.
//
// Stages are laid in pipeline order along a snake through strips of the mesh, so that what follows in the
// pipeline lies next to it. The PMUs of a channel or buffer go in between the PCUs that read them, the i-th
// beside the part of the stage that it feeds: the free PMU that is nearest on the snake. Then tiles of one
// kind are swapped while that shortens wires, which join the i-th part of a block to the part of the next
// that it talks to, as routes will, and weigh what they carry. How long wires are says only roughly how full
// links get: which draw is good is decided on its routes (routed_cost.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/arch/fabric.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

// A section with the tiles of its units and channels.
struct Draw {
  Layout layout;
  Section section;
  double wires = 0;  // length of all, bytes of a launch times hops
};

// A draw in each layout. Random choices are seeded by the section's size and the layout's seed, so the same
// section is placed alike everywhere.
std::vector<Draw> draw_placements(const Section& section, const SectionTraffic& traffic, const Fabric& fabric,
                                  std::span<const Layout> layouts);

// The ports of a placed section's streams and exchanges: as many as a token has port widths, those nearest to
// what they talk to. Fails when a channel has not one producer and one consumer.
Status place_agcus(Section& section, const ChipSpec& chip, const Fabric& fabric);

}  // namespace rdusim::compiler
