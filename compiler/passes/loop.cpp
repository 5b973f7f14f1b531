// loop: kernel looping. Launches of the same section that follow each other become one launch that loops over
// their bindings: the fabric keeps its configuration, and its address generators take the next row of
// symbols. Done when the options ask for it. With prefetching, streams that depend on nothing of the
// iteration before go on into the next one's symbols while it drains (base/program/loop_order.h), as far as
// their channels have slots: the allocation's run-ahead is the double buffer. Source: Kernel Looping (arXiv
// 2410.23668). A launch that does not loop prefetches while it is under way (base/program/run_ahead.h),
// looping ones before their first iteration, too.
#include "base/program/loop_order.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

Status loop(Compilation& compilation) {
  const bool prefetch = compilation.options.prefetch;
  if (!compilation.options.loop) {
    for (Launch& launch : compilation.program.launches) launch.prefetch = prefetch;
    return {};
  }
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
  for (Launch& launch : looped) {
    const Section& section = compilation.program.sections[launch.section.value];
    launch.prefetch = prefetch && (launch.iterations == 1 || repeats_evenly(section));
  }
  compilation.program.launches = std::move(looped);
  return {};
}

}  // namespace rdusim::compiler
