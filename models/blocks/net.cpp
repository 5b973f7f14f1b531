// See net.h.
#include "models/blocks/net.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/derived.h"
#include "models/request.h"

namespace rdusim::models {

using compiler::Attribute;
using compiler::OpKind;

Net::Net(const std::string& model_name, const GraphRequest& request)
    : request_(request), builder_(empty_graph(model_name, request)) {
  builder_.set_activation_dtype(request.activations);
  const bool cached = request.phase == Phase::kPrefill || request.phase == Phase::kDecode;
  if (cached) {
    capacity_ = request.kv_capacity > 0 ? request.kv_capacity : request.past_tokens + request.query_tokens;
  }
}

void Net::begin_layer(int64_t layer) {
  layer_ = layer;
  prefix_ = fmt::format("layers.{}.", layer);
  builder_.set_layer(layer);
}

void Net::end_layer() {
  layer_.reset();
  prefix_.clear();
  builder_.set_layer(std::nullopt);
}

ValueId Net::input(const std::string& name, int64_t rows, int64_t cols, DType dtype) {
  return builder_.add_source(name, Shape{{rows, cols}}, dtype, SymbolRole::kInput, name);
}

ValueId Net::weight(const std::string& name, int64_t rows, int64_t cols, const std::string& source) {
  return builder_.add_source(prefix_ + name, Shape{{rows, cols}}, request_.weights, SymbolRole::kWeight,
                             source);
}

ValueId Net::weight_fp32(const std::string& name, int64_t rows, int64_t cols, const std::string& source) {
  return builder_.add_source(prefix_ + name, Shape{{rows, cols}}, DType::kFp32, SymbolRole::kWeight, source);
}

ValueId Net::constant(const std::string& name, int64_t rows, int64_t cols, const std::string& source) {
  if (const auto known = constants_.find(source); known != constants_.end()) return known->second;
  const ValueId id =
      builder_.add_source(name, Shape{{rows, cols}}, DType::kFp32, SymbolRole::kConstant, source);
  constants_[source] = id;
  return id;
}

ValueId Net::cache(const std::string& whole_name, int64_t rows_a_sequence, int64_t cols) {
  return builder_.add_source(whole_name, Shape{{request_.batch * rows_a_sequence, cols}},
                             request_.activations, SymbolRole::kKvCache, whole_name);
}

ValueId Net::state(const std::string& name, int64_t rows_a_sequence, int64_t cols, DType dtype) {
  return builder_.add_source(name, Shape{{request_.batch * rows_a_sequence, cols}}, dtype, SymbolRole::kState,
                             name);
}

void Net::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

ValueId Net::op(OpKind kind, const std::string& name, std::vector<ValueId> inputs,
                std::vector<Attribute> attributes) {
  const ValueId fallback = inputs.front();
  if (error_) return fallback;
  Result<ValueId> result = builder_.add(kind, prefix_ + name, std::move(inputs), std::move(attributes));
  if (result.ok()) return *result;
  fail(result.take_error());
  return fallback;
}

ValueId Net::linear(const std::string& name, ValueId x, int64_t outputs, const std::string& source,
                    const std::string& bias_source, const std::string& weight_name) {
  const std::string w = weight_name.empty() ? name + ".w" : weight_name;
  std::vector<ValueId> inputs = {x, weight(w, outputs, cols(x), source)};
  if (!bias_source.empty()) inputs.push_back(weight(w + ".bias", 1, outputs, bias_source));
  return op(OpKind::kLinear, name, std::move(inputs));
}

ValueId Net::rms_norm(const std::string& name, ValueId x, const std::string& source, double eps) {
  const bool plain = source.find('?') == std::string::npos;  // derived gains are FP32
  const ValueId gain =
      plain ? weight(name + ".gain", 1, cols(x), source) : weight_fp32(name + ".gain", 1, cols(x), source);
  return op(OpKind::kRmsNorm, name, {x, gain}, {{"eps", eps}});
}

ValueId Net::layer_norm(const std::string& name, ValueId x, const std::string& gain, const std::string& bias,
                        double eps) {
  std::vector<ValueId> inputs = {x, weight(name + ".gain", 1, cols(x), gain)};
  if (!bias.empty()) inputs.push_back(weight(name + ".bias", 1, cols(x), bias));
  return op(OpKind::kLayerNorm, name, std::move(inputs), {{"eps", eps}});
}

ValueId Net::activation(const std::string& name, ValueId x, compiler::ActivationForm form) {
  return op(OpKind::kActivation, name, {x}, {{"form", static_cast<int64_t>(form)}});
}

ValueId Net::add(const std::string& name, ValueId a, ValueId b) {
  return op(OpKind::kAdd, name, {a, b});
}

ValueId Net::add_as(const std::string& whole_name, ValueId a, ValueId b) {
  const std::string prefix = std::exchange(prefix_, "");
  const ValueId sum = add(whole_name, a, b);
  prefix_ = prefix;
  return sum;
}

ValueId Net::embed_tokens(const std::string& name, int64_t vocabulary, int64_t hidden,
                          const std::string& source) {
  const ValueId ids = input("token_ids", rows(), 1, DType::kInt32);
  embedding_table_ = weight("embedding", vocabulary, hidden, source);
  return op(OpKind::kEmbedding, name, {ids, embedding_table_});
}

ValueId Net::mul(const std::string& name, ValueId a, ValueId b) {
  return op(OpKind::kMul, name, {a, b});
}

ValueId Net::scale(const std::string& name, ValueId x, double by) {
  return op(OpKind::kScale, name, {x}, {{"scale", by}});
}

ValueId Net::rotate(const std::string& name, ValueId x, int64_t head_dim, const RopeParameters& rope) {
  if (!request_.tree.empty()) {
    const ValueId rows = constant("rope_tree", this->rows(), head_dim,
                                  tree_rope_source(rope, head_dim, request_.past_tokens, request_.tree));
    return op(OpKind::kRope, name, {x, rows},
              {{"head_dim", head_dim}, {"past_tokens", int64_t{0}}, {"query_tokens", request_.query_tokens}});
  }
  // The table covers the whole cache, so prefill and every decode step of a sequence name the same constant.
  const ValueId table =
      constant(fmt::format("rope_table{}", constants_.empty() ? "" : fmt::format(".{}", constants_.size())),
               positions(), head_dim, rope_table_source(rope, head_dim, positions()));
  return op(OpKind::kRope, name, {x, table},
            {{"head_dim", head_dim},
             {"past_tokens", request_.past_tokens},
             {"query_tokens", request_.query_tokens}});
}

ValueId Net::attend(const std::string& name, int64_t layer, const std::vector<ValueId>& qkv,
                    const AttentionSpec& spec) {
  std::vector<ValueId> inputs = qkv;
  const bool cached = spec.cached && capacity_ > 0;
  // Behind a window nobody reads older rows: the cache is a ring of the window's rows.
  const int64_t capacity = spec.window > 0 ? std::min(capacity_, spec.window) : capacity_;
  if (cached) {
    for (const char* const kind : {"k", "v"}) {
      const std::string cache = fmt::format("{}_cache.{}", kind, layer);
      const Shape shape{{request_.batch * capacity, spec.kv_heads * spec.head_dim}};
      inputs.push_back(builder_.add_source(cache, shape, request_.activations, SymbolRole::kKvCache, cache));
    }
  }
  if (spec.bias) inputs.push_back(*spec.bias);
  const double scale = spec.scale > 0 ? spec.scale : 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  std::vector<Attribute> attributes = {{"capacity", cached ? capacity : int64_t{0}},
                                       {"causal", int64_t{spec.causal ? 1 : 0}},
                                       {"head_dim", spec.head_dim},
                                       {"heads", spec.heads},
                                       {"kv_heads", spec.kv_heads},
                                       {"past_tokens", cached ? request_.past_tokens : int64_t{0}},
                                       {"query_tokens", request_.query_tokens},
                                       {"scale", scale},
                                       {"window", spec.window}};
  if (!request_.tree.empty()) {
    if (spec.bias || spec.window > 0) {
      fail(Error{ErrorCode::kUnsupported, full_name(name),
                 "a tree of candidates with a window or a bias by distance", ""});
    }
    const std::vector<int64_t> below_root(request_.tree.begin() + 1, request_.tree.end());
    inputs.push_back(constant("tree_mask", rows(), rows(), tree_mask_source(below_root)));
    attributes.push_back({"tree", int64_t{1}});
  }
  if (spec.cap > 0) attributes.push_back({"cap", spec.cap});
  return op(OpKind::kAttention, name, std::move(inputs), std::move(attributes));
}

ValueId Net::last_rows(const std::string& name, ValueId x) {
  if (request_.query_tokens == 1) return x;
  return op(OpKind::kLastToken, name, {x}, {{"query_tokens", request_.query_tokens}});
}

Result<compiler::Graph> Net::take() && {
  if (error_) return *error_;
  return std::move(builder_).take();
}

}  // namespace rdusim::models
