// Parser of the text form (program_text.h): one statement a line, a word or number at a time. Every complaint
// carries file:line:col. The order of words is fixed, so a program that prints the same is the same.
#include <fmt/format.h>

#include "base/program/line_reader.h"
#include "base/program/program_text.h"
#include "base/program/program_words.h"

namespace rdusim {

namespace {

Phases read_phases(LineReader& r) {
  Phases p;
  p.period = r.integer("phases");
  p.begin = r.integer();
  p.end = r.integer();
  return p;
}

void read_header(LineReader& r, Program& p) {
  p.name = r.string();
  p.phase = r.string("phase");
  p.sockets = r.integer("sockets");
  p.batch = r.integer("batch");
  p.context = r.integer("context");
  p.tokens_per_run = r.integer("tokens");
  p.flops = r.integer("flops");
  r.keyword("orchestration");
  p.orchestration = r.one_of<Orchestration>(kOrchestrationWords);
}

void read_symbol(LineReader& r, Symbol& s) {
  s.name = r.string();
  s.role = r.named<SymbolRole, 7>(symbol_role_name);
  s.source = r.string("source");
  s.dtype = r.dtype();
  s.rows = r.integer();
  s.cols = r.integer("x");
  s.full_rows = r.integer("full");
  s.full_cols = r.integer("x");
  r.keyword("shard");
  s.shard.kind = r.one_of<ShardKind>(kShardKindWords);
  s.shard.shards = r.integer();
  s.shard.granule = r.integer();
  r.keyword("in");
  s.tier = r.named<Tier, kTierCount>(tier_name);
  s.offset_bytes = r.integer("at");
  s.first_step = r.integer("life");
  s.last_step = r.integer();
}

void read_channel(LineReader& r, Channel& c) {
  c.name = r.string();
  c.dtype = r.dtype();
  c.rows = r.integer();
  c.cols = r.integer("x");
  c.capacity_tokens = r.integer("capacity");
  c.latency_cycles = r.integer("latency");
  c.pmus = r.integer("pmus");
  c.links = r.integer("links");
  if (r.next_is("share")) c.share_permille = r.integer("share");
  if (!r.failed() && !r.at_end()) c.read_permille = r.integer("read");
}

void read_tiles(LineReader& r, std::vector<TileId>& tiles) {
  while (!r.failed() && !r.at_end()) tiles.emplace_back(r.index());
}

// "tile", "tile<parent", either with "!" behind.
void read_waypoint(LineReader& r, Route& route) {
  std::string_view text = r.word();
  Waypoint& w = route.points.emplace_back();
  w.parent = route.points.size() < 2 ? 0 : static_cast<uint32_t>(route.points.size() - 2);
  if (!text.empty() && text.back() == '!') {
    w.delivers = true;
    text.remove_suffix(1);
  }
  const size_t mark = text.find('<');
  if (mark != std::string_view::npos) {
    w.parent = static_cast<uint32_t>(r.index_of(text.substr(mark + 1)));
    text = text.substr(0, mark);
  }
  w.tile = TileId(r.index_of(text));
}

void read_route(LineReader& r, Channel& channel) {
  const auto leg = static_cast<size_t>(r.bounded(2));
  Route& route = channel.legs[leg].emplace_back();
  while (!r.failed() && !r.at_end()) read_waypoint(r, route);
}

void read_mesh(LineReader& r, MeshShape& mesh) {
  mesh.rows = r.bounded(kMaxIndex);
  mesh.columns = r.integer("x");
  mesh.dies = r.integer("dies");
  mesh.agcu_ports = r.integer("agcus");
}

void read_launch(LineReader& r, Launch& launch) {
  launch.section = SectionId(r.index());
  if (r.next_is("loop")) launch.iterations = r.integer("loop");
  launch.prefetch = r.next_is("prefetch");
  if (launch.prefetch) r.keyword("prefetch");
  while (!r.failed() && !r.at_end()) launch.bindings.emplace_back(r.index());
}

void read_unit(LineReader& r, Unit& u) {
  u.name = r.string();
  u.kind = r.named<UnitKind, 7>(unit_kind_name);
  u.stage = r.string("stage");
  u.firings = r.integer("firings");
  u.pcus = r.integer("pcus");
  u.pmus = r.integer("pmus");
}

void read_stream(LineReader& r, MemoryStream& s) {
  s.argument = ArgumentId(r.index());
  s.begin = r.integer("begin");
  s.rows = r.integer("rows");
  s.segments = r.integer("segments");
  s.stride = r.integer("stride");
  s.rows_per_token = r.integer("per_token");
  s.col_begin = r.integer("col");
  s.cols = r.integer("cols");
  s.repeats = r.integer("repeats");
  r.keyword("gather");
  s.gather = r.bounded(2) != 0;
  const int64_t priority = r.integer("priority");
  if (priority < -kMaxIndex || priority > kMaxIndex) r.fail(fmt::format("priority {} is absurd", priority));
  s.priority = static_cast<int>(priority);
  if (r.next_is("ring")) s.ring = r.integer("ring");
}

void read_op(LineReader& r, TileOp& op) {
  const std::string_view name = r.word();
  const std::optional<TileOpKind> kind = tile_op_from_name(name);
  if (!kind) return r.fail(fmt::format("'{}' is not a tile operation", name));
  op.kind = *kind;
  for (int i = 0; i < tile_op_record(*kind).operands; ++i) op.operands[static_cast<size_t>(i)] = r.reg();
  if (op.kind == TileOpKind::kMatmul) {
    r.keyword("transposed");
    op.matmul_transposed = r.bounded(2) != 0;
    op.matmul_row_cycle = r.integer("cycle");
    op.matmul_rows_per_group = r.integer("per_group");
  }
  while (!r.failed() && !r.at_end()) {
    const std::string_view word = r.word();
    if (word == "ints") {
      op.ints[0] = r.integer();
      op.ints[1] = r.integer();
    } else if (word == "scalar") {
      op.scalar = r.real();
    } else {
      r.fail(fmt::format("expected 'ints' or 'scalar', found '{}'", word));
    }
  }
}

void read_output(LineReader& r, OutputPort& port) {
  port.source = r.reg();
  port.accumulate = r.one_of<Accumulate>(kAccumulateWords);
  port.phases = read_phases(r);
  port.reset_period = r.integer("reset");
  port.keep_rows = r.integer("keep");
  r.keyword("to");
  while (!r.failed() && !r.at_end()) port.channels.emplace_back(r.index());
}

class ProgramParser {
 public:
  explicit ProgramParser(std::string file_name) : file_name_(std::move(file_name)) {}

