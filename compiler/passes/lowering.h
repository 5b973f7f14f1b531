// Lowering: what operators use to add their units to the section being built.
//
//   Flow    how a value is cut into tokens: `sequences` x `blocks` tokens of at most `rows` rows, in row
//   order Stream  an output port whose tokens others may take; taking it adds a channel (fan-out is
//   multicast)
//
// Units are created in pipeline order; this order is also the priority of memory streams, so that what is
// needed first is fetched first. All input ports of a unit are taken before its first operation, since
// registers number ports, then operations.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/program/program.h"
#include "base/result.h"
#include "compiler/graph/graph.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

struct Flow {
  int64_t rows = 1;
  int64_t blocks = 1;
  int64_t sequences = 1;
  [[nodiscard]] int64_t tokens() const { return blocks * sequences; }
  friend bool operator==(const Flow&, const Flow&) = default;
};

struct Stream {
  size_t unit = 0;
  size_t port = 0;
  int64_t rows = 0;  // largest token
  int64_t cols = 0;
  DType dtype = DType::kFp32;
  int64_t capacity_tokens = 2;
};

constexpr Phases kEach{1, 0, 1};
constexpr Phases first_of(int64_t n) {
  return {n, 0, 1};
}
constexpr Phases last_of(int64_t n) {
  return {n, n - 1, n};
}

// The body of a unit, one operation after the other.
class UnitBuilder {
 public:
  UnitBuilder(Section& section, size_t unit) : section_(section), unit_(unit) {}

  Register take(const Stream& stream, Phases phases);
  Register op(TileOpKind kind, std::initializer_list<Register> operands, int64_t int0 = 0, int64_t int1 = 0);
  Register scalar_op(TileOpKind kind, Register operand, double scalar);
  Register matmul(Register a, Register b, bool transposed, int64_t row_cycle = 1, int64_t rows_per_group = 1);
  struct Emission {
    Phases phases = kEach;
    Accumulate accumulate = Accumulate::kNone;
    int64_t reset_period = 1;
    int64_t keep_rows = 0;
  };
  Stream emit(Register source, int64_t rows, int64_t cols, DType dtype, const Emission& emission);
  Stream emit(Register source, int64_t rows, int64_t cols, DType dtype) {
    return emit(source, rows, cols, dtype, Emission{});
  }
  void fire(int64_t firings) { unit().firings = firings; }
  Unit& unit() { return section_.units[unit_]; }
  [[nodiscard]] size_t index() const { return unit_; }

 private:
  Section& section_;
  size_t unit_;
};

class Lowering {
 public:
  Lowering(const Graph& graph, const Tiling& tiling, const Group& group, Section& section);

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] const Value& value(ValueId id) const { return graph_.value(id); }

  // How a value of this section is cut. By its rows: batch x query rows, or others (batch rows after the last
  // token was picked), which are one token unless the whole section works row by row.
  [[nodiscard]] Flow flow(ValueId id) const;
  // Whether a unit of this section makes the value; else it is loaded.
  [[nodiscard]] bool made_here(ValueId id) const { return streams_.contains(id); }
  // The tokens of an activation: from the unit that makes it, or loaded.
  Stream activation(ValueId id);
  // A tensor loaded as a single token, once a launch (norm weights, label tables).
  Stream whole(ValueId id);
  // Rows of a tensor in tokens.
  Stream load(ValueId id, const MemoryStream& range, const std::string& suffix);
  // A weight matrix [n, k] as one token in PMUs.
  Stream resident(ValueId id);
  // Whether this section's weights stay on chip over its row blocks.
  [[nodiscard]] bool weights_resident() const { return weights_resident_; }
  // Which choice of experts a mixture gets room for.
  [[nodiscard]] MoeLoad moe_load() const { return tiling_.moe_load; }
  // Keys of a block where attention of `rows` (row, head) pairs over so many positions goes by blocks, else
  // 0.
  [[nodiscard]] int64_t key_block(int64_t positions, int64_t rows) const;
  // Rows of queries that a block of keys should meet at once.
  [[nodiscard]] int64_t query_block() const { return tiling_.query_block; }
  [[nodiscard]] int64_t stream_rows(ValueId id) const { return rows_for(id, tiling_.stream_token_bytes); }
  // Writes tokens to rows of a symbol of the section (KV cache).
  void store(ValueId id, const Stream& stream, const MemoryStream& range, const std::string& suffix);

  // Rows of a table picked by the row numbers of each token.
  Stream gather(const Node& node, const std::string& suffix, ValueId table, const Stream& row_numbers,
                const Flow& flow);
  // A send and a receive unit (Exchange in program.h): `own_cols` columns stay on this socket, `result_cols`
  // come out.
  struct ExchangeShape {
    ExchangeMode mode = ExchangeMode::kBroadcast;
    Combine combine = Combine::kConcatCols;
    int64_t own_cols = 0;
    int64_t result_cols = 0;
    DType dtype = DType::kBf16;
  };
  Stream exchange(const Node& node, const std::string& suffix, const Stream& in, const Flow& flow,
                  const ExchangeShape& shape);

  UnitBuilder unit(UnitKind kind, const Node& node, const std::string& suffix = {});
  // The operator now being lowered answers its first token after it has seen `tokens`: whatever passes it by
  // must hold as many. Called before it takes what it keeps waiting.
  void wait_for(int64_t tokens) { waits_.push_back(tokens + 1); }
  // `stream` is the value's, cut as `flow` says. Stores it when it leaves the section.
  void define(ValueId id, const Stream& stream, const Flow& flow);

 private:
  [[nodiscard]] int64_t rows_for(ValueId id, int64_t token_bytes) const;
  [[nodiscard]] ArgumentId argument(ValueId id) const;
  [[nodiscard]] MemoryStream rows_of(const Value& value, const Flow& flow) const;
  size_t add_unit(UnitKind kind, std::string name, std::string stage);

  const Graph& graph_;
  const Tiling& tiling_;
  const Group& group_;
  Section& section_;
  bool weights_resident_;
  std::vector<int64_t> waits_;              // of this section so far, in tokens
  std::map<ValueId, size_t> waits_before_;  // how many of them when the value was made
  uint32_t exchanges_ = 0;
  std::map<ValueId, Stream> streams_;
  std::map<ValueId, Flow> flows_;
  std::map<std::pair<ValueId, std::string>, Stream> loads_;
};

// "layers.3.wq" -> "layer.wq"
std::string generic_name(const std::string& name);
Cause cause_of(const Value& value);

}  // namespace rdusim::compiler
