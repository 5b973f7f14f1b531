#include "compiler/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

struct Bound {
  std::string_view name;
  std::string_view budget;  // what a larger one of would help
  int64_t cycles = 0;
};

// The longest first.
std::array<Bound, 4> bounds_of(const SectionTraffic& traffic) {
  std::array<Bound, 4> bounds = {Bound{"compute", "PCUs", traffic.work_cycles},
                                 Bound{"pmu reads", "PMUs that hold operands", traffic.read_cycles},
                                 Bound{"hbm", "HBM bandwidth", traffic.stream_cycles},
                                 Bound{"mesh", "link bandwidth of the mesh", traffic.mesh_cycles}};
  std::stable_sort(bounds.begin(), bounds.end(),
                   [](const Bound& a, const Bound& b) { return a.cycles > b.cycles; });
  return bounds;
}

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

// Activations that the section's streams move for other sections.
int64_t border_bytes(const Section& section, const SectionTraffic& traffic) {
  int64_t bytes = 0;
  for (const Unit& unit : section.units) {
    if (!unit.stream || section.arguments[unit.stream->argument.value].cause != Cause::kActivations) continue;
    const ChannelId channel =
        unit.kind == UnitKind::kLoad ? unit.outputs[0].channels[0] : unit.inputs[0].channel;
    bytes += traffic.channels[channel.value].bytes;
  }
  return bytes;
}

void count_units(const Section& section, const SectionTraffic& traffic, const PcuSpec& pcu,
                 SectionExplanation& out) {
  int64_t macs = 0;
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    out.pcus += unit.pcus;
    out.pmus += unit.pmus;
    if (unit.kind != UnitKind::kGemm) continue;
    out.gemm_pcus += unit.pcus;
    macs += traffic.unit_macs[u];
  }
  for (const Channel& channel : section.channels) out.pmus += channel.pmus;
  out.gemm_of_peak =
      ratio(macs, out.gemm_pcus * pcu.lanes * pcu.stages * std::max(traffic.cycles(), traffic.mesh_cycles));
}

SectionExplanation explain_section(const Compilation& compilation, size_t s) {
  const ChipSpec& chip = *compilation.chip;
  const Section& section = compilation.program.sections[s];
  const SectionTraffic& traffic = compilation.traffic[s];
  SectionExplanation out;
  out.name = section.name;
  for (const Launch& launch : compilation.program.launches) {
    if (launch.section.value != s) continue;
    ++out.launches;
    out.runs += launch.iterations;
  }
  count_units(section, traffic, chip.pcu, out);
  out.stage_cycles = traffic.work_cycles;
  out.read_cycles = traffic.read_cycles;
  out.hbm_cycles = traffic.stream_cycles;
  out.mesh_cycles = traffic.mesh_cycles;
  out.bound_by = bounds_of(traffic)[0].name;
  out.hbm_of_stream = ratio(traffic.stream_cycles, std::max(traffic.cycles(), traffic.mesh_cycles));
  out.border_bytes = border_bytes(section, traffic);
  out.border_cycles = static_cast<int64_t>(static_cast<double>(out.border_bytes) * chip.clock_hz /
                                           chip.hbm.achieved_bytes_per_s());
  out.launch_cycles = static_cast<int64_t>(compilation.options.launch_s * chip.clock_hz);
  for (const Group& group : compilation.groups) {
    if (group.section == s && group.first_of_section) out.border_reason = group.border;
  }
  return out;
}

std::vector<SpillExplanation> explain_spills(const Compilation& compilation) {
  const Program& program = compilation.program;
  const ChipSpec& chip = *compilation.chip;
  std::vector<int64_t> uses(program.symbols.size(), 0);
  for (const Launch& launch : program.launches) {
    for (const SymbolId id : launch.bindings) ++uses[id.value];
  }
  const double lost = 1 / chip.ddr.achieved_bytes_per_s() - 1 / chip.hbm.achieved_bytes_per_s();
  std::vector<SpillExplanation> spills;
  for (size_t i = 0; i < program.symbols.size(); ++i) {
    const Symbol& symbol = program.symbols[i];
    if (symbol.tier != Tier::kDdr) continue;
    spills.push_back(
        {symbol.name, symbol.bytes(), uses[i], static_cast<double>(symbol.bytes() * uses[i]) * lost});
  }
  return spills;
}

