// verify_program: the structural rules of a Program (see program.h). The shapes that ride on tokens are not
// checked here: they depend on data flow, and the simulator reports the operation whose operands do not fit.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/program/program.h"
#include "base/program/topology.h"
#include "base/program/verify.h"

namespace rdusim {

namespace {

// What the engine's bookkeeping holds: ports as bits of a word, channel slots as an array.
constexpr size_t kMaxPorts = 32;
constexpr int64_t kMaxCapacity = 1 << 20;
constexpr int64_t kMaxIterations = 1 << 20;

class SectionVerifier {
 public:
  SectionVerifier(const Section& section, int64_t pcus, int64_t pmus)
      : section_(section), pcus_(pcus), pmus_(pmus) {}

  Status verify() {
    RDU_CHECK_OK(verify_channels());
    for (const Unit& unit : section_.units) {
      RDU_CHECK_OK(verify_names_and_ports(unit));
      RDU_CHECK_OK(verify_body(unit));
      RDU_CHECK_OK(verify_kind(unit));
    }
    RDU_CHECK_OK(verify_balance());
    RDU_CHECK_OK(verify_exchanges());
    return verify_budget();
  }

 private:
  [[nodiscard]] Error error(const std::string& part, std::string what, std::string hint = "") const {
    return Error{ErrorCode::kInvalidInput, fmt::format("section {}, {}", section_.name, part),
                 std::move(what), std::move(hint)};
  }
  [[nodiscard]] Error unit_error(const Unit& unit, std::string what, std::string hint = "") const {
    return error("unit " + unit.name, std::move(what), std::move(hint));
  }

  Status verify_channels() {
    for (const Channel& c : section_.channels) {
      if (c.rows < 1 || c.cols < 1) return error("channel " + c.name, "the token must have rows and columns");
      if (c.capacity_tokens < 1) return error("channel " + c.name, "the capacity must be at least one token");
      if (c.capacity_tokens > kMaxCapacity) return error("channel " + c.name, "the capacity is absurd");
      if (c.latency_cycles < 0 || c.pmus < 0 || c.links < 0)
        return error("channel " + c.name, "latency, PMUs and links must not be negative");
      if (c.share_permille < 1 || c.share_permille > 1000)
        return error("channel " + c.name, "its share of the links must be 1 to 1000 thousandths");
      if (c.read_permille < 1 || c.read_permille > 1000)
        return error("channel " + c.name, "its share of the PMUs' ports must be 1 to 1000 thousandths");
    }
    return {};
  }

  Status verify_phases(const Unit& unit, const Phases& p, const std::string& port) const {
    if (p.period >= 1 && p.begin >= 0 && p.begin < p.end && p.end <= p.period) return {};
    return unit_error(unit, fmt::format("{}: phases {} {} {} break 0 <= begin < end <= period", port,
                                        p.period, p.begin, p.end));
  }

  Status verify_names_and_ports(const Unit& unit) {
    if (!names_.insert(unit.name).second) return unit_error(unit, "a second unit has this name");
    if (unit.firings < 1) return unit_error(unit, "a unit fires at least once");
    if (unit.pcus < 0 || unit.pmus < 0) return unit_error(unit, "PCUs and PMUs must not be negative");
    if (unit.inputs.size() > kMaxPorts || unit.outputs.size() > kMaxPorts) {
      return unit_error(unit, fmt::format("more than {} input or output ports", kMaxPorts));
    }
    for (size_t i = 0; i < unit.inputs.size(); ++i) {
      RDU_CHECK_OK(verify_phases(unit, unit.inputs[i].phases, fmt::format("input {}", i)));
    }
    for (size_t i = 0; i < unit.outputs.size(); ++i) {
      const OutputPort& port = unit.outputs[i];
      RDU_CHECK_OK(verify_phases(unit, port.phases, fmt::format("output {}", i)));
      if (port.channels.empty()) return unit_error(unit, fmt::format("output {} has no channel", i));
      if (port.reset_period < 1 || port.keep_rows < 0) {
        return unit_error(unit, fmt::format("output {}: reset period and kept rows out of range", i));
      }
      if (port.keep_rows > 0 && port.accumulate != Accumulate::kConcatRows) {
        return unit_error(unit, fmt::format("output {} keeps rows but does not concatenate rows", i));
      }
    }
    return {};
  }

