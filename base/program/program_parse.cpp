// Parser of the text form (program_text.h): one statement a line, a word or number at a time. Every complaint
// carries file:line:col. The order of words is fixed, so a program that prints the same is the same.
#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/program/program_text.h"
#include "base/program/program_words.h"

namespace rdusim {

namespace {

// Bounds what a hostile file can make us allocate; far above any real program.
constexpr int64_t kMaxIndex = 1 << 24;

// Reads the words of one line. The first failure is kept; later reads yield zeros, so callers check once a
// line.
class LineReader {
 public:
  LineReader(std::string_view line, std::string where) : line_(line), where_(std::move(where)) {}

  [[nodiscard]] bool at_end() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) ++at_;
    return at_ >= line_.size() || line_[at_] == '#';
  }

  std::string_view word() {
    if (at_end()) return fail("the line ends too early"), std::string_view();
    start_ = at_;
    while (at_ < line_.size() && line_[at_] != ' ' && line_[at_] != '\t' && line_[at_] != '\r') ++at_;
    return line_.substr(start_, at_ - start_);
  }

  void keyword(std::string_view expected) {
    const std::string_view got = word();
    if (!failed() && got != expected) fail(fmt::format("expected '{}', found '{}'", expected, got));
  }

  int64_t integer() {
    const std::string_view text = word();
    int64_t value = 0;
    if (failed()) return 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) {
      return fail(fmt::format("expected an integer, found '{}'", text)), 0;
    }
    return value;
  }
  int64_t integer(std::string_view name) { return keyword(name), integer(); }

  int64_t bounded(int64_t limit) {
    const int64_t value = integer();
    if (!failed() && (value < 0 || value >= limit)) {
      return fail(fmt::format("{} is not in [0, {})", value, limit)), 0;
    }
    return value;
  }
  size_t index() { return static_cast<size_t>(bounded(kMaxIndex)); }

  Register reg() {
    const std::string_view text = word();
    unsigned value = 0;
    if (failed()) return 0;
    if (text.size() < 2 || text[0] != '%')
      return fail(fmt::format("expected a register, found '{}'", text)), Register{0};
    const auto [end, code] = std::from_chars(text.data() + 1, text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() ||
        value > std::numeric_limits<Register>::max()) {
      return fail(fmt::format("expected a register, found '{}'", text)), Register{0};
    }
    return static_cast<Register>(value);
  }

  float real() {
    const std::string_view text = word();
    float value = 0;
    if (failed()) return 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) {
      return fail(fmt::format("expected a number, found '{}'", text)), 0.0F;
    }
    return value;
  }

  std::string string() {
    std::string out;
    if (at_end() || line_[at_] != '"') {
      start_ = at_;
      return fail("expected a quoted name"), out;
    }
    start_ = at_++;
    while (at_ < line_.size() && line_[at_] != '"') {
      if (line_[at_] == '\\' && at_ + 1 < line_.size()) {
        ++at_;
        out += line_[at_] == 'n' ? '\n' : line_[at_];
      } else {
        out += line_[at_];
      }
      ++at_;
    }
    if (at_ >= line_.size()) return fail("the quote is not closed"), out;
    ++at_;
    return out;
  }
  std::string string(std::string_view name) { return keyword(name), string(); }

  // A word of `names`, as its position.
  template <typename E, size_t N>
  E one_of(const std::array<std::string_view, N>& names) {
    const std::string_view text = word();
    for (size_t i = 0; i < N; ++i) {
      if (names[i] == text) return static_cast<E>(i);
    }
    if (!failed()) fail(fmt::format("'{}' is not one of: {}", text, fmt::join(names, ", ")));
    return static_cast<E>(0);
  }
  template <typename E, size_t N>
  E named(std::string_view (*name)(E)) {
    std::array<std::string_view, N> names;
    for (size_t i = 0; i < N; ++i) names[i] = name(static_cast<E>(i));
    return one_of<E>(names);
  }
  DType dtype() {
    const std::string_view text = word();
    const std::optional<DType> found = dtype_from_name(text);
    if (!found && !failed()) fail(fmt::format("'{}' is not a number format", text));
    return found.value_or(DType::kBf16);
  }

  void fail(std::string what) {
    if (failed()) return;
    error_ = Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", where_, start_ + 1), std::move(what), ""};
  }
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  Status finish() {
    if (!failed() && !at_end()) {
      start_ = at_;
      fail(fmt::format("unexpected '{}'", line_.substr(at_)));
    }
    if (failed()) return std::move(*error_);
    return {};
  }

 private:
  std::string_view line_;
  std::string where_;
  size_t at_ = 0;
  size_t start_ = 0;
  std::optional<Error> error_;
};

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
  s.first_launch = r.integer("life");
  s.last_launch = r.integer();
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
      Launch& launch = program_.launches.emplace_back();
      launch.section = SectionId(r.index());
      while (!r.failed() && !r.at_end()) launch.bindings.emplace_back(r.index());
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
      r.fail(fmt::format("'{}' outside a unit", word));
    } else {
      read_unit_line(r, word, section.units.back());
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
