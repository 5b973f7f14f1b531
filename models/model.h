// A model: a Hugging Face config.json, the facts that follow from it, its graph, and its weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/io/document.h"
#include "base/io/tensor_file.h"
#include "base/result.h"
#include "compiler/graph/graph.h"

namespace rdusim::models {

struct ModelFacts {
  int64_t total_parameters = 0;
  int64_t active_parameters = 0;   // read to make one token
  int64_t weight_bytes = 0;        // BF16
  int64_t kv_bytes_per_token = 0;  // BF16
  int64_t state_bytes = 0;         // recurrent state a sequence, BF16; grows with nothing
  int64_t flops_per_token = 0;     // 2 x active parameters
  int64_t matmul_flops_per_token =
      0;  // of the matrix products alone: no embedding look-up, no element-wise work
};

enum class Phase : uint8_t { kPrefill, kDecode, kEmbed, kRoute, kEncode, kTrain };

struct GraphRequest {
  Phase phase = Phase::kDecode;
  int64_t batch = 1;
  int64_t query_tokens =
      1;  // new tokens a sequence (prompt length in prefill and embed; 1 in decode; queries in route)
  int64_t past_tokens = 0;   // cached tokens a sequence (decode)
  int64_t kv_capacity = 0;   // rows of the KV cache a sequence; 0 = past + query
  int64_t context_rows = 0;  // rows of another kind that the pass reads: image features, encoded patches
  DType activations = DType::kBf16;  // kBf16 or kFp32
  DType weights = DType::kBf16;      // as which weights are held: kBf16, kFp16 or kFp32
  bool all_logits = false;           // logits of every position, not only the last (fixtures)
  // The new tokens are a tree of candidates (candidate_tree.h): the parent of each, -1 first. Decode of one
  // sequence; logits of every node. Empty: they follow one another.
  std::vector<int64_t> tree = {};
  int64_t weight_blocks = 1;   // training: decoder weights are block-diagonal, of so many blocks (training.h)
  bool expose_hidden = false;  // layer outputs and the final norm's output become outputs too (fixtures)
};

// One family's reading of a config. Implementations: models/<family>.cpp; the list: models/families.def.
class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual std::string family() const = 0;
  [[nodiscard]] virtual int64_t layers() const = 0;
  [[nodiscard]] virtual bool supports(Phase phase) const = 0;
  [[nodiscard]] virtual ModelFacts facts() const = 0;
  [[nodiscard]] virtual Result<compiler::Graph> build(const GraphRequest& request) const = 0;
};

// From a parsed config.json. Unknown model_type: the error lists the families. Every key is checked; keys
// that change the arithmetic and are not modelled are errors, known-harmless ones are ignored.
Result<std::unique_ptr<Model>> make_model(const std::string& name, const DocumentNode& config);
// `name`: a folder with config.json, or the name of one in <config_dir>/models/; an ONNX file or its folder.
Result<std::unique_ptr<Model>> load_model(const std::string& config_dir, const std::string& name);

// Where a graph's sources get their values: a weights file, and the constants that the graph names itself
// ("rope_table?...": FP32 [positions, head_dim], cosines then sines).
class WeightSource {
 public:
  using Reader = std::function<Result<Tensor>(const std::string& source)>;
  explicit WeightSource(const SafetensorsFile* file) : file_(file) {}
  // Of another kind of file; `reader` knows every source of the graph.
  explicit WeightSource(Reader reader) : reader_(std::move(reader)) {}
  [[nodiscard]] Result<Tensor> read(const std::string& source) const;

 private:
  const SafetensorsFile* file_ = nullptr;
  Reader reader_;
};

}  // namespace rdusim::models
