// lower: each distinct group becomes a section; each operator adds its units through its own record
// (compiler/ops/).
#include <fmt/format.h>

#include "compiler/ops/op.h"
#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

Status lower(Compilation& compilation) {
  compilation.program.sections.resize(compilation.section_count);
  for (const Group& group : compilation.groups) {
    if (!group.first_of_section) continue;
    Section& section = compilation.program.sections[group.section];
    section.name = group.name;
    Lowering lowering(compilation.graph, compilation.tiling, group, section);
    for (const NodeId id : group.nodes) {
      const Node& node = compilation.graph.node(id);
      const OpRecord& record = op_record(node.op);
      if (record.lower == nullptr) {
        return Error{ErrorCode::kUnsupported, node.name,
                     fmt::format("operator {} has no lowering to the chip", op_name(node.op)),
                     "run it through the reference interpreter only"};
      }
      RDU_CHECK_OK(record.lower(lowering, node));
    }
  }
  return {};
}

}  // namespace rdusim::compiler
