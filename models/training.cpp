#include "models/training.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace rdusim::models {
namespace {

using compiler::Attribute;
using compiler::OpKind;

// A graph while it is built. After an error the operations do nothing.
class Step {
 public:
  Step(const std::string& name, const TrainingConfig& config) : c_(config), builder_(empty(name, config)) {
    builder_.set_activation_dtype(c_.activations);
  }

  Result<compiler::Graph> run() {
    const int64_t rows = c_.sequences * c_.tokens;
    const ValueId ids = source("token_ids", rows, 1, DType::kInt32, SymbolRole::kInput);
    targets_ = source("targets", rows, 1, DType::kInt32, SymbolRole::kInput);
    rope_ = rope_table("rope_table", "");
    rope_back_ = rope_table("rope_table_back", "&turn=back");
    ValueId x = op(OpKind::kEmbedding, "embedded", {ids, weight("embedding", c_.vocabulary, c_.hidden)});
    for (int64_t i = 0; i < c_.layers; ++i) {
      builder_.set_layer(i);
      x = forward(i, x);
    }
    builder_.set_layer(std::nullopt);
    ValueId d = head(x);
    for (int64_t i = c_.layers; i-- > 0;) {
      builder_.set_layer(2 * c_.layers - 1 - i);
      d = backward(i, d);
    }
    if (error_) return *error_;
    return std::move(builder_).take();
  }

 private:
  // What the backward pass of a layer needs of the forward pass.
  struct Saved {
    ValueId x, normed, q, k, v, mixed, middle, normed2, gate, up, inner;
  };

  static compiler::Graph empty(const std::string& name, const TrainingConfig& c) {
    compiler::Graph graph;
    graph.name = fmt::format("{}.train.b{}.q{}", name, c.sequences, c.tokens);
    graph.phase = "train";
    graph.batch = c.sequences;
    graph.query_tokens = c.tokens;
    return graph;
  }

  ValueId source(const std::string& name, int64_t rows, int64_t cols, DType dtype, SymbolRole role,
                 const std::string& from = "") {
    return builder_.add_source(name, Shape{{rows, cols}}, dtype, role, from.empty() ? name : from);
  }
  ValueId weight(const std::string& name, int64_t rows, int64_t cols) {
    if (const auto known = weights_.find(name); known != weights_.end()) return known->second;
    return weights_[name] = source(name, rows, cols, c_.weights, SymbolRole::kWeight);
  }
  ValueId rope_table(const std::string& name, const std::string& suffix) {
    return source(name, c_.tokens, c_.head_dim, DType::kFp32, SymbolRole::kConstant,
                  rope_table_source(c_.rope, c_.head_dim, c_.tokens) + suffix);
  }
  ValueId op(OpKind kind, const std::string& name, std::vector<ValueId> inputs,
             std::vector<Attribute> attributes = {}) {
    const ValueId fallback = inputs.front();
    if (error_) return fallback;
    Result<ValueId> result = builder_.add(kind, name, std::move(inputs), std::move(attributes));
    if (result.ok()) return *result;
    error_ = result.take_error();
    return fallback;
  }
  ValueId fp32(ValueId id) {
    builder_.set_dtype(id, DType::kFp32);
    return id;
  }
  ValueId sum(const std::string& name, ValueId a, ValueId b) { return op(OpKind::kAdd, name, {a, b}); }
  ValueId norm(const std::string& name, ValueId x, const std::string& gain) {
    return op(OpKind::kRmsNorm, name, {x, weight(gain, 1, c_.hidden)}, {{"eps", c_.norm_eps}});
  }
  ValueId turned(const std::string& name, ValueId x, ValueId table) {
    return op(OpKind::kRope, name, {x, table},
              {{"head_dim", c_.head_dim}, {"past_tokens", int64_t{0}}, {"query_tokens", c_.tokens}});
  }
  ValueId part(const std::string& name, ValueId x, int64_t begin, int64_t count) {
    return op(OpKind::kSliceCols, name, {x}, {{"begin", begin}, {"count", count}});
  }
  [[nodiscard]] std::vector<Attribute> blocks() const { return {{"blocks", c_.weight_blocks}}; }
  [[nodiscard]] double score_scale() const { return 1.0 / std::sqrt(static_cast<double>(c_.head_dim)); }

