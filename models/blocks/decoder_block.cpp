// See decoder_block.h.
#include "models/blocks/decoder_block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "models/request.h"

namespace rdusim::models {

using compiler::Attribute;
using compiler::OpKind;

ModelFacts decoder_facts(const DecoderConfig& c) {
  const int64_t attention = 2 * c.hidden * c.heads * c.head_dim + 2 * c.hidden * c.kv_heads * c.head_dim;
  const int64_t mlp = 3 * c.hidden * c.intermediate;
  const int64_t norms = 2 * c.hidden;
  const int64_t table = c.vocabulary * c.hidden;
  const int64_t head = c.has_head && !c.tied_embeddings ? table : 0;
  ModelFacts facts;
  facts.total_parameters = table + head + c.layers * (attention + mlp + norms) + c.hidden;
  facts.weight_bytes = facts.total_parameters * dtype_bytes(DType::kBf16);
  facts.kv_bytes_per_token = c.layers * 2 * c.kv_heads * c.head_dim * dtype_bytes(DType::kBf16);
  facts.flops_per_token = 2 * facts.total_parameters;  // dense: every parameter is read for every token
  return facts;
}

double decoder_flops(const DecoderConfig& c, const GraphRequest& request) {
  const double tokens = static_cast<double>(request.batch) * static_cast<double>(request.query_tokens);
  const double keys = static_cast<double>(request.past_tokens) + static_cast<double>(request.query_tokens);
  const double pairs = tokens * keys * static_cast<double>(c.layers * c.heads * c.head_dim);
  return tokens * static_cast<double>(decoder_facts(c).flops_per_token) + 4.0 * pairs;
}

DecoderBuild::DecoderBuild(const DecoderConfig& decoder, const GraphRequest& wanted,
                           const std::string& graph_name)
    : config(decoder), request(wanted), builder(empty_graph(graph_name, wanted)) {
  const int64_t positions = request.past_tokens + request.query_tokens;
  if (request.phase != Phase::kEmbed) capacity = request.kv_capacity > 0 ? request.kv_capacity : positions;
  builder.set_activation_dtype(request.activations);
  // The table covers the whole cache, so prefill and every decode step of a sequence name the same constant.
  const int64_t table_rows = std::max(capacity, positions);
  rope_table =
      builder.add_source("rope_table", Shape{{table_rows, config.head_dim}}, DType::kFp32,
                         SymbolRole::kConstant, rope_table_source(config.rope, config.head_dim, table_rows));
}

ValueId DecoderBuild::weight(std::string name, int64_t rows, int64_t cols, const std::string& tensor) {
  return builder.add_source(std::move(name), Shape{{rows, cols}}, DType::kBf16, SymbolRole::kWeight, tensor);
}

namespace {

// Names within one layer: ("wq", "self_attn.q_proj") is "layers.3.wq" here and
// "model.layers.3.self_attn.q_proj.weight" in the file.
struct LayerNames {
  std::string graph;
  std::string file;
  LayerNames(const DecoderConfig& config, int64_t layer)
      : graph(fmt::format("layers.{}.", layer)),
        file(fmt::format("{}layers.{}.", config.tensor_prefix, layer)) {}
};

Result<ValueId> project(DecoderBuild& build, const LayerNames& names, const std::string& result,
                        const std::string& weight, const std::string& tensor, ValueId x, int64_t outputs) {
  const int64_t inputs = build.builder.graph().value(x).shape.cols();
  const ValueId w = build.weight(names.graph + weight, outputs, inputs, names.file + tensor + ".weight");
  return build.builder.add(OpKind::kLinear, names.graph + result, {x, w});
}

Result<ValueId> rotate(DecoderBuild& build, const std::string& name, ValueId x) {
  return build.builder.add(OpKind::kRope, name, {x, build.rope_table},
                           {{"head_dim", build.config.head_dim},
                            {"past_tokens", build.request.past_tokens},
                            {"query_tokens", build.request.query_tokens}});
}

ValueId cache(DecoderBuild& build, const std::string& kind, int64_t layer) {
  const std::string name = fmt::format("{}_cache.{}", kind, layer);
  const Shape shape{{build.request.batch * build.capacity, build.config.kv_heads * build.config.head_dim}};
  return build.builder.add_source(name, shape, build.request.activations, SymbolRole::kKvCache, name);
}

std::vector<Attribute> attention_attributes(const DecoderBuild& build) {
  const DecoderConfig& c = build.config;
  return {{"capacity", build.capacity},
          {"causal", int64_t{1}},
          {"head_dim", c.head_dim},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"past_tokens", build.request.past_tokens},
          {"query_tokens", build.request.query_tokens},
          {"scale", 1.0 / std::sqrt(static_cast<double>(c.head_dim))},
          {"window", c.window}};
}

Result<ValueId> attention_block(DecoderBuild& build, const LayerNames& names, int64_t layer, ValueId x) {
  const DecoderConfig& c = build.config;
  RDU_ASSIGN(const ValueId normed,
             norm(build, names.graph + "attention_norm", x, names.file + "input_layernorm.weight"));
  RDU_ASSIGN(const ValueId q,
             project(build, names, "q", "wq", "self_attn.q_proj", normed, c.heads * c.head_dim));
  RDU_ASSIGN(const ValueId k,
             project(build, names, "k", "wk", "self_attn.k_proj", normed, c.kv_heads * c.head_dim));
  RDU_ASSIGN(const ValueId v,
             project(build, names, "v", "wv", "self_attn.v_proj", normed, c.kv_heads * c.head_dim));
  RDU_ASSIGN(const ValueId q_rotated, rotate(build, names.graph + "q_rotated", q));
  RDU_ASSIGN(const ValueId k_rotated, rotate(build, names.graph + "k_rotated", k));
  std::vector<ValueId> inputs = {q_rotated, k_rotated, v};
  if (build.capacity > 0) {
    inputs.push_back(cache(build, "k", layer));
    inputs.push_back(cache(build, "v", layer));
  }
  RDU_ASSIGN(const ValueId mixed, build.builder.add(OpKind::kAttention, names.graph + "attention",
                                                    std::move(inputs), attention_attributes(build)));
  RDU_ASSIGN(const ValueId out,
             project(build, names, "attention_out", "wo", "self_attn.o_proj", mixed, c.hidden));
  return build.builder.add(OpKind::kAdd, names.graph + "attention_residual", {x, out});
}

Result<ValueId> mlp_block(DecoderBuild& build, const LayerNames& names, int64_t layer, ValueId x) {
  const DecoderConfig& c = build.config;
  RDU_ASSIGN(const ValueId normed,
             norm(build, names.graph + "mlp_norm", x, names.file + "post_attention_layernorm.weight"));
  RDU_ASSIGN(const ValueId gate,
             project(build, names, "gate", "w_gate", "mlp.gate_proj", normed, c.intermediate));
  RDU_ASSIGN(const ValueId up, project(build, names, "up", "w_up", "mlp.up_proj", normed, c.intermediate));
  RDU_ASSIGN(const ValueId inner, build.builder.add(OpKind::kSwiGlu, names.graph + "swiglu", {gate, up}));
  RDU_ASSIGN(const ValueId out, project(build, names, "mlp_out", "w_down", "mlp.down_proj", inner, c.hidden));
  return build.builder.add(OpKind::kAdd, fmt::format("layer_hidden.{}", layer + 1), {x, out});
}

}  // namespace

