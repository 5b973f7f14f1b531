// See verify.h. The first broken rule is reported, in the order values, nodes.
#include "compiler/graph/verify.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <string_view>

#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

Error broken(const Graph& graph, std::string place, std::string what) {
  return Error{ErrorCode::kInvalidInput, fmt::format("graph {}, {}", graph.name, place), std::move(what), ""};
}

bool matrix_equal(const Shape& a, const Shape& b) {
  return a.rows() == b.rows() && a.cols() == b.cols();
}

Status verify_header(const Graph& graph) {
  if (graph.batch < 1 || graph.query_tokens < 1 || graph.past_tokens < 0 || graph.sockets < 1) {
    return broken(
        graph, "header",
        fmt::format("batch {}, query_tokens {}, sockets {} must be at least 1 and past_tokens {} at least 0",
                    graph.batch, graph.query_tokens, graph.sockets, graph.past_tokens));
  }
  return {};
}

// Rows and columns below 2^31 each, so that no count of elements or bytes overflows.
Status verify_extents(const Graph& graph, const std::string& place, const Shape& shape) {
  constexpr int64_t kMost = int64_t{1} << 31;
  for (const int64_t extent : shape.dims) {
    if (extent < 1) return broken(graph, place, fmt::format("extent {} is below 1", extent));
  }
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.dims.size(); ++i) {
    if (shape.dims[i] > kMost / rows) return broken(graph, place, "it has more than 2^31 rows");
    rows *= shape.dims[i];
  }
  if (shape.cols() > kMost) return broken(graph, place, "it has more than 2^31 columns");
  return {};
}

Status verify_values(const Graph& graph) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    const std::string place = fmt::format("value %{} {}", i, value.name);
    if (value.name.empty()) return broken(graph, place, "a value has no name");
    if (!names.insert(value.name).second) return broken(graph, place, "another value has this name");
    RDU_CHECK_OK(verify_extents(graph, place, value.shape));
    RDU_CHECK_OK(verify_extents(graph, place, value.full_shape));
    if (!value.producer.has_value()) continue;
    if (value.producer->value >= graph.nodes.size()) {
      return broken(graph, place,
                    fmt::format("its producer is node {} of {}", value.producer->value, graph.nodes.size()));
    }
  }
  return {};
}

Status verify_outputs(const Graph& graph, size_t index) {
  const Node& node = graph.nodes[index];
  const std::string place = fmt::format("node {} {} ({})", index, node.name, op_name(node.op));
  if (node.outputs.size() != 1) {
    return broken(graph, place, fmt::format("has {} results instead of one", node.outputs.size()));
  }
  const ValueId output = node.outputs.front();
  if (output.value >= graph.values.size()) {
    return broken(graph, place, fmt::format("result %{} does not exist", output.value));
  }
  if (graph.value(output).producer != NodeId(index)) {
    return broken(graph, place, fmt::format("result %{} names another producer", output.value));
  }
  RDU_ASSIGN(const Shape inferred, infer_shape(graph, node));
  if (!matrix_equal(inferred, graph.value(output).shape)) {
    return broken(graph, place,
                  fmt::format("result %{} has shape [{}] but the operator gives [{}]", output.value,
                              fmt::join(graph.value(output).shape.dims, ","), fmt::join(inferred.dims, ",")));
  }
  return {};
}

Status verify_nodes(const Graph& graph) {
  std::vector<bool> defined(graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) defined[i] = !graph.values[i].producer.has_value();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    for (const ValueId input : node.inputs) {
      const std::string place = fmt::format("node {} {} ({})", i, node.name, op_name(node.op));
      if (input.value >= graph.values.size()) {
        return broken(graph, place, fmt::format("operand %{} does not exist", input.value));
      }
      if (!defined[input.value]) {
        return broken(graph, place, fmt::format("operand %{} is not computed before its use", input.value));
      }
    }
    RDU_CHECK_OK(verify_outputs(graph, i));
    defined[node.outputs.front().value] = true;
  }
  for (size_t i = 0; i < defined.size(); ++i) {
    if (!defined[i]) {
      return broken(graph, fmt::format("value %{} {}", i, graph.values[i].name),
                    "its producer does not list it");
    }
  }
  return {};
}

}  // namespace

Status verify_graph(const Graph& graph) {
  RDU_CHECK_OK(verify_header(graph));
  RDU_CHECK_OK(verify_values(graph));
  return verify_nodes(graph);
}

}  // namespace rdusim::compiler
