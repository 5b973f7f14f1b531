// Text form of a graph: what `--dump-after` prints and tests read. parse_graph(print_graph(g)) == g.
//
//   graph "llama-1.decode" phase "decode" batch 1 query_tokens 1 past_tokens 17 sockets 1
//   %0 = input "token_ids" int32 [1,1] from "token_ids"
//   %1 = weight "embed.table" bf16 [257,64] from "model.embed_tokens.weight"
//   %2 = activation "layer_hidden.0" bf16 [1,64]
//   embedding "layer_hidden.0" (%0, %1) -> (%2)
//   rms_norm "layers.0.attn_norm" (%2, %3) -> (%4) layer 0 {eps = 1e-05}
//
// Values stand in the order of their ids, at the latest before the node that uses or produces them. `full
// [r,c]` follows a shape that is one socket's part; `shard rows|cols N granule G` says how it was cut. A real
// attribute always has a point or an exponent, an integer never. `#` starts a comment.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

std::string print_graph(const Graph& graph);

// Syntax errors carry `file_name:line:col`. The graph is verified (verify.h) before it is returned.
Result<Graph> parse_graph(std::string_view text, const std::string& file_name);

}  // namespace rdusim::compiler
