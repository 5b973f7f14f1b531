// A graph while a family builds it: operators with the names, sources and attributes that all families share.
//
// Errors stick: after the first one every call returns some value and take() returns the error, so that a
// family's layers read as a list of operators. Rows are tokens, [batch * query_tokens, features], throughout.
// Inside layer(i) names get the prefix "layers.<i>." and nodes carry the layer's number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/activation.h"
#include "models/constants.h"
#include "models/model.h"

namespace rdusim::models {

// One attention of a model.
struct AttentionSpec {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  double scale = 0;    // of scores; 0: 1 / sqrt(head_dim)
  int64_t window = 0;  // keys a query sees, itself included; 0: all
  double cap = 0;      // 0: none
  bool causal = true;
  bool cached = true;
  std::optional<ValueId> bias = std::nullopt;  // [heads, positions], by distance
};

class Net {
 public:
  Net(const std::string& model_name, const GraphRequest& request);

  [[nodiscard]] const GraphRequest& request() const { return request_; }
  [[nodiscard]] int64_t rows() const { return request_.batch * request_.query_tokens; }
  // Cache rows a sequence; 0: no cache.
  [[nodiscard]] int64_t capacity() const { return capacity_; }
  [[nodiscard]] int64_t positions() const {
    return std::max(capacity_, request_.past_tokens + request_.query_tokens);
  }
  [[nodiscard]] int64_t cols(ValueId id) const { return builder_.graph().value(id).shape.cols(); }

  // Results are FP32 from here on, whatever the request's activations; caches keep the request's type.
  void keep_fp32() { builder_.set_activation_dtype(DType::kFp32); }
  void begin_layer(int64_t layer);
  void end_layer();
  [[nodiscard]] std::string full_name(const std::string& name) const { return prefix_ + name; }

  ValueId input(const std::string& name, int64_t rows, int64_t cols, DType dtype);
  // `source`: a tensor of the weights file, or a derived one (derived.h). FP32 where the model computes with
  // the tensor in FP32; else in the request's weight type.
  ValueId weight(const std::string& name, int64_t rows, int64_t cols, const std::string& source);
  ValueId weight_fp32(const std::string& name, int64_t rows, int64_t cols, const std::string& source);
  // One value for each source, whatever its name; in no layer.
  ValueId constant(const std::string& name, int64_t rows, int64_t cols, const std::string& source);
  // Rows of keys or values that another graph left, under this name.
  ValueId cache(const std::string& whole_name, int64_t rows_a_sequence, int64_t cols);
  ValueId state(const std::string& name, int64_t rows_a_sequence, int64_t cols, DType dtype);

  ValueId op(compiler::OpKind kind, const std::string& name, std::vector<ValueId> inputs,
             std::vector<compiler::Attribute> attributes = {});
  // x W^T + b: `weight_name` is "<name>.w" unless given.
  ValueId linear(const std::string& name, ValueId x, int64_t outputs, const std::string& source,
                 const std::string& bias_source = "", const std::string& weight_name = "");
  // The gain is "<name>.gain", the bias "<name>.bias".
  ValueId rms_norm(const std::string& name, ValueId x, const std::string& source, double eps);
  ValueId layer_norm(const std::string& name, ValueId x, const std::string& gain, const std::string& bias,
                     double eps);
  ValueId activation(const std::string& name, ValueId x, compiler::ActivationForm form);
  ValueId add(const std::string& name, ValueId a, ValueId b);
  // The same under a name without the layer's prefix.
  ValueId add_as(const std::string& whole_name, ValueId a, ValueId b);
  ValueId mul(const std::string& name, ValueId a, ValueId b);
  ValueId scale(const std::string& name, ValueId x, double by);
  // Rotary positions of the request's tokens.
  ValueId rotate(const std::string& name, ValueId x, int64_t head_dim, const RopeParameters& rope);
  // Attention of q over k, v and the caches "k_cache.<layer>", "v_cache.<layer>".
  ValueId attend(const std::string& name, int64_t layer, const std::vector<ValueId>& qkv,
                 const AttentionSpec& spec);
  ValueId last_rows(const std::string& name, ValueId x);

  // Rows of a table by the request's tokens, "token_ids"; the table is kept for a tied head.
  ValueId embed_tokens(const std::string& name, int64_t vocabulary, int64_t hidden,
                       const std::string& source);
  [[nodiscard]] ValueId embedding_table() const { return embedding_table_; }

  void set_output(ValueId id) { builder_.set_role(id, SymbolRole::kOutput); }
  void set_fp32(ValueId id) { builder_.set_dtype(id, DType::kFp32); }
  void fail(Error error);
  Result<compiler::Graph> take() &&;

 private:
  const GraphRequest& request_;
  compiler::GraphBuilder builder_;
  int64_t capacity_ = 0;
  ValueId embedding_table_;
  std::string prefix_;
  std::optional<int64_t> layer_;
  std::map<std::string, ValueId> constants_;  // by source
  std::optional<Error> error_;
};

}  // namespace rdusim::models
