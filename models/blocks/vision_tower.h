// The CLIP transformer (Radford et al. 2021): pre-norm layers with biases, and its vision tower. An image
// comes as rows of patches (image.h), a row of zeros first where the class embedding goes. Tensor names as in
// the Hugging Face classes.
#pragma once

#include <string>

#include "models/blocks/decoder_block.h"

namespace rdusim::models {

struct ClipLayers {
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t intermediate = 0;
  double norm_eps = 0;
  compiler::ActivationForm form = compiler::ActivationForm::kGeluQuick;
};

struct VisionTower {
  ClipLayers layers;
  int64_t image_size = 0;
  int64_t patch_size = 0;
  int64_t channels = 3;
  std::string tensor_prefix;  // "vision_model."

  [[nodiscard]] int64_t patches() const { return (image_size / patch_size) * (image_size / patch_size); }
  [[nodiscard]] int64_t tokens() const { return patches() + 1; }
  [[nodiscard]] int64_t patch_values() const { return channels * patch_size * patch_size; }
};

Status parse_clip_layers(ConfigReader& reader, const DocumentNode& node, ClipLayers& layers);
// vision_config of CLIP and LLaVA.
Result<VisionTower> parse_vision_tower(const DocumentNode& node, bool top_level);
int64_t clip_layer_parameters(const ClipLayers& layers);
int64_t vision_parameters(const VisionTower& tower);

// Layer `layer` of a stack whose tensors start with `tensor` ("vision_model.encoder.layers.").
ValueId clip_layer(Net& net, const ClipLayers& layers, const std::string& tensor, int64_t layer, ValueId x,
                   bool causal);
// Embedded patches after the first norm: the stack's input. The input value is "patches".
ValueId embed_patches(Net& net, const VisionTower& tower);

}  // namespace rdusim::models
