// A node of GPUs as an ExecutionModel: a roofline, as the published comparison models its DGX baselines.
//
//   prefill      max(FLOPs / achieved FLOP/s, weight bytes / achieved B/s) + layers x layer overhead
//   decode step  max(FLOPs / achieved FLOP/s, (weights + KV cache) / achieved B/s) + layers x layer overhead
//
// Weights stream once per pass whatever the batch; tensor parallel over all GPUs. Experts live in host
// memory, each with a full copy there, and are copied over the host link, whose bandwidth is that of the node
// (Prabhakar et al., MICRO 2024, Sec VI-C). Leaves out: overlap of copies with execution, NVLink (inside the
// layer overhead).
#pragma once

#include <map>
#include <string>

#include "base/arch/chip.h"
#include "runtime/execution.h"

namespace rdusim::runtime {

// What the roofline needs to know of a model; cli/ fills it from the models room.
struct ModelShape {
  int64_t layers = 0;
  int64_t weight_bytes = 0;           // resident
  int64_t streamed_weight_bytes = 0;  // read by one pass (the embedding table is only looked up)
  int64_t flops_per_token = 0;        // matrix products of one token, head included
  int64_t kv_bytes_per_token = 0;
  int64_t state_bytes = 0;  // recurrent state of a sequence, read and written by every decode step
  int64_t attention_flops_per_pair =
      0;                         // of one query token and one cached token: 4 x heads x head size x layers
  int64_t attention_window = 0;  // cached tokens seen at most; 0: all
};

class GpuNode final : public ExecutionModel {
 public:
  GpuNode(GpuNodeSpec spec, std::map<std::string, ModelShape> models);

  [[nodiscard]] std::string node_name() const override { return spec_.name; }
  [[nodiscard]] NodeMemory memory() const override;
  [[nodiscard]] Picoseconds request_overhead() const override {
    return picoseconds_from_seconds(spec_.request_s);
  }
  Result<PassCost> prefill(const std::string& model, int64_t batch, int64_t tokens) override;
  Result<PassCost> prefill_after(const std::string& model, int64_t cached, int64_t tokens) override;
  Result<PassCost> decode(const std::string& model, int64_t batch, int64_t context, int64_t steps) override;
  Result<PassCost> embed(const std::string& model, int64_t batch, int64_t tokens) override;
  Result<PassCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                      int64_t classes) override;
  Result<Bytes> weight_bytes(const std::string& model) override;
  Result<Bytes> kv_bytes_per_token(const std::string& model) override;
  Result<int64_t> layers(const std::string& model) override;

 private:
  [[nodiscard]] Result<const ModelShape*> find(const std::string& model) const;
  [[nodiscard]] Picoseconds roofline(double flops, double bytes, int64_t layers) const;

  GpuNodeSpec spec_;
  std::map<std::string, ModelShape> models_;
};

}  // namespace rdusim::runtime
