// See shard_heads.h.
#include "compiler/passes/shard_heads.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim::compiler {

bool is_attention(const Node& node) {
  return node.op == OpKind::kAttention || node.op == OpKind::kCrossAttention;
}

Status check_heads(const Node& attention, int64_t sockets) {
  const int64_t heads = attention.integer("heads");
  const int64_t kv_heads = attention.integer("kv_heads");
  if (heads % sockets != 0) {
    return Error{ErrorCode::kUnsupported, attention.name,
                 fmt::format("{} attention heads do not divide over {} sockets", heads, sockets),
                 "choose a number of sockets that divides the heads"};
  }
  if (kv_heads % sockets != 0 && sockets % kv_heads != 0) {
    return Error{ErrorCode::kUnsupported, attention.name,
                 fmt::format("{} key/value heads neither divide over nor into {} sockets", kv_heads, sockets),
                 "choose a number of sockets that divides the key/value heads, or a multiple of them"};
  }
  return {};
}

Shard cut_by_heads(const Node& attention, size_t operand, int64_t sockets) {
  const int64_t head_dim = attention.integer("head_dim");
  if (operand == 0) return {ShardKind::kCols, sockets, head_dim};
  const size_t count = attention.inputs.size();
  const bool has_table = attention.op == OpKind::kAttention && count % 2 == 0;
  if (!has_table || operand + 1 < count)
    return {ShardKind::kCols, std::min(sockets, attention.integer("kv_heads")), head_dim};
  return attention.has("tree") ? Shard{} : Shard{ShardKind::kRows, sockets, 1};
}

}  // namespace rdusim::compiler
