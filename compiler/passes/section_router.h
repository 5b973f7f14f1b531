// The way of every token of a placed section over the mesh, and what follows from it: a channel's latency and
// the share of its links that others leave it.
//
// A leg (producer to PMUs, PMUs to consumer) has a route for each unit of its wider end, each with an equal
// part of every token. A part that several units of the consumer need goes to them as one multicast tree: a
// trunk along a row, and branches up and down the columns. Ways are chosen widest traffic first: plain routes
// among row first, column first and two Z-shaped ways, trees among a few rows for the trunk, the one whose
// slowest link leaves it most. None of these shapes can deadlock (ways.h).
//
// What each flow gets of its links is in link_shares.h. Between a switch and its unit each channel has a port
// of its own (assumed: a Plasticine PCU has three vector inputs).
#pragma once

#include <vector>

#include "base/arch/chip.h"
#include "base/arch/fabric.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

// What all sections of a compile are routed on. Keeps a reference to the chip.
struct Mesh {
  explicit Mesh(const ChipSpec& of);
  const ChipSpec& chip;
  Fabric fabric;
  std::vector<double> rates;  // of links between switches, bytes a cycle
};

// Fills legs, latencies and shares of the section's channels, and the traffic's mesh_cycles.
Status route_section(Section& section, SectionTraffic& traffic, const Mesh& mesh);

}  // namespace rdusim::compiler
