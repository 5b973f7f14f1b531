// CutGraph: a graph while it is rebuilt for one socket of several. Keeps for each value of the old graph what
// became of it: cut, or whole on every socket (replicated), or pending: a part of a sum on each socket, which
// an all-reduce adds before anything but another sum reads it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

inline constexpr Shard kWhole{};

class CutGraph {
 public:
  // Keeps a reference to the graph.
  CutGraph(const Graph& in, int64_t sockets);

  [[nodiscard]] const Graph& in() const { return in_; }
  [[nodiscard]] int64_t sockets() const { return sockets_; }
  [[nodiscard]] bool is_made(ValueId old) const { return in_.value(old).producer.has_value(); }
  // A cut by columns, a socket a part; `granule` columns stay together.
  [[nodiscard]] Shard columns(int64_t granule = 1) const { return {ShardKind::kCols, sockets_, granule}; }
  // Whether two cuts of a value give every socket the same part.
  [[nodiscard]] bool same_cut(const Value& value, const Shard& a, const Shard& b) const;

  // Whether it has been made, or, a source, cut.
  [[nodiscard]] bool is_known(ValueId old) const { return is_pending(old) || map_[old.value].has_value(); }
  // What became of a value that has been made, or of a source that has been cut; what is pending is summed.
  ValueId here(ValueId old);
  // The cut that here() has. Of a pending value that of its sum.
  [[nodiscard]] Shard shard_of(ValueId old) const;
  [[nodiscard]] bool is_pending(ValueId old) const { return pending_.contains(old); }
  // The parts of the sum that the value is.
  [[nodiscard]] ValueId part(ValueId old) const { return pending_.at(old); }
  // Whether an all-gather has made the value whole.
  [[nodiscard]] bool is_gathered(ValueId old) const { return whole_.contains(old); }
  // A source tensor cut as asked. Two consumers that want different cuts need two copies.
  Result<ValueId> source(ValueId old, const Shard& shard);
  // As every socket needs it whole: gathered, if it is cut.
  Result<ValueId> whole(ValueId old);

  ValueId add_value(Value value, const Shape& full, const Shard& shard);
  // A node of the layer of `like`, whose result is as `result` but for its shape.
  ValueId add_node(const Node& like, OpKind op, std::string name, std::vector<ValueId> inputs,
                   std::vector<Attribute> attributes, const Value& result, const Shape& full,
                   const Shard& shard);
  // The node with these operands; its result is cut so. Without attributes: its own.
  void finish(const Node& node, std::vector<ValueId> inputs, const Shard& shard,
              std::vector<Attribute> attributes = {});
  // The node with whole operands on every socket.
  Status copy_replicated(const Node& node);
  // The node gives each socket a part of the sum; an all-reduce adds the parts.
  void reduce(const Node& node, std::vector<ValueId> inputs, std::vector<Attribute> attributes);
  // As reduce, but the sum is made when the first asks for it.
  void leave_pending(const Node& node, std::vector<ValueId> inputs);
  // Says what has become of the value.
  void set(ValueId old, ValueId made) { map_[old.value] = made; }

  [[nodiscard]] const Value& value(ValueId made) const { return out_.value(made); }
  // The rebuilt graph; outputs that nobody has read are whole sums.
  Graph take();

 private:
  [[nodiscard]] Shape local_shape(const Shape& full, const Shard& shard) const;
  ValueId parts(const Node& node, std::vector<ValueId> inputs, std::vector<Attribute> attributes);
  ValueId sum(const Node& node, ValueId parts);
  ValueId gathered(ValueId old);

  const Graph& in_;
  int64_t sockets_;
  Graph out_;
  std::vector<std::optional<ValueId>> map_;         // old value -> its rebuilt form (maybe cut)
  std::map<ValueId, std::vector<ValueId>> copies_;  // old source -> its cuts, the first of them in map_
  std::map<ValueId, ValueId> whole_;                // old value -> all-gathered form
  std::map<ValueId, ValueId> pending_;              // old value -> the parts of its sum
};

}  // namespace rdusim::compiler
