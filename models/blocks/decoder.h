// What all decoder-only language models do around their layers: token ids to rows, the layers, the final
// norm, the vocabulary projection. A family derives from it and says what a layer is.
//
// Graph values have one name for all families: "layer_hidden.<i>" after i layers, "last_hidden" after the
// final norm, "logits" (FP32).
#pragma once

#include <string>

#include "models/blocks/net.h"
#include "models/model.h"

namespace rdusim::models {

struct DecoderSize {
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t vocabulary = 0;
  int64_t attention_width = 0;  // heads x head_dim, all layers together: bounds a run's work
  bool has_head = true;         // false: an embedding model
  std::string embedding_tensor;
  std::string head_tensor;  // empty: tied to the embedding table
  // Intermediates stay FP32 on chip, whatever the request says; caches do not. For mixtures of experts: a
  // choice hangs on differences that rounding between operators is larger than (fixtures dbrx-2 and grok-2
  // show it).
  bool fp32_activations = false;
  double embedding_scale = 1;
  double logit_scale = 1;
  double logit_cap = 0;  // 0: none
};

// Parameters and multiply-accumulates, counted as the published tables do.
struct Counts {
  int64_t total = 0;   // every tensor once
  int64_t active = 0;  // read to make one token
  int64_t macs = 0;    // of matrix products, a decoded token
  int64_t kv = 0;      // numbers cached a token
  int64_t state = 0;   // numbers of recurrent state a sequence
};
ModelFacts facts_of(const Counts& counts);

class DecoderModel : public Model {
 public:
  DecoderModel(std::string name, std::string family, DecoderSize size)
      : name_(std::move(name)), family_(std::move(family)), size_(std::move(size)) {}

  [[nodiscard]] std::string family() const override { return family_; }
  [[nodiscard]] int64_t layers() const override { return size_.layers; }
  [[nodiscard]] bool supports(Phase phase) const override;
  [[nodiscard]] ModelFacts facts() const override { return facts_of(counts()); }
  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override;

 protected:
  [[nodiscard]] virtual Counts counts() const = 0;
  // Ends with finish_layer().
  virtual ValueId layer(Net& net, int64_t layer, ValueId x) const = 0;
  virtual ValueId final_norm(Net& net, const std::string& name, ValueId x) const = 0;
  // From the table's rows to the first layer's input, called "layer_hidden.0". Here: the embedding scale.
  virtual ValueId embed(Net& net) const;
  // More outputs of the final norm's rows (Medusa's heads).
  virtual void more_heads(Net& net, ValueId last_hidden) const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const DecoderSize& size() const { return size_; }
  // Rows of the embedding table of the request's tokens.
  ValueId token_rows(Net& net, const std::string& name) const;

  [[nodiscard]] double flops(const GraphRequest& request) const;

 private:
  void finish(Net& net, ValueId x) const;
  void logits(Net& net, ValueId x) const;

  std::string name_;
  std::string family_;
  DecoderSize size_;
};

// Called by a layer as its last operator: x + y under the name that the decoder gives the layer's output.
ValueId finish_layer(Net& net, int64_t layer, ValueId x, ValueId y);

}  // namespace rdusim::models