  ValueId forward(int64_t i, ValueId x) {
    const std::string at = fmt::format("layers.{}.", i);
    const int64_t h = c_.hidden, f = c_.intermediate;
    const int64_t q_cols = c_.heads * c_.head_dim, kv_cols = c_.kv_heads * c_.head_dim;
    Saved s{};
    const auto linear = [&](const char* name, ValueId in, const char* w, int64_t outputs, int64_t inputs) {
      const ValueId of = weight(at + w, outputs, inputs / c_.weight_blocks);
      if (c_.weight_blocks == 1) return op(OpKind::kLinear, at + name, {in, of});
      return op(OpKind::kBlockLinear, at + name, {in, of}, blocks());
    };
    s.x = x;
    s.normed = norm(at + "normed", x, at + "gain1");
    s.q = turned(at + "q_turned", linear("q", s.normed, "wq", q_cols, h), rope_);
    s.k = turned(at + "k_turned", linear("k", s.normed, "wk", kv_cols, h), rope_);
    s.v = linear("v", s.normed, "wv", kv_cols, h);
    s.mixed = op(OpKind::kAttention, at + "attention", {s.q, s.k, s.v},
                 {{"capacity", int64_t{0}},
                  {"causal", int64_t{1}},
                  {"head_dim", c_.head_dim},
                  {"heads", c_.heads},
                  {"kv_heads", c_.kv_heads},
                  {"past_tokens", int64_t{0}},
                  {"query_tokens", c_.tokens},
                  {"scale", score_scale()},
                  {"window", int64_t{0}}});
    s.middle = sum(at + "middle", x, linear("attention_out", s.mixed, "wo", h, q_cols));
    s.normed2 = norm(at + "normed2", s.middle, at + "gain2");
    s.gate = linear("gate", s.normed2, "w_gate", f, h);
    s.up = linear("up", s.normed2, "w_up", f, h);
    s.inner = op(OpKind::kSwiGlu, at + "inner", {s.gate, s.up});
    const ValueId y = sum(at + "y", s.middle, linear("mlp_out", s.inner, "w_down", h, f));
    saved_.push_back(s);
    return y;
  }

  // Gradient of the last layer's result; the loss is an output.
  ValueId head(ValueId x) {
    const ValueId normed = norm("last_normed", x, "last_gain");
    const ValueId w = weight("lm_head", c_.vocabulary, c_.hidden / c_.weight_blocks);
    const ValueId logits =
        fp32(c_.weight_blocks == 1 ? op(OpKind::kLinear, "logits", {normed, w})
                                   : op(OpKind::kBlockLinear, "logits", {normed, w}, blocks()));
    const ValueId loss = fp32(op(OpKind::kCrossEntropy, "loss", {logits, targets_}));
    builder_.set_role(loss, SymbolRole::kOutput);
    const double mean = 1.0 / static_cast<double>(c_.sequences * c_.tokens);
    const ValueId d = op(OpKind::kCrossEntropyBack, "d_logits", {logits, targets_}, {{"scale", mean}});
    const ValueId d_normed = through("", "lm_head", d, normed);
    return norm_back("d_last", x, "last_gain", d_normed);
  }

