#include "compiler/passes/lowering.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/check.h"

namespace rdusim::compiler {

std::string generic_name(const std::string& name) {
  const size_t digits = name.find_first_of("0123456789");
  if (digits == std::string::npos || digits == 0) return name;
  if (name[digits - 1] != '.') return name;
  const size_t end = std::min(name.find_first_not_of("0123456789", digits), name.size());
  const std::string head = name.substr(0, digits - 1);
  const std::string tail = name.substr(end);
  return (head == "layers" ? "layer" : head) + tail;
}

Cause cause_of(const Value& value) {
  switch (value.role) {
    case SymbolRole::kWeight:
      return Cause::kWeights;
    case SymbolRole::kKvCache:
      return Cause::kKvCache;
    case SymbolRole::kState:
      return Cause::kState;
    case SymbolRole::kConstant:
      return Cause::kConstants;
    default:
      return Cause::kActivations;
  }
}

// ------------------------------------------------------------------------------------------------
// UnitBuilder

Register UnitBuilder::take(const Stream& stream, Phases phases) {
  Unit& consumer = unit();
  RDU_CHECK(consumer.body.empty(), "{}: input port added after the body began", consumer.name);
  Channel channel;
  const std::string& producer = section_.units[stream.unit].name;
  channel.name = fmt::format("{}>{}", producer, consumer.name);
  channel.dtype = stream.dtype;
  channel.rows = stream.rows;
  channel.cols = stream.cols;
  channel.capacity_tokens = stream.capacity_tokens;
  const ChannelId id(section_.channels.size());
  section_.channels.push_back(std::move(channel));
  section_.units[stream.unit].outputs[stream.port].channels.push_back(id);
  consumer.inputs.push_back({id, phases});
  return static_cast<Register>(consumer.inputs.size() - 1);
}

Register UnitBuilder::op(TileOpKind kind, std::initializer_list<Register> operands, int64_t int0,
                         int64_t int1) {
  TileOp op;
  op.kind = kind;
  std::copy(operands.begin(), operands.end(), op.operands.begin());
  op.ints = {int0, int1};
  unit().body.push_back(op);
  return static_cast<Register>(unit().inputs.size() + unit().body.size() - 1);
}

Register UnitBuilder::scalar_op(TileOpKind kind, Register operand, double scalar) {
  const Register result = op(kind, {operand});
  unit().body.back().scalar = static_cast<float>(scalar);
  return result;
}

Register UnitBuilder::matmul(Register a, Register b, bool transposed, int64_t row_cycle,
                             int64_t rows_per_group) {
  const Register result = op(TileOpKind::kMatmul, {a, b});
  TileOp& op = unit().body.back();
  op.matmul_transposed = transposed;
  op.matmul_row_cycle = row_cycle;
  op.matmul_rows_per_group = rows_per_group;
  return result;
}

Stream UnitBuilder::emit(Register source, int64_t rows, int64_t cols, DType dtype, const Emission& emission) {
  Unit& producer = unit();
  producer.outputs.push_back(OutputPort{
      {}, emission.phases, source, emission.accumulate, emission.reset_period, emission.keep_rows});
  return Stream{unit_, producer.outputs.size() - 1, rows, cols, dtype, 2};
}

// ------------------------------------------------------------------------------------------------ Lowering

Lowering::Lowering(const Graph& graph, const Tiling& tiling, const Group& group, Section& section)
    : graph_(graph),
      tiling_(tiling),
      group_(group),
      section_(section),
      weights_resident_(tiling.weights_resident[group.section]) {
  for (const ValueId id : group.externals) {
    section_.arguments.push_back({generic_name(graph.value(id).name), cause_of(graph.value(id))});
  }
}

Flow Lowering::flow(ValueId id) const {
  if (const auto it = flows_.find(id); it != flows_.end()) return it->second;
  const Value& v = value(id);
  const int64_t rows = v.shape.rows();
  const int64_t query = graph_.query_tokens;
  if (query > 1 && rows == graph_.batch * query) {
    const int64_t block = tiling_.row_blocks[group_.section];
    return {block, ceil_div(query, block), graph_.batch};
  }
  const int64_t block = tiling_.plain_blocks[group_.section];
  if (block > 0 && rows > block) return {block, ceil_div(rows, block), 1};
  return {rows, 1, 1};
}

int64_t Lowering::key_block(int64_t positions, int64_t rows) const {
  if (positions <= tiling_.whole_score_rows) return 0;
  if (tiling_.key_block > 0) return tiling_.key_block;
  const int64_t keys = tiling_.weight_block_bytes / (rows * dtype_bytes(DType::kBf16));
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(1, keys))));
}

ArgumentId Lowering::argument(ValueId id) const {
  const auto it = std::find(group_.externals.begin(), group_.externals.end(), id);
  RDU_CHECK(it != group_.externals.end(), "{} is not an argument of section {}", value(id).name,
            section_.name);
  return ArgumentId(static_cast<size_t>(it - group_.externals.begin()));
}

int64_t Lowering::rows_for(ValueId id, int64_t token_bytes) const {
  const Value& v = value(id);
  return std::clamp<int64_t>(token_bytes / (v.shape.cols() * dtype_bytes(v.dtype)), 1, v.shape.rows());
}

namespace {

// Several heads or outputs in one section may share a generic name: later ones are numbered.
std::string unique_name(const Section& section, std::string name) {
  const auto taken = [&section](const std::string& candidate) {
    return std::any_of(section.units.begin(), section.units.end(),
                       [&candidate](const Unit& unit) { return unit.name == candidate; });
  };
  if (!taken(name)) return name;
  int64_t number = 2;
  while (taken(fmt::format("{}_{}", name, number))) ++number;
  return fmt::format("{}_{}", name, number);
}

}  // namespace

