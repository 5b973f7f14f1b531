// Handmade programs for tests: short calls that add symbols, channels and units, one section, any number of
// launches.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/program/program.h"

namespace rdusim::testing {

class ProgramBuilder {
 public:
  explicit ProgramBuilder(int64_t sockets = 1) {
    program_.name = "test";
    program_.phase = "decode";
    program_.sockets = sockets;
    program_.sections.emplace_back().name = "main";
  }

  Program& program() { return program_; }
  Section& section() { return program_.sections.back(); }

  // A symbol of the whole shape, cut by `shard`, and the section's argument that it is bound to.
  ArgumentId symbol(const std::string& name, int64_t rows, int64_t cols, DType dtype = DType::kFp32,
                    Shard shard = {}, Tier tier = Tier::kHbm, Cause cause = Cause::kWeights) {
    Symbol s;
    s.name = name;
    s.source = name;
    s.dtype = dtype;
    s.full_rows = rows;
    s.full_cols = cols;
    s.shard = shard;
    s.rows = shard.kind == ShardKind::kRows ? shard_range(shard, rows, 0, program_.sockets).size : rows;
    s.cols = shard.kind == ShardKind::kCols ? shard_range(shard, cols, 0, program_.sockets).size : cols;
    s.tier = tier;
    int64_t& mark = program_.tiers[static_cast<size_t>(tier)].bytes;
    s.offset_bytes = mark;
    mark += (s.bytes() + 63) / 64 * 64;
    program_.symbols.push_back(s);
    section().arguments.push_back({name, cause});
    return ArgumentId(section().arguments.size() - 1);
  }

  ChannelId channel(const std::string& name, int64_t rows, int64_t cols, int64_t capacity = 2,
                    int64_t latency = 0, DType dtype = DType::kFp32, int64_t pmus = 1) {
    Channel& c = section().channels.emplace_back();
    c.name = name;
    c.dtype = dtype;
    c.rows = rows;
    c.cols = cols;
    c.capacity_tokens = capacity;
    c.latency_cycles = latency;
    c.pmus = pmus;
    return ChannelId(section().channels.size() - 1);
  }

  // Streams all rows of the symbol, `per_token` at a time.
  Unit& load(const std::string& name, ArgumentId argument, int64_t per_token, std::vector<ChannelId> to,
             int priority = 0) {
    Unit& u = unit(name, UnitKind::kLoad);
    u.stream = stream(argument, per_token);
    u.stream->priority = priority;
    u.firings = u.stream->tokens();
    u.outputs.push_back({std::move(to), {}, 0, Accumulate::kNone, 1, 0});
    return u;
  }
  Unit& store(const std::string& name, ArgumentId argument, int64_t per_token, ChannelId from) {
    Unit& u = unit(name, UnitKind::kStore);
    u.stream = stream(argument, per_token);
    u.firings = u.stream->tokens();
    u.inputs.push_back({from, {}});
    return u;
  }
  Unit& compute(const std::string& name, UnitKind kind, int64_t firings, std::vector<InputPort> inputs,
                std::vector<TileOp> body, std::vector<OutputPort> outputs, int64_t pcus = 1) {
    Unit& u = unit(name, kind);
    u.firings = firings;
    u.inputs = std::move(inputs);
    u.body = std::move(body);
    u.outputs = std::move(outputs);
    (kind == UnitKind::kBuffer ? u.pmus : u.pcus) = pcus;
    return u;
  }
  Unit& exchange(const std::string& name, UnitKind kind, int64_t firings, ChannelId from, ChannelId to,
                 Exchange e) {
    Unit& u = unit(name, kind);
    u.firings = firings;
    u.inputs.push_back({from, {}});
    u.outputs.push_back({{to}, {}, 0, Accumulate::kNone, 1, 0});
    u.exchange = e;
    return u;
  }

  Program finish(int64_t launches = 1) {
    Launch launch;
    for (size_t i = 0; i < program_.symbols.size(); ++i) launch.bindings.emplace_back(i);
    program_.launches.assign(static_cast<size_t>(launches), launch);
    for (Symbol& s : program_.symbols) s.last_step = launches - 1;
    return program_;
  }

 private:
  Unit& unit(const std::string& name, UnitKind kind) {
    Unit& u = section().units.emplace_back();
    u.name = name;
    u.kind = kind;
    u.stage = "test";
    return u;
  }
  MemoryStream stream(ArgumentId argument, int64_t per_token) {
    const Symbol& s = program_.symbols[argument.value];
    MemoryStream out;
    out.argument = argument;
    out.rows = s.rows;
    out.rows_per_token = per_token;
    out.cols = s.cols;
    return out;
  }

  Program program_;
};

inline TileOp op(TileOpKind kind, std::vector<Register> operands, int64_t int0 = 0, int64_t int1 = 0,
                 float scalar = 0) {
  TileOp o;
  o.kind = kind;
  for (size_t i = 0; i < operands.size(); ++i) o.operands[i] = operands[i];
  o.ints = {int0, int1};
  o.scalar = scalar;
  return o;
}
inline TileOp matmul(Register a, Register b, bool transposed, int64_t cycle = 1, int64_t per_group = 1) {
  TileOp o = op(TileOpKind::kMatmul, {a, b});
  o.matmul_transposed = transposed;
  o.matmul_row_cycle = cycle;
  o.matmul_rows_per_group = per_group;
  return o;
}
inline InputPort in(ChannelId channel, Phases phases = {}) {
  return {channel, phases};
}
inline OutputPort out(std::vector<ChannelId> channels, Register source, Phases phases = {},
                      Accumulate accumulate = Accumulate::kNone, int64_t reset = 1, int64_t keep = 0) {
  return {std::move(channels), phases, source, accumulate, reset, keep};
}

}  // namespace rdusim::testing