Result<ValueId> norm(DecoderBuild& build, const std::string& name, ValueId x, const std::string& tensor) {
  const ValueId gain = build.weight(name + ".gain", 1, build.config.hidden, tensor);
  return build.builder.add(OpKind::kRmsNorm, name, {x, gain}, {{"eps", build.config.norm_eps}});
}

Result<ValueId> embed_tokens(DecoderBuild& build) {
  const DecoderConfig& c = build.config;
  const Shape ids{{build.request.batch * build.request.query_tokens, 1}};
  const ValueId tokens =
      build.builder.add_source("token_ids", ids, DType::kInt32, SymbolRole::kInput, "token_ids");
  build.embedding_table =
      build.weight("embedding", c.vocabulary, c.hidden, c.tensor_prefix + "embed_tokens.weight");
  return build.builder.add(OpKind::kEmbedding, "layer_hidden.0", {tokens, build.embedding_table});
}

Result<ValueId> decoder_layer(DecoderBuild& build, int64_t layer, ValueId x) {
  const LayerNames names(build.config, layer);
  build.builder.set_layer(layer);
  RDU_ASSIGN(const ValueId mixed, attention_block(build, names, layer, x));
  RDU_ASSIGN(const ValueId result, mlp_block(build, names, layer, mixed));
  build.builder.set_layer(std::nullopt);
  return result;
}

Result<ValueId> language_head(DecoderBuild& build, ValueId x) {
  const DecoderConfig& c = build.config;
  const ValueId w = c.tied_embeddings ? build.embedding_table
                                      : build.weight("lm_head", c.vocabulary, c.hidden, "lm_head.weight");
  RDU_ASSIGN(const ValueId logits, build.builder.add(OpKind::kLinear, "logits", {x, w}));
  build.builder.set_dtype(logits, DType::kFp32);
  build.builder.set_role(logits, SymbolRole::kOutput);
  return logits;
}

}  // namespace rdusim::models