size_t Lowering::add_unit(UnitKind kind, std::string name, std::string stage) {
  Unit unit;
  unit.name = unique_name(section_, std::move(name));
  unit.kind = kind;
  unit.stage = std::move(stage);
  section_.units.push_back(std::move(unit));
  return section_.units.size() - 1;
}

UnitBuilder Lowering::unit(UnitKind kind, const Node& node, const std::string& suffix) {
  const std::string stage = generic_name(node.name);
  return {section_, add_unit(kind, suffix.empty() ? stage : stage + "." + suffix, stage)};
}

MemoryStream Lowering::rows_of(const Value& v, const Flow& f) const {
  MemoryStream range;
  range.cols = v.shape.cols();
  range.rows_per_token = f.rows;
  range.segments = f.sequences;
  range.rows = v.shape.rows() / f.sequences;
  range.stride = range.rows;
  return range;
}

Stream Lowering::load(ValueId id, const MemoryStream& range, const std::string& suffix) {
  if (const auto it = loads_.find({id, suffix}); it != loads_.end()) return it->second;
  const Value& v = value(id);
  const std::string name = generic_name(v.name);
  UnitBuilder loader(section_, add_unit(UnitKind::kLoad, name + ".load" + suffix, name));
  loader.unit().stream = range;
  loader.unit().stream->argument = argument(id);
  loader.unit().stream->priority = static_cast<int>(loader.index());
  loader.fire(range.tokens());
  loader.unit().outputs.push_back(OutputPort{});
  const Stream stream{loader.index(), 0, std::min(range.rows_per_token, range.rows), range.cols, v.dtype, 2};
  loads_[{id, suffix}] = stream;
  return stream;
}

Stream Lowering::activation(ValueId id) {
  if (const auto it = streams_.find(id); it != streams_.end()) {
    Stream stream = it->second;
    for (size_t w = waits_before_.at(id); w < waits_.size(); ++w)
      stream.capacity_tokens = std::max(stream.capacity_tokens, waits_[w]);
    return stream;
  }
  return load(id, rows_of(value(id), flow(id)), "");
}

Stream Lowering::whole(ValueId id) {
  const Value& v = value(id);
  MemoryStream range;
  range.rows = v.shape.rows();
  range.rows_per_token = range.rows;
  range.cols = v.shape.cols();
  return load(id, range, "");
}

Stream Lowering::resident(ValueId id) {
  const Value& v = value(id);
  MemoryStream range;
  range.rows = v.shape.rows();
  range.rows_per_token = rows_for(id, tiling_.resident_token_bytes);
  range.cols = v.shape.cols();
  const Stream tokens = load(id, range, "");
  if (range.tokens() == 1) return tokens;
  const std::string name = generic_name(v.name);
  UnitBuilder buffer(section_, add_unit(UnitKind::kBuffer, name + ".buffer", name));
  const Register in = buffer.take(tokens, kEach);
  const int64_t n = range.tokens();
  Stream out = buffer.emit(in, range.rows, range.cols, v.dtype, {last_of(n), Accumulate::kConcatRows, n, 0});
  out.capacity_tokens = 1;
  buffer.fire(n);
  return out;
}

void Lowering::store(ValueId id, const Stream& stream, const MemoryStream& range, const std::string& suffix) {
  const std::string name = generic_name(value(id).name);
  UnitBuilder storer(section_, add_unit(UnitKind::kStore, name + ".store" + suffix, name));
  storer.unit().stream = range;
  storer.unit().stream->argument = argument(id);
  storer.unit().stream->priority = static_cast<int>(storer.index());
  storer.take(stream, kEach);
  storer.fire(range.tokens());
}

Stream Lowering::gather(const Node& node, const std::string& suffix, ValueId table, const Stream& row_numbers,
                        const Flow& f) {
  const Value& v = value(table);
  UnitBuilder loader = unit(UnitKind::kLoad, node, suffix);
  MemoryStream range;
  range.argument = argument(table);
  range.cols = v.shape.cols();
  range.gather = true;
  range.priority = static_cast<int>(loader.index());
  loader.unit().stream = range;
  loader.fire(f.tokens());
  loader.take(row_numbers, kEach);
  loader.unit().outputs.push_back(OutputPort{});
  return Stream{loader.index(), 0, f.rows, v.shape.cols(), v.dtype, 2};
}

Stream Lowering::exchange(const Node& node, const std::string& suffix, const Stream& in, const Flow& f,
                          const ExchangeShape& shape) {
  const Exchange pair{exchanges_++, shape.mode, shape.combine};
  UnitBuilder send = unit(UnitKind::kSend, node, suffix + ".send");
  send.unit().exchange = pair;
  send.fire(f.tokens());
  const Stream own = send.emit(send.take(in, kEach), in.rows, shape.own_cols, in.dtype);
  UnitBuilder receive = unit(UnitKind::kReceive, node, suffix + ".receive");
  receive.unit().exchange = pair;
  receive.fire(f.tokens());
  return receive.emit(receive.take(own, kEach), in.rows, shape.result_cols, shape.dtype);
}

void Lowering::define(ValueId id, const Stream& stream, const Flow& f) {
  streams_[id] = stream;
  flows_[id] = f;
  waits_before_[id] = waits_.size();
  const bool leaves =
      std::find(group_.externals.begin(), group_.externals.end(), id) != group_.externals.end();
  if (leaves) store(id, stream, rows_of(value(id), f), "");
}

}  // namespace rdusim::compiler