std::string cut_text(const Shard& shard, int64_t sockets) {
  switch (shard.kind) {
    case ShardKind::kReplicated:
      return "whole";
    case ShardKind::kRows:
      return fmt::format("rows / {}", shard.shards);
    case ShardKind::kCols:
      return fmt::format("columns / {}", shard.shards);
    case ShardKind::kExpertRows:
    case ShardKind::kExpertCols:
      break;
  }
  const std::string experts = fmt::format("{} of {} experts", shard.granule / shard.shards, shard.granule);
  if (sockets == shard.shards) return experts;
  return fmt::format("{}, {} / {}", experts, shard.kind == ShardKind::kExpertRows ? "rows" : "columns",
                     sockets / shard.shards);
}

std::vector<HoldingExplanation> explain_holdings(const Program& program) {
  std::vector<HoldingExplanation> all;
  for (const Symbol& s : program.symbols) {
    if (s.role != SymbolRole::kWeight && s.role != SymbolRole::kKvCache && s.role != SymbolRole::kState)
      continue;
    const std::string name = generic_name(s.name);
    const std::string cut = cut_text(s.shard, program.sockets);
    auto it = std::find_if(all.begin(), all.end(),
                           [&](const HoldingExplanation& h) { return h.name == name && h.cut == cut; });
    if (it == all.end()) it = all.insert(it, {name, cut});
    ++it->tensors;
    it->socket_bytes += s.bytes();
    it->whole_bytes += s.full_rows * s.full_cols * dtype_bytes(s.dtype);
  }
  return all;
}

std::vector<MixtureExplanation> explain_mixtures(const Program& program) {
  std::vector<MixtureExplanation> all;
  for (const Section& section : program.sections) {
    for (const Unit& unit : section.units) {
      for (const TileOp& op : unit.body) {
        if (op.kind != TileOpKind::kDispatch) continue;
        all.push_back({unit.stage, unit.firings / op.ints[0], op.ints[0], op.ints[1]});
      }
    }
  }
  return all;
}

void ask_what_if(const Compilation& compilation, Explanation& out) {
  int64_t spilled = 0;
  for (const SpillExplanation& spill : out.spills) spilled += spill.bytes;
  if (spilled > 0) {
    out.what_if.push_back(fmt::format("{:.3g} GiB more HBM a socket: nothing is spilled",
                                      static_cast<double>(spilled) / (int64_t{1} << 30)));
  }
  for (size_t s = 0; s < out.sections.size(); ++s) {
    const auto bounds = bounds_of(compilation.traffic[s]);
    if (bounds[0].cycles == 0) continue;
    out.what_if.push_back(fmt::format(
        "section {}: {:.2f} times the {} brings it from {} to {} cycles, where {} binds",
        out.sections[s].name,
        static_cast<double>(bounds[0].cycles) / static_cast<double>(std::max<int64_t>(1, bounds[1].cycles)),
        bounds[0].budget, bounds[0].cycles, bounds[1].cycles, bounds[1].name));
  }
}

}  // namespace

Explanation explain(const Compilation& compilation) {
  Explanation out;
  for (size_t s = 0; s < compilation.program.sections.size(); ++s)
    out.sections.push_back(explain_section(compilation, s));
  out.holdings = explain_holdings(compilation.program);
  out.mixtures = explain_mixtures(compilation.program);
  out.spills = explain_spills(compilation);
  out.prefetch = explain_prefetch(compilation);
  out.ahead = explain_ahead(compilation);
  ask_what_if(compilation, out);
  return out;
}

}  // namespace rdusim::compiler