  Result<Program> parse(std::string_view text) {
    int64_t number = 0;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
      LineReader reader(line, fmt::format("{}:{}", file_name_, ++number));
      if (reader.at_end()) continue;
      read_line(reader, reader.word());
      RDU_CHECK_OK(reader.finish());
    }
    if (!header_)
      return Error{ErrorCode::kInvalidInput, file_name_ + ":1:1", "there is no 'program' line", ""};
    return std::move(program_);
  }

 private:
  void read_line(LineReader& r, std::string_view word) {
    if (word == "program" && !header_) {
      header_ = true;
      return read_header(r, program_);
    }
    if (!header_) return r.fail("expected 'program' first");
    if (word == "tier") {
      const auto tier = r.named<Tier, kTierCount>(tier_name);
      program_.tiers[static_cast<size_t>(tier)].bytes = r.integer();
    } else if (word == "symbol") {
      read_symbol(r, program_.symbols.emplace_back());
    } else if (word == "section") {
      program_.sections.emplace_back().name = r.string();
    } else if (word == "launch") {
      read_launch(r, program_.launches.emplace_back());
    } else if (word == "mesh") {
      read_mesh(r, program_.mesh);
    } else {
      read_section_line(r, word);
    }
  }

  void read_section_line(LineReader& r, std::string_view word) {
    if (program_.sections.empty()) return r.fail(fmt::format("'{}' outside a section", word));
    Section& section = program_.sections.back();
    if (word == "argument") {
      Argument& a = section.arguments.emplace_back();
      a.name = r.string();
      a.cause = r.named<Cause, kCauseCount>(cause_name);
    } else if (word == "channel") {
      read_channel(r, section.channels.emplace_back());
    } else if (word == "unit") {
      read_unit(r, section.units.emplace_back());
    } else if (section.units.empty()) {
      if (section.channels.empty()) return r.fail(fmt::format("'{}' outside a unit or channel", word));
      read_channel_line(r, word, section.channels.back());
    } else {
      read_unit_line(r, word, section.units.back());
    }
  }

  static void read_channel_line(LineReader& r, std::string_view word, Channel& channel) {
    if (word == "tiles") {
      read_tiles(r, channel.tiles);
    } else if (word == "route") {
      read_route(r, channel);
    } else {
      r.fail(fmt::format("'{}' is not a statement of a channel", word));
    }
  }

  void read_unit_line(LineReader& r, std::string_view word, Unit& unit) {
    if (word == "in") {
      InputPort& port = unit.inputs.emplace_back();
      port.channel = ChannelId(r.index());
      port.phases = read_phases(r);
    } else if (word == "out") {
      read_output(r, unit.outputs.emplace_back());
    } else if (word == "op") {
      read_op(r, unit.body.emplace_back());
    } else if (word == "tiles") {
      read_tiles(r, unit.tiles);
    } else if (word == "agcus") {
      while (!r.failed() && !r.at_end()) unit.agcus.push_back(r.bounded(kMaxIndex));
    } else if (word == "stream") {
      read_stream(r, unit.stream.emplace());
    } else if (word == "exchange") {
      Exchange& e = unit.exchange.emplace();
      e.id = static_cast<uint32_t>(r.index());
      e.mode = r.one_of<ExchangeMode>(kExchangeModeWords);
      e.combine = r.one_of<Combine>(kCombineWords);
    } else {
      r.fail(fmt::format("'{}' is not a statement", word));
    }
  }

  std::string file_name_;
  Program program_;
  bool header_ = false;
};

}  // namespace

Result<Program> parse_program(std::string_view text, const std::string& file_name) {
  return ProgramParser(file_name).parse(text);
}

}  // namespace rdusim
