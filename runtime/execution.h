// ExecutionModel: the runtime's one view of a node that runs models. cli/ implements it over the compiler and
// the simulator (RDU nodes); runtime/gpu_node.cpp over a roofline (GPU nodes); tests over a table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/program/run_result.h"
#include "base/result.h"
#include "base/units.h"

namespace rdusim::runtime {

// Where a node keeps experts and how fast it switches them.
struct NodeMemory {
  Bytes hbm_bytes;                  // cache of experts, KV and router included
  Bytes store_bytes;                // where all experts live: DDR of an RDU node; host memory of a GPU node
  BytesPerSecond switch_bandwidth;  // store to HBM, whole node
  Picoseconds switch_setup;
  // What copies and passes share, whole node; 0: not modelled, nothing slows anything.
  BytesPerSecond hbm_bandwidth{};
  BytesPerSecond store_bandwidth{};
  BytesPerSecond link_bandwidth{};
  Bytes sram_bytes{};        // on chip; 0: no expert is ever copied there
  int64_t hbm_channels = 0;  // of the whole node; 0: a channel cannot be lost
  int64_t store_channels = 0;
};

struct PassCost {
  Picoseconds time;
  ByteCounts bytes{};     // all sockets
  int64_t energy_nj = 0;  // of operations and bytes, all sockets; static power goes by time, not by pass
};

// What moving a byte and waiting cost, beside the passes.
struct EnergyRates {
  double store_j_per_byte = 0;
  double hbm_j_per_byte = 0;
  double sram_j_per_byte = 0;
  double static_w = 0;  // whole node, always
};

class ExecutionModel {
 public:
  virtual ~ExecutionModel() = default;
  [[nodiscard]] virtual std::string node_name() const = 0;
  [[nodiscard]] virtual NodeMemory memory() const = 0;
  // Host time of one request, outside the passes.
  [[nodiscard]] virtual Picoseconds request_overhead() const = 0;
  // `batch` sequences of `tokens` prompt tokens each, the first output token included.
  virtual Result<PassCost> prefill(const std::string& model, int64_t batch, int64_t tokens) = 0;
  // A chunk of a prompt: `tokens` tokens of one sequence that stand behind `cached` ones, both at least 1.
  // APPROX, unless a node knows better: what the whole prompt takes more than its cached part, and a pass's
  // fixed part (weights, launches) once more, which a prompt of one token stands for.
  virtual Result<PassCost> prefill_after(const std::string& model, int64_t cached, int64_t tokens);
  // `steps` decode steps of `batch` sequences; the first sees `context` cached tokens, each adds one.
  virtual Result<PassCost> decode(const std::string& model, int64_t batch, int64_t context,
                                  int64_t steps) = 0;
  // Embedding pass without KV cache or head.
  virtual Result<PassCost> embed(const std::string& model, int64_t batch, int64_t tokens) = 0;
  // k-NN over stored vectors: similarity, top-k, vote, entropy, threshold.
  virtual Result<PassCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                              int64_t classes) = 0;
  // Weight bytes of a model in HBM, whole node (shards and replicas included), and KV bytes of one token.
  virtual Result<Bytes> weight_bytes(const std::string& model) = 0;
  virtual Result<Bytes> kv_bytes_per_token(const std::string& model) = 0;
  // Configurations of a model's programs, whole node: what an expert's binary holds beside its weights. 0
  // where nothing is known.
  virtual Result<Bytes> program_bytes(const std::string& /*model*/) { return Bytes(0); }
  // Decoder layers of a model: the steps in which its weights may arrive and be used. 1 where nothing is
  // known.
  virtual Result<int64_t> layers(const std::string& /*model*/) { return int64_t{1}; }
  // Absent: nothing is known, or nobody asked; the passes' energies are then 0.
  [[nodiscard]] virtual std::optional<EnergyRates> energy() const { return std::nullopt; }
};

}  // namespace rdusim::runtime
