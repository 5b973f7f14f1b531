// What `rdusim compile --explain` says of launches that prefetch: how much of a section's streams fits on
// chip before its launch is complete, or, of the next iteration's, while one drains, and what a stream waits
// for that does not run ahead.
#include <algorithm>

#include "base/program/loop_order.h"
#include "base/program/run_ahead.h"
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

int64_t stream_bytes(const MemoryStream& s, const Symbol& symbol) {
  return s.repeats * s.segments * s.rows * s.cols * dtype_bytes(symbol.dtype);
}

// The same before a launch is complete, when buffers are empty and take all.
int64_t tokens_before_launch(const Section& section, const Unit& load, const std::vector<bool>& ahead) {
  int64_t tokens = load.firings;
  for (const ChannelId c : load.outputs[0].channels) {
    const auto consumer = std::find_if(section.units.begin(), section.units.end(), [&](const Unit& unit) {
      return std::any_of(unit.inputs.begin(), unit.inputs.end(),
                         [&](const InputPort& port) { return port.channel == c; });
    });
    if (ahead[static_cast<size_t>(consumer - section.units.begin())]) continue;
    tokens = std::min(tokens, section.channels[c.value].capacity_tokens);
  }
  return tokens;
}

std::string ahead_text(const Section& section, const Unit& load, bool runs_ahead) {
  if (runs_ahead) return "program and arguments";
  return is_kept(section.arguments[load.stream->argument.value].cause)
             ? "the launch: an earlier one stores it"
             : "the launch: activations";
}

}  // namespace

std::vector<AheadExplanation> explain_ahead(const Compilation& compilation) {
  const Program& program = compilation.program;
  const std::vector<std::vector<bool>> ahead = units_ahead(program);
  std::vector<AheadExplanation> all;
  std::vector<bool> seen(program.sections.size(), false);
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch& launch = program.launches[i];
    if (!launch.prefetch || seen[launch.section.value]) continue;
    seen[launch.section.value] = true;
    const Section& section = program.sections[launch.section.value];
    for (size_t u = 0; u < section.units.size(); ++u) {
      const Unit& unit = section.units[u];
      if (unit.kind != UnitKind::kLoad || !unit.inputs.empty()) continue;
      const Symbol& symbol = program.symbols[launch.row(0)[unit.stream->argument.value].value];
      const int64_t bytes = stream_bytes(*unit.stream, symbol);
      const int64_t tokens = ahead[i][u] ? tokens_before_launch(section, unit, ahead[i]) : 0;
      all.push_back({section.name, generic_name(symbol.name), bytes, bytes * tokens / unit.firings,
                     ahead_text(section, unit, ahead[i][u])});
    }
  }
  return all;
}

std::vector<PrefetchExplanation> explain_prefetch(const Compilation& compilation) {
  const Program& program = compilation.program;
  std::vector<PrefetchExplanation> all;
  for (const Launch& launch : program.launches) {
    if (!launch.prefetch || launch.iterations == 1) continue;
    const Section& section = program.sections[launch.section.value];
    const std::vector<LoopWait> waits = loop_waits(program, launch);
    for (size_t u = 0; u < section.units.size(); ++u) {
      const Unit& unit = section.units[u];
      if (unit.kind != UnitKind::kLoad || !unit.inputs.empty()) continue;
      const Symbol& symbol = program.symbols[launch.row(0)[unit.stream->argument.value].value];
      const int64_t bytes = stream_bytes(*unit.stream, symbol);
      int64_t ahead = bytes;  // a buffer has room for all, once nobody reads it
      if (waits[u] == LoopWait::kStores) ahead = 0;
      if (waits[u] == LoopWait::kNothing) ahead = bytes * tokens_ahead(section, unit) / unit.firings;
      all.push_back({section.name, generic_name(symbol.name), bytes, ahead, wait_text(waits[u])});
    }
  }
  return all;
}

}  // namespace rdusim::compiler
