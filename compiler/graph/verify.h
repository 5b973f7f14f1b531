// The rules every graph obeys, checked after each pass and after reading text:
// ids in range, names unique, operands defined before use, producers and outputs agree, no operator's
// attributes missing or left over, and the shape of every result equals what the operator's shape rule says.
#pragma once

#include "base/result.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

Status verify_graph(const Graph& graph);

}  // namespace rdusim::compiler
