// How sockets divide an attention: whole heads each. Every socket has query heads of its own; with fewer
// key/value heads than sockets, S / kv_heads sockets share one.
#pragma once

#include "compiler/graph/graph.h"

namespace rdusim::compiler {

bool is_attention(const Node& node);
// Whether the heads of an attention divide over the sockets; kUnsupported, with the numbers.
Status check_heads(const Node& attention, int64_t sockets);
// The cut of its operand: queries, keys and values (new or cached) by heads; of the table, which comes last,
// a bias has a row a head, and a tree's mask is for all heads.
Shard cut_by_heads(const Node& attention, size_t operand, int64_t sockets);

}  // namespace rdusim::compiler
