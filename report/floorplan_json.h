// Where the units of each section stand on the chip and what they do there, as compact JSON: the data of the
// floorplan heat maps. Of one socket and one run of a section (all sockets run the same).
//
//   {rows, columns, dies, tiles: ["MPMP..", ...],            P a PCU, M a PMU, . neither; one text a row
//    sections: [{name,
//      units:  [{name, kind, busy, tiles: "0-3 7"}],         busy: share of the section's cycles; PCUs
//      stores: [{name, fill, tiles}],                        fill: share of the bytes of its PMUs that it
//      asked for links: {east: ["..03", ...], south, west, north},     the link that leaves each tile's
//      switch: '.' nothing,
//                                                            digit d: d/10 to (d+1)/10 of its capacity, '+'
//                                                            more
//      busiest_link, mean_link}]}                            shares of capacity; the mean over links that
//      carry any
//
// APPROX: a channel's traffic is its number of tokens times its largest token; the last token of a matrix can
// be smaller. Link loads are means over the section: they say nothing of bursts.
#pragma once

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/run_result.h"
#include "report/manifest.h"

namespace rdusim::report {

// Null for a program that was not placed.
Json floorplan_json(const Program& program, const RunResult& result, const ChipSpec& chip);

// Peaks and capacities that the run is compared with, and what it keeps in each tier; of one socket.
// {node, sockets, flops_per_s, hbm_bytes_per_s, ddr_bytes_per_s, link_bytes_per_s,
//  memory: [{tier, used_bytes, capacity_bytes}]}: HBM and DDR rates are those after refresh.
Json hardware_json(const Program& program, const NodeSpec& node);

}  // namespace rdusim::report
