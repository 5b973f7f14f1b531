// The programs of one model on a number of sockets, compiled once a shape, and the image of an expert: the
// bytes that each socket holds of its weights, in one layout that all programs of the model share.
//
//   checkpoint ──image()──► per socket: [weight][weight]...   (DDR, and HBM once the expert is there)
//   pass: image ──fetch──► MemoryImage at the program's offsets ──sim::run──► logits, caches
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/arch/chip.h"
#include "base/io/tensor_file.h"
#include "base/program/program.h"
#include "base/result.h"
#include "base/tensor.h"
#include "models/fixture.h"
#include "models/model.h"
#include "sim/simulator.h"

namespace rdusim::cli {

// By socket: bytes of the weights, each on an own multiple of 64.
using ExpertImage = std::vector<std::vector<uint8_t>>;

// A sequence between two passes: what its expert's next pass goes on from.
struct ExpertSequence {
  std::vector<int64_t> prompt;
  int64_t capacity = 0;        // of its caches: prompt and outputs
  int64_t read = 0;            // prompt tokens that are in the caches
  std::vector<int64_t> ids;    // greedy answers so far
  std::vector<Tensor> logits;  // of the last position, one an answer
  models::TensorMap caches;
};

class ExpertPrograms {
 public:
  // A causal language model; `model` outlives this. Fails when its first program does not compile.
  static Result<std::unique_ptr<ExpertPrograms>> make(const models::Model& model, NodeSpec node,
                                                      StackSpec stack);

  [[nodiscard]] int64_t sockets() const { return node_.sockets; }
  [[nodiscard]] int64_t image_bytes() const { return image_bytes_; }  // of a socket
  // The image of a checkpoint of the model.
  [[nodiscard]] Result<ExpertImage> image(const SafetensorsFile& weights) const;

  // Copies image bytes [offset, offset + out.size()) of a socket.
  using Fetch = std::function<Status(int64_t socket, int64_t offset, std::span<uint8_t> out)>;
  // The prompt's tokens from those that were read up to `to`. With the last of them comes an id and its
  // logits.
  Status read_prompt(ExpertSequence& sequence, int64_t to, const Fetch& fetch);
  // A decode step behind the prompt: adds an id and its logits.
  Status step(ExpertSequence& sequence, const Fetch& fetch);

 private:
  struct Prepared {
    Program program;
    std::unique_ptr<sim::MemoryImage> blank;  // constants are there
    std::string input;                        // source of the token ids
  };
  ExpertPrograms(const models::Model& model, NodeSpec node, StackSpec stack)
      : model_(model), node_(std::move(node)), stack_(std::move(stack)) {}
  Result<const Prepared*> prepare(const models::GraphRequest& request);
  // One pass of new tokens; its logits.
  Result<Tensor> run(const models::GraphRequest& request, std::span<const int64_t> tokens,
                     ExpertSequence& sequence, const Fetch& fetch);

  const models::Model& model_;
  NodeSpec node_;
  StackSpec stack_;
  std::map<std::tuple<int64_t, int64_t, int64_t>, Prepared> programs_;  // by query, past, capacity
  std::map<std::string, Symbol> weights_;  // by source and part: offset in the image
  int64_t image_bytes_ = 0;
};

}  // namespace rdusim::cli
