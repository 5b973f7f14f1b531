// Printer of the text form (program_text.h).
#include <fmt/format.h>

#include <iterator>

#include "base/io/file.h"
#include "base/program/program_text.h"
#include "base/program/program_words.h"

namespace rdusim {

namespace {

using Out = std::back_insert_iterator<fmt::memory_buffer>;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

void print_phases(Out out, const Phases& p) {
  fmt::format_to(out, " phases {} {} {}", p.period, p.begin, p.end);
}

void print_op(Out out, const TileOp& op) {
  const TileOpRecord& record = tile_op_record(op.kind);
  fmt::format_to(out, "    op {}", record.name);
  for (int i = 0; i < record.operands; ++i) fmt::format_to(out, " %{}", op.operands[static_cast<size_t>(i)]);
  if (op.kind == TileOpKind::kMatmul) {
    fmt::format_to(out, " transposed {} cycle {} per_group {}", op.matmul_transposed ? 1 : 0,
                   op.matmul_row_cycle, op.matmul_rows_per_group);
  }
  if (op.ints[0] != 0 || op.ints[1] != 0) fmt::format_to(out, " ints {} {}", op.ints[0], op.ints[1]);
  if (op.scalar != 0) fmt::format_to(out, " scalar {}", op.scalar);
  fmt::format_to(out, "\n");
}

void print_stream(Out out, const MemoryStream& s) {
  fmt::format_to(
      out,
      "    stream {} begin {} rows {} segments {} stride {} per_token {} col {} cols {} repeats {} "
      "gather {} priority {}",
      s.argument.value, s.begin, s.rows, s.segments, s.stride, s.rows_per_token, s.col_begin, s.cols,
      s.repeats, s.gather ? 1 : 0, s.priority);
  if (s.ring > 0) fmt::format_to(out, " ring {}", s.ring);
  fmt::format_to(out, "\n");
}

void print_tiles(Out out, const std::vector<TileId>& tiles) {
  if (tiles.empty()) return;
  fmt::format_to(out, "    tiles");
  for (const TileId t : tiles) fmt::format_to(out, " {}", t.value);
  fmt::format_to(out, "\n");
}

void print_unit(Out out, const Unit& u) {
  fmt::format_to(out, "  unit {} {} stage {} firings {} pcus {} pmus {}\n", quoted(u.name),
                 unit_kind_name(u.kind), quoted(u.stage), u.firings, u.pcus, u.pmus);
  print_tiles(out, u.tiles);
  if (!u.agcus.empty()) fmt::format_to(out, "    agcus {}\n", fmt::join(u.agcus, " "));
  for (const InputPort& port : u.inputs) {
    fmt::format_to(out, "    in {}", port.channel.value);
    print_phases(out, port.phases);
    fmt::format_to(out, "\n");
  }
  if (u.stream) print_stream(out, *u.stream);
  if (u.exchange) {
    fmt::format_to(out, "    exchange {} {} {}\n", u.exchange->id, exchange_mode_name(u.exchange->mode),
                   combine_name(u.exchange->combine));
  }
  for (const TileOp& op : u.body) print_op(out, op);
  for (const OutputPort& port : u.outputs) {
    fmt::format_to(out, "    out %{} {}", port.source, accumulate_name(port.accumulate));
    print_phases(out, port.phases);
    fmt::format_to(out, " reset {} keep {} to", port.reset_period, port.keep_rows);
    for (const ChannelId c : port.channels) fmt::format_to(out, " {}", c.value);
    fmt::format_to(out, "\n");
  }
}

void print_channel(Out out, const Channel& c) {
  fmt::format_to(out, "  channel {} {} {} x {} capacity {} latency {} pmus {} links {}", quoted(c.name),
                 dtype_name(c.dtype), c.rows, c.cols, c.capacity_tokens, c.latency_cycles, c.pmus, c.links);
  if (c.share_permille != 1000) fmt::format_to(out, " share {}", c.share_permille);
  if (c.read_permille != 1000) fmt::format_to(out, " read {}", c.read_permille);
  fmt::format_to(out, "\n");
  print_tiles(out, c.tiles);
  for (size_t leg = 0; leg < c.legs.size(); ++leg) {
    for (const Route& route : c.legs[leg]) {
      fmt::format_to(out, "    route {}", leg);
      for (size_t i = 0; i < route.points.size(); ++i) {
        const Waypoint& w = route.points[i];
        fmt::format_to(out, " {}", w.tile.value);
        if (i > 0 && w.parent != i - 1) fmt::format_to(out, "<{}", w.parent);
        if (w.delivers) fmt::format_to(out, "!");
      }
      fmt::format_to(out, "\n");
    }
  }
}

void print_section(Out out, const Section& section) {
  fmt::format_to(out, "section {}\n", quoted(section.name));
  for (const Argument& a : section.arguments) {
    fmt::format_to(out, "  argument {} {}\n", quoted(a.name), cause_name(a.cause));
  }
  for (const Channel& c : section.channels) print_channel(out, c);
  for (const Unit& u : section.units) print_unit(out, u);
}

void print_symbol(Out out, const Symbol& s) {
  fmt::format_to(out,
                 "symbol {} {} source {} {} {} x {} full {} x {} shard {} {} {} in {} at {} life {} {}\n",
                 quoted(s.name), symbol_role_name(s.role), quoted(s.source), dtype_name(s.dtype), s.rows,
                 s.cols, s.full_rows, s.full_cols, shard_kind_name(s.shard.kind), s.shard.shards,
                 s.shard.granule, tier_name(s.tier), s.offset_bytes, s.first_step, s.last_step);
}

}  // namespace

std::string print_program(const Program& p) {
  fmt::memory_buffer buffer;
  const Out out(buffer);
  fmt::format_to(out,
                 "program {} phase {} sockets {} batch {} context {} tokens {} flops {} orchestration {}\n",
                 quoted(p.name), quoted(p.phase), p.sockets, p.batch, p.context, p.tokens_per_run, p.flops,
                 orchestration_name(p.orchestration));
  for (size_t t = 0; t < kTierCount; ++t) {
    if (p.tiers[t].bytes != 0) {
      fmt::format_to(out, "tier {} {}\n", tier_name(static_cast<Tier>(t)), p.tiers[t].bytes);
    }
  }
  if (p.mesh.rows != 0) {
    fmt::format_to(out, "mesh {} x {} dies {} agcus {}\n", p.mesh.rows, p.mesh.columns, p.mesh.dies,
                   p.mesh.agcu_ports);
  }
  for (const Symbol& s : p.symbols) print_symbol(out, s);
  for (const Section& s : p.sections) print_section(out, s);
  for (const Launch& l : p.launches) {
    fmt::format_to(out, "launch {}", l.section.value);
    if (l.iterations != 1) fmt::format_to(out, " loop {}", l.iterations);
    if (l.prefetch) fmt::format_to(out, " prefetch");
    for (const SymbolId s : l.bindings) fmt::format_to(out, " {}", s.value);
    fmt::format_to(out, "\n");
  }
  return fmt::to_string(buffer);
}

uint64_t program_hash(const Program& program) {
  return hash64(print_program(program));
}

}  // namespace rdusim
