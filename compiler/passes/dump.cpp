// Text of the IR after a pass: the graph, then the groups, then the program as far as it exists.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/program/program_text.h"
#include "compiler/graph/graph_text.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

std::string dump(const Compilation& compilation) {
  std::string text = print_graph(compilation.graph);
  for (const Group& group : compilation.groups) {
    text += fmt::format("# group {} -> section {}{}:", group.name, group.section,
                        group.first_of_section ? " (lowered)" : "");
    for (const NodeId id : group.nodes) text += " " + compilation.graph.node(id).name;
    text += "\n";
  }
  if (!compilation.tiling.row_blocks.empty()) {
    text += fmt::format("# tiling row_blocks={} stream_token_bytes={} resident_token_bytes={}\n",
                        fmt::join(compilation.tiling.row_blocks, ","), compilation.tiling.stream_token_bytes,
                        compilation.tiling.resident_token_bytes);
  }
  if (!compilation.program.sections.empty()) text += print_program(compilation.program);
  return text;
}

}  // namespace rdusim::compiler
