// What `rdusim compile --explain` says of looping launches that prefetch: how much of the next iteration's
// streams fits on chip while an iteration drains, and what a stream waits for that does not run ahead.
#include <algorithm>

#include "base/program/loop_order.h"
#include "compiler/explain.h"
#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

std::string wait_text(LoopWait wait) {
  switch (wait) {
    case LoopWait::kStores:
      return "what the iteration before stores";
    case LoopWait::kBufferReader:
      return "readers of its buffer, which has no second copy";
    case LoopWait::kNothing:
      break;
  }
  return "free slots";
}

// Tokens of the stream that its channels hold.
int64_t tokens_ahead(const Section& section, const Unit& load) {
  int64_t tokens = load.firings;
  for (const ChannelId c : load.outputs[0].channels)
    tokens = std::min(tokens, section.channels[c.value].capacity_tokens);
  return tokens;
}

}  // namespace

std::vector<PrefetchExplanation> explain_prefetch(const Compilation& compilation) {
  const Program& program = compilation.program;
  std::vector<PrefetchExplanation> all;
  for (const Launch& launch : program.launches) {
    if (!launch.prefetch) continue;
    const Section& section = program.sections[launch.section.value];
    const std::vector<LoopWait> waits = loop_waits(program, launch);
    for (size_t u = 0; u < section.units.size(); ++u) {
      const Unit& unit = section.units[u];
      if (unit.kind != UnitKind::kLoad || !unit.inputs.empty()) continue;
      const Symbol& symbol = program.symbols[launch.row(0)[unit.stream->argument.value].value];
      const MemoryStream& s = *unit.stream;
      const int64_t bytes = s.repeats * s.segments * s.rows * s.cols * dtype_bytes(symbol.dtype);
      int64_t ahead = bytes;  // a buffer has room for all, once nobody reads it
      if (waits[u] == LoopWait::kStores) ahead = 0;
      if (waits[u] == LoopWait::kNothing) ahead = bytes * tokens_ahead(section, unit) / unit.firings;
      all.push_back({section.name, generic_name(symbol.name), bytes, ahead, wait_text(waits[u])});
    }
  }
  return all;
}

}  // namespace rdusim::compiler