  Status verify_body(const Unit& unit) const {
    const size_t inputs = unit.inputs.size();
    if (inputs + unit.body.size() > 65535) return unit_error(unit, "more than 65535 registers");
    for (size_t i = 0; i < unit.body.size(); ++i) {
      const TileOpRecord& record = tile_op_record(unit.body[i].kind);
      for (int k = 0; k < record.operands; ++k) {
        const Register r = unit.body[i].operands[static_cast<size_t>(k)];
        if (r >= inputs + i) {
          return unit_error(unit, fmt::format("operation {} ({}) reads register %{} before it is defined", i,
                                              record.name, r));
        }
      }
    }
    const bool sources_are_registers = is_compute(unit) || unit.kind == UnitKind::kBuffer;
    for (const OutputPort& port : unit.outputs) {
      if (sources_are_registers && port.source >= inputs + unit.body.size()) {
        return unit_error(
            unit, fmt::format("an output reads register %{} of {}", port.source, inputs + unit.body.size()));
      }
    }
    return verify_first_use(unit);
  }

  // An input that is taken late in its period must not be read before, and none after its period (tokens are
  // released).
  Status verify_first_use(const Unit& unit) const {
    if (!is_compute(unit) && unit.kind != UnitKind::kBuffer) return {};
    for (size_t o = 0; o < unit.outputs.size(); ++o) {
      std::vector<bool> read(unit.outputs.size(), false);
      read[o] = true;
      const std::vector<bool> needed = needed_registers(unit, read);
      const OutputPort& port = unit.outputs[o];
      const int64_t first = port.accumulate == Accumulate::kNone ? port.phases.begin : 0;
      for (size_t i = 0; i < unit.inputs.size(); ++i) {
        if (needed[i] && unit.inputs[i].phases.begin > first && first < unit.firings) {
          return unit_error(
              unit, fmt::format("output {} reads input {} at firing {}, before its first token at firing {}",
                                o, i, first, unit.inputs[i].phases.begin));
        }
      }
    }
    return {};
  }

  static bool is_compute(const Unit& unit) {
    return unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd;
  }

  Status verify_kind(const Unit& unit) const {
    const bool memory = unit.kind == UnitKind::kLoad || unit.kind == UnitKind::kStore;
    const bool exchange = unit.kind == UnitKind::kSend || unit.kind == UnitKind::kReceive;
    if (memory != unit.stream.has_value())
      return unit_error(unit, "load and store units, and only they, have a stream");
    if (exchange != unit.exchange.has_value()) {
      return unit_error(unit, "send and receive units, and only they, have an exchange");
    }
    if ((memory || exchange) && !unit.body.empty())
      return unit_error(unit, "a stream or exchange has no body");
    if (is_compute(unit) && unit.pcus < 1) return unit_error(unit, "a gemm or simd unit needs a PCU");
    if (unit.kind == UnitKind::kBuffer) {
      if (unit.inputs.empty()) return unit_error(unit, "a buffer needs an input");
      for (const TileOp& op : unit.body) {
        if (tile_op_record(op.kind).op_class != TileOpClass::kLayout) {
          return unit_error(unit, fmt::format("a buffer cannot compute {}", tile_op_record(op.kind).name));
        }
      }
    }
    if (is_compute(unit) && unit.inputs.empty())
      return unit_error(unit, "a gemm or simd unit needs an input");
    if (exchange && (unit.inputs.size() != 1 || unit.outputs.size() != 1)) {
      return unit_error(unit, "an exchange unit has one input and one output port");
    }
    if (memory || exchange) RDU_CHECK_OK(verify_plain_ports(unit));
    return memory ? verify_stream(unit) : Status();
  }

  // Streams and exchanges move one token each firing and keep nothing.
  Status verify_plain_ports(const Unit& unit) const {
    bool plain = true;
    for (const InputPort& port : unit.inputs) plain = plain && port.phases == Phases{};
    for (const OutputPort& port : unit.outputs) {
      plain = plain && port.phases == Phases{} && port.accumulate == Accumulate::kNone;
    }
    if (plain) return {};
    return unit_error(unit, "its ports must move one token each firing, without accumulating");
  }

  Status verify_stream(const Unit& unit) const {
    const MemoryStream& s = *unit.stream;
    const bool load = unit.kind == UnitKind::kLoad;
    if (s.argument.value >= section_.arguments.size()) {
      return unit_error(unit, fmt::format("argument {} of {}", s.argument.value, section_.arguments.size()));
    }
    if (s.cols < 1 || s.col_begin < 0) return unit_error(unit, "the stream needs columns");
    if (s.gather) {
      if (!load) return unit_error(unit, "only loads gather");
      if (unit.inputs.size() != 1 || unit.outputs.size() != 1)
        return unit_error(unit, "a gather has one input and one output");
      return {};
    }
    if (s.rows < 1 || s.segments < 1 || s.rows_per_token < 1 || s.repeats < 1 || s.begin < 0 ||
        s.stride < 0 || s.ring < 0) {
      return unit_error(unit,
                        "rows, segments, rows per token and repeats must be positive, begin, stride and ring "
                        "not negative");
    }
    if (load && s.ring > 0 && s.rows > s.ring) return unit_error(unit, "reads more rows than its ring holds");
    const size_t inputs = load ? 0 : 1;
    if (unit.inputs.size() != inputs || unit.outputs.size() != 1 - inputs) {
      return unit_error(unit, load ? "a load has one output port and no input"
                                   : "a store has one input port and no output");
    }
    if (unit.firings != s.tokens()) {
      return unit_error(unit,
                        fmt::format("fires {} times, its stream has {} tokens", unit.firings, s.tokens()));
    }
    return {};
  }

