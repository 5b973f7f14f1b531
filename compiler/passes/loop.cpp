// loop: kernel looping. Launches of the same section that follow each other become one launch that loops over
// their bindings: the fabric keeps its configuration, and its address generators take the next row of
// symbols. Done when the options ask for it. Each iteration drains before the next (APPROX: no overlap of one
// layer's last tokens with the next one's first weights). Source: Kernel Looping (arXiv 2410.23668).
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

Status loop(Compilation& compilation) {
  if (!compilation.options.loop) return {};
  std::vector<Launch> looped;
  for (const Launch& launch : compilation.program.launches) {
    if (looped.empty() || looped.back().section != launch.section) {
      looped.push_back(launch);
      continue;
    }
    Launch& before = looped.back();
    before.bindings.insert(before.bindings.end(), launch.bindings.begin(), launch.bindings.end());
    before.iterations += launch.iterations;
  }
  compilation.program.launches = std::move(looped);
  return {};
}

}  // namespace rdusim::compiler
