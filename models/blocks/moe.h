// A mixture of experts in place of a layer's MLP: a router, its k choices a token, gated MLPs.
#pragma once

#include <string>

#include "models/blocks/net.h"

namespace rdusim::models {

struct MoeSpec {
  int64_t experts = 0;
  int64_t k = 0;
  int64_t inner = 0;      // width of an expert
  bool normalize = true;  // weights of the chosen experts add up to one
  compiler::ActivationForm form = compiler::ActivationForm::kSilu;
  std::string router;  // tensor [experts, hidden]
  std::string gate;    // derived tensors, interleaved by expert (derived.h)
  std::string up;
  std::string down;
};

// Of x [m, hidden], already normed: what is added to the residual.
ValueId mixture(Net& net, const std::string& name, ValueId x, const MoeSpec& spec);

}  // namespace rdusim::models
