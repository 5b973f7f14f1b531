// What the shard pass needs to give whole experts of a mixture to groups of sockets.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "compiler/compile.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

// What is asked of mixtures must be asked of a graph that has one: kInvalidInput otherwise.
Status check_mixture_options(const Graph& graph, const CompileOptions& options);

// Groups of sockets among which the experts of `node`, each with an inner width of `inner`, are dealt out.
// kUnsupported when the experts do not divide over the groups, the sockets into them, or the inner width over
// a group.
Result<int64_t> expert_groups(const Node& node, int64_t inner, const CompileOptions& options);

// The constant [sockets, 1] whose row s is the number of the first expert that socket s holds.
Value first_expert_numbers(int64_t groups, int64_t experts, int64_t sockets);

}  // namespace rdusim::compiler