  Status verify_balance() const {
    RDU_ASSIGN(const std::vector<ChannelEnds> ends, channel_ends(section_));
    for (size_t c = 0; c < ends.size(); ++c) {
      const Unit& producer = section_.units[ends[c].producer->value];
      const Unit& consumer = section_.units[ends[c].consumer->value];
      const int64_t given = active_firings(producer.outputs[ends[c].output_port].phases, producer.firings);
      const int64_t taken = active_firings(consumer.inputs[ends[c].input_port].phases, consumer.firings);
      if (given != taken) {
        return error("channel " + section_.channels[c].name,
                     fmt::format("unit {} gives {} tokens, unit {} takes {}", producer.name, given,
                                 consumer.name, taken));
      }
    }
    return {};
  }

  Status verify_exchanges() const {
    for (const Unit& unit : section_.units) {
      if (!unit.exchange) continue;
      const UnitKind other = unit.kind == UnitKind::kSend ? UnitKind::kReceive : UnitKind::kSend;
      int64_t partners = 0;
      for (const Unit& peer : section_.units) {
        if (!peer.exchange || peer.exchange->id != unit.exchange->id) continue;
        if (peer.kind != other) {
          if (&peer != &unit)
            return unit_error(unit,
                              fmt::format("exchange {} is also in unit {}", unit.exchange->id, peer.name));
          continue;
        }
        ++partners;
        if (!(*peer.exchange == *unit.exchange))
          return unit_error(unit, fmt::format("unit {} sees the exchange otherwise", peer.name));
        if (peer.firings != unit.firings)
          return unit_error(
              unit, fmt::format("unit {} fires {} times, not {}", peer.name, peer.firings, unit.firings));
      }
      if (partners != 1)
        return unit_error(
            unit, fmt::format("exchange {} has no {} unit", unit.exchange->id, unit_kind_name(other)));
    }
    return {};
  }

  Status verify_budget() const {
    int64_t used_pcus = 0;
    int64_t used_pmus = 0;
    for (const Unit& unit : section_.units) {
      used_pcus += unit.pcus;
      used_pmus += unit.pmus;
    }
    for (const Channel& c : section_.channels) used_pmus += c.pmus;
    if (used_pcus <= pcus_ && used_pmus <= pmus_) return {};
    Error e = error(
        "whole",
        fmt::format("needs {} PCUs and {} PMUs, a socket has {} and {}", used_pcus, used_pmus, pcus_, pmus_),
        "split the section, or give its stages fewer units");
    e.where = "section " + section_.name;
    e.code = ErrorCode::kCapacity;
    return e;
  }

