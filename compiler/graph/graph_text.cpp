// Printer and recursive-descent parser of the form described in graph_text.h.
#include "compiler/graph/graph_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "compiler/graph/text_scanner.h"
#include "compiler/graph/verify.h"

namespace rdusim::compiler {
namespace {

constexpr std::array<std::string_view, 5> kShardKinds = {"replicated", "rows", "cols", "expert_rows",
                                                         "expert_cols"};
std::string_view shard_kind_text(ShardKind kind) {
  return kShardKinds[static_cast<size_t>(kind)];
}

// ------------------------------------------------------------------------------------------------ print

std::string print_value(size_t index, const Value& value) {
  std::string line =
      fmt::format("%{} = {} {} {} [{}]", index, symbol_role_name(value.role), quoted(value.name),
                  dtype_name(value.dtype), fmt::join(value.shape.dims, ","));
  if (value.full_shape != value.shape)
    line += fmt::format(" full [{}]", fmt::join(value.full_shape.dims, ","));
  if (value.shard != Shard{}) {
    line += fmt::format(" shard {} {} granule {}", shard_kind_text(value.shard.kind), value.shard.shards,
                        value.shard.granule);
  }
  if (!value.source.empty()) line += " from " + quoted(value.source);
  return line + "\n";
}

std::string print_attribute(const Attribute& attribute) {
  if (const int64_t* integer = std::get_if<int64_t>(&attribute.value)) {
    return fmt::format("{} = {}", attribute.name, *integer);
  }
  std::string real =
      fmt::format("{}", std::get<double>(attribute.value));  // shortest that reads back the same
  if (real.find_first_of(".en") == std::string::npos) real += ".0";
  return fmt::format("{} = {}", attribute.name, real);
}

std::string print_ids(const std::vector<ValueId>& ids) {
  std::vector<std::string> texts;
  for (const ValueId id : ids) texts.push_back(fmt::format("%{}", id.value));
  return fmt::format("({})", fmt::join(texts, ", "));
}

std::string print_node(const Node& node) {
  std::string line = fmt::format("{} {} {} -> {}", op_name(node.op), quoted(node.name),
                                 print_ids(node.inputs), print_ids(node.outputs));
  if (node.layer.has_value()) line += fmt::format(" layer {}", *node.layer);
  std::vector<std::string> attributes;
  for (const Attribute& attribute : node.attributes) attributes.push_back(print_attribute(attribute));
  if (!attributes.empty()) line += fmt::format(" {{{}}}", fmt::join(attributes, ", "));
  return line + "\n";
}

// ------------------------------------------------------------------------------------------------ parse

class GraphParser {
 public:
  GraphParser(std::string_view text, const std::string& file_name) : scan_(text, file_name) {}

  Result<Graph> parse() {
    RDU_CHECK_OK(parse_header());
    while (!scan_.at_end()) {
      if (scan_.peek("%")) {
        RDU_CHECK_OK(parse_value());
      } else {
        RDU_CHECK_OK(parse_node());
      }
    }
    return std::move(graph_);
  }

 private:
  Status parse_header() {
    RDU_CHECK_OK(scan_.expect("graph"));
    RDU_ASSIGN(graph_.name, scan_.string());
    RDU_CHECK_OK(scan_.expect("phase"));
    RDU_ASSIGN(graph_.phase, scan_.string());
    RDU_CHECK_OK(scan_.expect("batch"));
    RDU_ASSIGN(graph_.batch, scan_.integer());
    RDU_CHECK_OK(scan_.expect("query_tokens"));
    RDU_ASSIGN(graph_.query_tokens, scan_.integer());
    RDU_CHECK_OK(scan_.expect("past_tokens"));
    RDU_ASSIGN(graph_.past_tokens, scan_.integer());
    RDU_CHECK_OK(scan_.expect("sockets"));
    RDU_ASSIGN(graph_.sockets, scan_.integer());
    return {};
  }

  Result<ValueId> parse_id() {
    const size_t where = scan_.position();
    RDU_CHECK_OK(scan_.expect("%"));
    RDU_ASSIGN(const int64_t id, scan_.integer());
    if (id < 0 || id > INT32_MAX) return scan_.error_at(where, "a value's number must be 0 to 2147483647");
    return ValueId(static_cast<size_t>(id));
  }

  Result<Shape> parse_shape() {
    Shape shape;
    RDU_CHECK_OK(scan_.expect("["));
    while (!scan_.peek("]")) {
      if (!shape.dims.empty()) RDU_CHECK_OK(scan_.expect(","));
      RDU_ASSIGN(const int64_t extent, scan_.integer());
      shape.dims.push_back(extent);
    }
    RDU_CHECK_OK(scan_.expect("]"));
    return shape;
  }

  Result<SymbolRole> parse_role() {
    const size_t where = scan_.position();
    RDU_ASSIGN(const std::string word, scan_.word());
    std::vector<std::string> known;
    for (int i = 0; i <= static_cast<int>(SymbolRole::kOutput); ++i) {
      const auto role = static_cast<SymbolRole>(i);
      if (symbol_role_name(role) == word) return role;
      known.emplace_back(symbol_role_name(role));
    }
    return scan_.error_at(where, fmt::format("'{}' is not a role of a value", word),
                          fmt::format("roles: {}", fmt::join(known, ", ")));
  }

