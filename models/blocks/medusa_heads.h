// Medusa's extra heads on the final norm's rows x: each a few residual blocks r = x + SiLU(x W1^T + b1) and a
// vocabulary projection. Head j predicts the token j + 2 places ahead. Source: FasterDecoding/Medusa
// (ResBlock), as stated in Cai et al., arXiv 2401.10774.
#pragma once

#include <cstdint>
#include <string>

#include "models/blocks/decoder.h"

namespace rdusim::models {

inline constexpr int64_t kMaxMedusaHeads = 64;

struct MedusaHeads {
  int64_t heads = 0;
  int64_t blocks = 1;
  int64_t hidden = 0;
  int64_t vocabulary = 0;
  std::string tensor_prefix;  // before "0.0.linear.weight"
};

Counts medusa_counts(const MedusaHeads& heads);
// Outputs "medusa_logits.<head>", FP32.
void add_medusa_heads(Net& net, const MedusaHeads& heads, ValueId x);

}  // namespace rdusim::models
