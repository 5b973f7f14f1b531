// See shard_experts.h.
#include "compiler/passes/shard_experts.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rdusim::compiler {

Status check_mixture_options(const Graph& graph, const CompileOptions& options) {
  if (options.expert_groups > 0 && options.moe_parallel == MoeParallel::kTensor) {
    return Error{ErrorCode::kInvalidInput, graph.name,
                 "groups of sockets for experts, which are cut by their inner width",
                 "ask for expert parallelism, too"};
  }
  const bool asked = options.moe_parallel != MoeParallel::kTensor || options.moe_load != MoeLoad::kWorst;
  const auto is_mixture = [](const Node& node) { return node.op == OpKind::kMoeExperts; };
  if (!asked || std::any_of(graph.nodes.begin(), graph.nodes.end(), is_mixture)) return {};
  return Error{ErrorCode::kInvalidInput, graph.name, "has no mixture of experts to cut or to load so",
               "keep such options for models like mixtral-8x7b"};
}

Result<int64_t> expert_groups(const Node& node, int64_t inner, const CompileOptions& options) {
  const int64_t experts = node.integer("experts");
  const int64_t sockets = options.sockets;
  const int64_t groups = options.expert_groups > 0 ? options.expert_groups : std::min(experts, sockets);
  const auto refuse = [&node](std::string what, std::string hint) {
    return Error{ErrorCode::kUnsupported, node.name, std::move(what), std::move(hint)};
  };
  if (experts % groups != 0) {
    return refuse(
        fmt::format("{} experts do not divide over {} groups of sockets", experts, groups),
        "choose a number of sockets, or of groups, that divides the experts; or tensor parallelism");
  }
  if (sockets % groups != 0) {
    return refuse(fmt::format("{} sockets do not divide into {} groups", sockets, groups),
                  "choose a number of groups that divides the sockets and the experts");
  }
  if (inner % (sockets / groups) != 0) {
    return refuse(fmt::format("{} columns an expert do not divide over the {} sockets of a group", inner,
                              sockets / groups),
                  "choose a number of sockets that divides them");
  }
  return groups;
}

Value first_expert_numbers(int64_t groups, int64_t experts, int64_t sockets) {
  std::vector<int64_t> first;
  for (int64_t s = 0; s < sockets; ++s) first.push_back(s * groups / sockets * (experts / groups));
  Value value;
  value.name = "first_expert";
  value.dtype = DType::kFp32;
  value.role = SymbolRole::kConstant;
  value.source = fmt::format("column?values={}", fmt::join(first, ","));  // models/derived.h: column_source
  return value;
}

}  // namespace rdusim::compiler