  Status parse_shard(Shard& shard) {
    const size_t where = scan_.position();
    RDU_ASSIGN(const std::string word, scan_.word());
    for (size_t k = 0; k < kShardKinds.size(); ++k) {
      if (kShardKinds[k] != word) continue;
      shard.kind = static_cast<ShardKind>(k);
      RDU_ASSIGN(shard.shards, scan_.integer());
      RDU_CHECK_OK(scan_.expect("granule"));
      RDU_ASSIGN(shard.granule, scan_.integer());
      return {};
    }
    return scan_.error_at(where, fmt::format("'{}' is not a kind of shard", word),
                          fmt::format("kinds: {}", fmt::join(kShardKinds, ", ")));
  }

  Status parse_value() {
    const size_t where = scan_.position();
    RDU_ASSIGN(const ValueId id, parse_id());
    if (id.value != graph_.values.size()) {
      return scan_.error_at(where,
                            fmt::format("value %{} stands where %{} is due", id.value, graph_.values.size()),
                            "values are numbered in the order of their lines");
    }
    Value value;
    RDU_CHECK_OK(scan_.expect("="));
    RDU_ASSIGN(value.role, parse_role());
    RDU_ASSIGN(value.name, scan_.string());
    const size_t dtype_where = scan_.position();
    RDU_ASSIGN(const std::string dtype, scan_.word());
    const std::optional<DType> known = dtype_from_name(dtype);
    if (!known.has_value()) return scan_.error_at(dtype_where, fmt::format("'{}' is not a data type", dtype));
    value.dtype = *known;
    RDU_ASSIGN(value.shape, parse_shape());
    value.full_shape = value.shape;
    if (scan_.accept("full")) {
      RDU_ASSIGN(value.full_shape, parse_shape());
    }
    if (scan_.accept("shard")) RDU_CHECK_OK(parse_shard(value.shard));
    if (scan_.accept("from")) {
      RDU_ASSIGN(value.source, scan_.string());
    }
    graph_.values.push_back(std::move(value));
    return {};
  }

  Result<std::vector<ValueId>> parse_ids() {
    std::vector<ValueId> ids;
    RDU_CHECK_OK(scan_.expect("("));
    while (!scan_.peek(")")) {
      if (!ids.empty()) RDU_CHECK_OK(scan_.expect(","));
      const size_t where = scan_.position();
      RDU_ASSIGN(const ValueId id, parse_id());
      if (id.value >= graph_.values.size()) {
        return scan_.error_at(where, fmt::format("value %{} is not declared before its use", id.value));
      }
      ids.push_back(id);
    }
    RDU_CHECK_OK(scan_.expect(")"));
    return ids;
  }

  Status parse_attributes(Node& node) {
    while (!scan_.peek("}")) {
      if (!node.attributes.empty()) RDU_CHECK_OK(scan_.expect(","));
      Attribute attribute;
      RDU_ASSIGN(attribute.name, scan_.word());
      RDU_CHECK_OK(scan_.expect("="));
      RDU_ASSIGN(attribute.value, scan_.number());
      node.attributes.push_back(std::move(attribute));
    }
    RDU_CHECK_OK(scan_.expect("}"));
    std::sort(node.attributes.begin(), node.attributes.end(),
              [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
    return {};
  }

  Result<OpKind> parse_op() {
    const size_t where = scan_.position();
    RDU_ASSIGN(const std::string word, scan_.word());
    const std::optional<OpKind> op = op_from_name(word);
    if (op.has_value()) return *op;
    std::vector<std::string_view> known;
#define RDU_OP(enumerator, name) known.emplace_back(name);
#include "compiler/ops/ops.def"
#undef RDU_OP
    return scan_.error_at(where, fmt::format("'{}' is not an operator", word),
                          fmt::format("operators: {}", fmt::join(known, ", ")));
  }

  Status parse_node() {
    RDU_ASSIGN(const OpKind op, parse_op());
    Node node{op, {}, {}, {}, {}, {}};
    RDU_ASSIGN(node.name, scan_.string());
    RDU_ASSIGN(node.inputs, parse_ids());
    RDU_CHECK_OK(scan_.expect("->"));
    const size_t where = scan_.position();
    RDU_ASSIGN(node.outputs, parse_ids());
    if (scan_.accept("layer")) {
      RDU_ASSIGN(node.layer, scan_.integer());
    }
    if (scan_.accept("{")) RDU_CHECK_OK(parse_attributes(node));
    for (const ValueId output : node.outputs) {
      std::optional<NodeId>& producer = graph_.values[output.value].producer;
      if (producer.has_value()) {
        return scan_.error_at(where, fmt::format("value %{} already has a producer", output.value));
      }
      producer = NodeId(graph_.nodes.size());
    }
    graph_.nodes.push_back(std::move(node));
    return {};
  }

  TextScanner scan_;
  Graph graph_;
};

}  // namespace

std::string print_graph(const Graph& graph) {
  std::string text = fmt::format("graph {} phase {} batch {} query_tokens {} past_tokens {} sockets {}\n",
                                 quoted(graph.name), quoted(graph.phase), graph.batch, graph.query_tokens,
                                 graph.past_tokens, graph.sockets);
  size_t printed = 0;
  const auto print_values_up_to = [&](size_t end) {
    for (; printed < end; ++printed) text += print_value(printed, graph.values[printed]);
  };
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.inputs) print_values_up_to(size_t{id.value} + 1);
    for (const ValueId id : node.outputs) print_values_up_to(size_t{id.value} + 1);
    text += print_node(node);
  }
  print_values_up_to(graph.values.size());
  return text;
}

Result<Graph> parse_graph(std::string_view text, const std::string& file_name) {
  RDU_ASSIGN(Graph graph, GraphParser(text, file_name).parse());
  RDU_CHECK_OK(verify_graph(graph));
  return graph;
}

}  // namespace rdusim::compiler
