// Removing what a rewrite left behind.
#pragma once

#include "compiler/graph/graph.h"

namespace rdusim::compiler {

// Whether a node changes a cache or a recurrent state.
bool updates_state(const Graph& graph, const Node& node);

// Drops nodes whose result reaches no output and which update no state, and sources that nobody reads; ids
// close up, order stays. A graph without outputs loses everything: do not ask for it there.
void remove_unread(Graph& graph);

}  // namespace rdusim::compiler