  // The weight's gradient and step; the gradient of the linear's input.
  ValueId through(const std::string& at, const std::string& w, ValueId d, ValueId input) {
    const ValueId of = weights_.at(at + w);
    const bool sparse = c_.weight_blocks > 1;
    const ValueId back = sparse ? op(OpKind::kBlockLinearBack, at + w + ".back", {d, of}, blocks())
                                : op(OpKind::kLinearBack, at + w + ".back", {d, of});
    const ValueId gradient = sparse ? op(OpKind::kBlockLinearGrad, at + w + ".grad", {d, input}, blocks())
                                    : op(OpKind::kLinearGrad, at + w + ".grad", {d, input});
    optimise(at + w, fp32(gradient));
    return back;
  }
  ValueId norm_back(const std::string& name, ValueId x, const std::string& gain, ValueId d) {
    const ValueId back = op(OpKind::kRmsNormBack, name, {x, weights_.at(gain), d}, {{"eps", c_.norm_eps}});
    optimise(gain, fp32(op(OpKind::kRmsNormGrad, gain + ".grad", {x, d}, {{"eps", c_.norm_eps}})));
    return back;
  }
  void optimise(const std::string& w, ValueId gradient) {
    if (error_) return;
    const Shape shape = builder_.graph().value(gradient).shape;
    const auto state = [&](const char* name) {
      return source(w + name, shape.rows(), shape.cols(), DType::kFp32, SymbolRole::kState);
    };
    const AdamW& a = c_.optimiser;
    const ValueId next =
        op(OpKind::kAdamW, w + ".next", {gradient, state(".master"), state(".mean"), state(".square")},
           {{"beta1", a.beta1},
            {"beta2", a.beta2},
            {"decay", a.decay},
            {"eps", a.eps},
            {"rate", a.rate},
            {"step", a.step}});
    builder_.set_dtype(next, c_.weights);
    builder_.set_role(next, SymbolRole::kOutput);
  }

  ValueId backward(int64_t i, ValueId d) {
    const std::string at = fmt::format("layers.{}.", i);
    const Saved& s = saved_[static_cast<size_t>(i)];
    const int64_t f = c_.intermediate;
    const ValueId d_inner = through(at, "w_down", d, s.inner);
    const ValueId d_mlp = op(OpKind::kSwiGluBack, at + "d_mlp", {s.gate, s.up, d_inner});
    const ValueId d_gate = through(at, "w_gate", part(at + "d_gate", d_mlp, 0, f), s.normed2);
    const ValueId d_up = through(at, "w_up", part(at + "d_up", d_mlp, f, f), s.normed2);
    const ValueId d_normed2 = sum(at + "d_normed2", d_gate, d_up);
    const ValueId d_middle =
        sum(at + "d_middle", d, norm_back(at + "d_norm2", s.middle, at + "gain2", d_normed2));
    const ValueId d_normed = attention_back(at, s, through(at, "wo", d_middle, s.mixed));
    return sum(at + "d_x", d_middle, norm_back(at + "d_norm", s.x, at + "gain1", d_normed));
  }
  ValueId attention_back(const std::string& at, const Saved& s, ValueId d_mixed) {
    const int64_t q_cols = c_.heads * c_.head_dim, kv_cols = c_.kv_heads * c_.head_dim;
    const ValueId d = op(OpKind::kAttentionBack, at + "d_attention", {s.q, s.k, s.v, d_mixed},
                         {{"causal", int64_t{1}},
                          {"head_dim", c_.head_dim},
                          {"heads", c_.heads},
                          {"kv_heads", c_.kv_heads},
                          {"query_tokens", c_.tokens},
                          {"scale", score_scale()}});
    const ValueId d_q = turned(at + "d_q", part(at + "d_q_turned", d, 0, q_cols), rope_back_);
    const ValueId d_k = turned(at + "d_k", part(at + "d_k_turned", d, q_cols, kv_cols), rope_back_);
    const ValueId d_v = part(at + "d_v", d, q_cols + kv_cols, kv_cols);
    const ValueId of_q = through(at, "wq", d_q, s.normed);
    const ValueId of_k = through(at, "wk", d_k, s.normed);
    const ValueId of_v = through(at, "wv", d_v, s.normed);
    return sum(at + "d_normed", sum(at + "d_normed_qk", of_q, of_k), of_v);
  }

  const TrainingConfig& c_;
  compiler::GraphBuilder builder_;
  ValueId targets_, rope_, rope_back_;
  std::map<std::string, ValueId> weights_;
  std::vector<Saved> saved_;
  std::optional<Error> error_;
};

}  // namespace

Result<compiler::Graph> training_step(const std::string& name, const TrainingConfig& config) {
  return Step(name, config).run();
}

}  // namespace rdusim::models
