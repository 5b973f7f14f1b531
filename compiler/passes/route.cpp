// route: the way of every token over the mesh, section by section (section_router.h).
#include "compiler/passes/pass.h"
#include "compiler/passes/section_router.h"

namespace rdusim::compiler {

Status route(Compilation& compilation) {
  const Mesh mesh(*compilation.chip);
  for (size_t s = 0; s < compilation.program.sections.size(); ++s)
    RDU_CHECK_OK(route_section(compilation.program.sections[s], compilation.traffic[s], mesh));
  return {};
}

}  // namespace rdusim::compiler
