// Cost model of section borders: what each pass of the fabric over a run of operators would take.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

// For each value, the last node that reads it (absent: nobody).
std::vector<std::optional<size_t>> last_readers(const Graph& graph);

// Fills the externals of a group of consecutive nodes and returns its signature: operators, attributes, and
// how operands are wired. Groups of equal signature can share a section.
std::string bind_externals(const Graph& graph, Group& group, const std::vector<std::optional<size_t>>& last);

// Splits each of compilation.groups where that is cheapest: dynamic programming over the order of its
// operators. A piece costs the longer of its slowest stage and its memory streams, which carry what crosses
// its borders, the time until its first tokens are through, and a launch. Pieces are lowered and allocated
// for real, so the PCU, PMU and SRAM budgets are those of the passes themselves. A group stays whole if its
// pieces, with their ways over the mesh, would take longer. Equal groups are split alike. Fails with the
// allocation's error when a single operator does not fit.
Status split_by_cost(Compilation& compilation);

}  // namespace rdusim::compiler