  const Section& section_;
  int64_t pcus_;
  int64_t pmus_;
  std::set<std::string> names_;
};

Error program_error(std::string where, std::string what) {
  return Error{ErrorCode::kInvalidInput, std::move(where), std::move(what), ""};
}

Status verify_symbol(const Program& program, const Symbol& s) {
  const std::string where = "symbol " + s.name;
  if (s.rows < 0 || s.cols < 0) return program_error(where, "negative extent");
  if (s.shard.shards < 1 || s.shard.granule < 1)
    return program_error(where, "shards and granule must be positive");
  if (s.first_step < 0 || s.last_step < s.first_step) return program_error(where, "lifetime runs backwards");
  const int64_t mark = program.tiers[static_cast<size_t>(s.tier)].bytes;
  if (s.offset_bytes < 0 || s.offset_bytes + s.bytes() > mark) {
    return program_error(where, fmt::format("bytes [{}, {}) are outside the {} of {} bytes", s.offset_bytes,
                                            s.offset_bytes + s.bytes(), tier_name(s.tier), mark));
  }
  if (!shard_divides(s.shard, s.full_rows, s.full_cols, program.sockets))
    return program_error(where, fmt::format("{} experts do not divide over {} parts, or {} sockets",
                                            s.shard.granule, s.shard.shards, program.sockets));
  const ShardPart part = shard_part(s.shard, s.full_rows, s.full_cols, 0, program.sockets);
  if (s.rows != part.rows || s.cols != part.cols) {
    return program_error(where, fmt::format("is {} x {}, but socket 0's shard of {} x {} is {} x {}", s.rows,
                                            s.cols, s.full_rows, s.full_cols, part.rows, part.cols));
  }
  return {};
}

// Symbols that live at the same time must not share bytes: sweep by offset.
Status verify_memory(const Program& program) {
  std::vector<const Symbol*> order;
  for (const Symbol& s : program.symbols) {
    RDU_CHECK_OK(verify_symbol(program, s));
    if (s.bytes() > 0) order.push_back(&s);
  }
  std::sort(order.begin(), order.end(), [](const Symbol* a, const Symbol* b) {
    return a->tier != b->tier ? a->tier < b->tier : a->offset_bytes < b->offset_bytes;
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const Symbol& a = *order[i];
    for (size_t j = i + 1; j < order.size(); ++j) {
      const Symbol& b = *order[j];
      if (b.tier != a.tier || b.offset_bytes >= a.offset_bytes + a.bytes()) break;
      if (a.first_step <= b.last_step && b.first_step <= a.last_step) {
        return program_error("symbol " + b.name,
                             fmt::format("shares bytes with symbol {} while both live", a.name));
      }
    }
  }
  return {};
}

Status verify_binding(const Program& program, const Section& section, std::span<const SymbolId> bindings,
                      const Unit& unit) {
  const MemoryStream& s = *unit.stream;
  const Symbol& symbol = program.symbols[bindings[s.argument.value].value];
  const int64_t in_segment = s.ring > 0 ? std::min(s.ring, s.begin + s.rows) : s.begin + s.rows;
  const int64_t last_row = s.gather ? 0 : (s.segments - 1) * s.stride + in_segment;
  if (last_row <= symbol.rows && s.col_begin + s.cols <= symbol.cols) return {};
  return program_error(fmt::format("section {}, unit {}", section.name, unit.name),
                       fmt::format("the stream reaches row {}, column {} of symbol {} of {} x {}", last_row,
                                   s.col_begin + s.cols, symbol.name, symbol.rows, symbol.cols));
}

// One run of a section: what it binds lives at `step` and is large enough.
Status verify_step(const Program& program, const std::string& where, const Section& section,
                   std::span<const SymbolId> bindings, int64_t step) {
  for (const SymbolId id : bindings) {
    if (id.value >= program.symbols.size())
      return program_error(where, fmt::format("symbol {} of {}", id.value, program.symbols.size()));
    const Symbol& s = program.symbols[id.value];
    if (step < s.first_step || step > s.last_step) {
      return program_error(
          where, fmt::format("uses symbol {} outside its life [{}, {}]", s.name, s.first_step, s.last_step));
    }
  }
  for (const Unit& unit : section.units) {
    if (unit.stream) RDU_CHECK_OK(verify_binding(program, section, bindings, unit));
  }
  return {};
}

Status verify_launches(const Program& program) {
  int64_t step = 0;
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch& launch = program.launches[i];
    const std::string where = fmt::format("launch {}", i);
    if (launch.section.value >= program.sections.size()) {
      return program_error(where,
                           fmt::format("section {} of {}", launch.section.value, program.sections.size()));
    }
    const Section& section = program.sections[launch.section.value];
    const size_t arguments = section.arguments.size();
    if (launch.iterations < 1 || launch.iterations > kMaxIterations)
      return program_error(where, fmt::format("loops {} times", launch.iterations));
    if (launch.prefetch && launch.iterations > 1) RDU_CHECK_OK(verify_prefetch(section, where));
    if (launch.bindings.size() != arguments * static_cast<size_t>(launch.iterations)) {
      return program_error(
          where,
          fmt::format("binds {} symbols, section {} has {} arguments{}", launch.bindings.size(), section.name,
                      arguments, launch.iterations == 1 ? "" : fmt::format(", {} times", launch.iterations)));
    }
    for (int64_t k = 0; k < launch.iterations; ++k)
      RDU_CHECK_OK(verify_step(program, where, section, launch.row(k), step++));
  }
  return {};
}

}  // namespace

int64_t program_steps(const Program& program) {
  int64_t steps = 0;
  for (const Launch& launch : program.launches) steps += launch.iterations;
  return steps;
}

Status verify_structure(const Program& program, int64_t pcus, int64_t pmus) {
  if (program.sockets < 1) return program_error("program " + program.name, "needs a socket");
  for (const Section& section : program.sections) RDU_CHECK_OK(SectionVerifier(section, pcus, pmus).verify());
  RDU_CHECK_OK(verify_memory(program));
  return verify_launches(program);
}

}  // namespace rdusim
