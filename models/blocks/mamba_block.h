// The Mamba mixer (S6, Gu and Dao 2023): projection to x and z, short causal convolution, input-dependent
// step, B and C, selective scan, gate by SiLU(z), projection back. Tensor names as in the Hugging Face and
// the original class; A_log, D and the step's bias are computed with in FP32.
#pragma once

#include <string>

#include "models/blocks/decoder.h"

namespace rdusim::models {

struct MambaSpec {
  int64_t inner = 0;   // channels
  int64_t states = 0;  // a channel
  int64_t taps = 0;    // of the convolution
  int64_t rank = 0;    // of the step's projection
};

// `tensor`: prefix of the mixer's tensors; x is already normed.
ValueId mamba_mixer(Net& net, const MambaSpec& spec, int64_t layer, const std::string& tensor, ValueId x);
// Of one mixer of a model of width `hidden`.
Counts mamba_counts(const MambaSpec& spec, int64_t hidden);

}  // namespace rdusim::models
