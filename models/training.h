// One step of training a Llama-like decoder, as one graph: forward with the loss, backward, and AdamW on
// every weight. What the forward pass makes and the backward pass needs is kept (no recomputation but that of
// the attention's probabilities). Weights are of the request's type; their FP32 copies and the optimiser's
// two moments are states.
//
// Leaves out: the embedding table's gradient (a scatter of rows; the table stays as it is), biases, windows,
// caches, dropout, clipping of gradients, several micro-batches.
#pragma once

#include <cstdint>
#include <string>

#include "base/dtype.h"
#include "base/result.h"
#include "compiler/graph/graph.h"
#include "models/constants.h"

namespace rdusim::models {

// Loshchilov and Hutter 2019; values as commonly used for Llama-size models.
struct AdamW {
  double rate = 3e-4;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double decay = 0.1;
  int64_t step = 1;
};

struct TrainingConfig {
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate = 0;
  int64_t vocabulary = 0;
  double norm_eps = 1e-5;
  RopeParameters rope;
  // Of all products: weights are a grid of so many blocks a side, of which those on the
  // diagonal are not zero (compiler/ops/block_linear.h); 1: dense. The embedding stays dense.
  int64_t weight_blocks = 1;
  int64_t sequences = 1;
  int64_t tokens = 0;  // of each
  DType weights = DType::kBf16;
  DType activations = DType::kBf16;
  AdamW optimiser;
};

// Inputs "token_ids" and "targets" [sequences * tokens, 1]. Results: "loss" of each row; for every weight W
// its gradient "W.grad" (FP32) and the new weight "W.next". States of W: "W.master", "W.mean", "W.square".
Result<compiler::Graph> training_step(const std::string& name, const TrainingConfig& config);

}  // namespace rdusim::models
