// Roofline times of a GPU node; see gpu_node.h.
#include "runtime/gpu_node.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim::runtime {
namespace {

constexpr int64_t kVectorBytes = 2;  // BF16

int64_t& cell(PassCost& cost, Wire wire, Cause cause) {
  return cost.bytes[static_cast<size_t>(wire)][static_cast<size_t>(cause)];
}

int64_t seen(const ModelShape& m, int64_t context) {
  return m.attention_window > 0 ? std::min(context, m.attention_window) : context;
}

// Pairs of query and seen token of a causal prompt: 1 + 2 + ... up to the window.
double causal_pairs(const ModelShape& m, int64_t tokens) {
  const auto window = static_cast<double>(seen(m, tokens));
  return window * (window + 1) / 2 + (static_cast<double>(tokens) - window) * window;
}

}  // namespace

GpuNode::GpuNode(GpuNodeSpec spec, std::map<std::string, ModelShape> models)
    : spec_(std::move(spec)), models_(std::move(models)) {}

NodeMemory GpuNode::memory() const {
  return {Bytes(spec_.gpus * spec_.hbm_capacity_bytes), Bytes(spec_.host_capacity_bytes),
          BytesPerSecond{spec_.host_to_gpu_bandwidth_bytes_per_s}, Picoseconds(0),
          BytesPerSecond{static_cast<double>(spec_.gpus) * spec_.hbm_bandwidth_bytes_per_s *
                         spec_.hbm_efficiency}};
}

Result<const ModelShape*> GpuNode::find(const std::string& model) const {
  const auto found = models_.find(model);
  if (found != models_.end()) return &found->second;
  return Error{ErrorCode::kNotFound, "node " + spec_.name, fmt::format("no shape of model {}", model),
               "the node is built with the shapes of the composition's models"};
}

Picoseconds GpuNode::roofline(double flops, double bytes, int64_t layers) const {
  const auto gpus = static_cast<double>(spec_.gpus);
  const double compute_s = flops / (gpus * spec_.peak_flops * spec_.compute_efficiency);
  const double memory_s = bytes / (gpus * spec_.hbm_bandwidth_bytes_per_s * spec_.hbm_efficiency);
  return picoseconds_from_seconds(std::max(compute_s, memory_s) +
                                  static_cast<double>(layers) * spec_.layer_overhead_s);
}

Result<PassCost> GpuNode::prefill(const std::string& model, int64_t batch, int64_t tokens) {
  RDU_ASSIGN(const ModelShape* m, find(model));
  const auto rows = static_cast<double>(batch);
  const double flops = rows * (static_cast<double>(tokens) * static_cast<double>(m->flops_per_token) +
                               causal_pairs(*m, tokens) * static_cast<double>(m->attention_flops_per_pair));
  PassCost cost;
  cell(cost, Wire::kHbm, Cause::kWeights) = m->streamed_weight_bytes;
  cell(cost, Wire::kHbm, Cause::kKvCache) = batch * tokens * m->kv_bytes_per_token;
  const double bytes = static_cast<double>(m->streamed_weight_bytes) +
                       rows * static_cast<double>(tokens * m->kv_bytes_per_token);
  cost.time = roofline(flops, bytes, m->layers);
  return cost;
}

Result<PassCost> GpuNode::prefill_after(const std::string& model, int64_t cached, int64_t tokens) {
  RDU_ASSIGN(const ModelShape* m, find(model));
  const double pairs = causal_pairs(*m, cached + tokens) - causal_pairs(*m, cached);
  const double flops = static_cast<double>(tokens) * static_cast<double>(m->flops_per_token) +
                       pairs * static_cast<double>(m->attention_flops_per_pair);
  PassCost cost;
  const int64_t state_bytes = 2 * m->state_bytes;  // as the tokens before left it, and as these leave it
  const int64_t kv_bytes = (seen(*m, cached) + tokens) * m->kv_bytes_per_token;
  cell(cost, Wire::kHbm, Cause::kWeights) = m->streamed_weight_bytes;
  cell(cost, Wire::kHbm, Cause::kState) = state_bytes;
  cell(cost, Wire::kHbm, Cause::kKvCache) = kv_bytes;
  cost.time =
      roofline(flops, static_cast<double>(m->streamed_weight_bytes + kv_bytes + state_bytes), m->layers);
  return cost;
}

Result<PassCost> GpuNode::embed(const std::string& model, int64_t batch, int64_t tokens) {
  RDU_ASSIGN(PassCost cost, prefill(model, batch, tokens));
  cell(cost, Wire::kHbm, Cause::kKvCache) = 0;  // keys and values stay on the chip
  return cost;
}

Result<PassCost> GpuNode::decode(const std::string& model, int64_t batch, int64_t context, int64_t steps) {
  RDU_ASSIGN(const ModelShape* m, find(model));
  PassCost cost;
  const auto rows = static_cast<double>(batch);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t cached = seen(*m, context + step);
    const int64_t kv_bytes = batch * cached * m->kv_bytes_per_token;
    const int64_t state_bytes = 2 * batch * m->state_bytes;
    const double flops =
        rows * (static_cast<double>(m->flops_per_token) +
                static_cast<double>(cached) * static_cast<double>(m->attention_flops_per_pair));
    cost.time +=
        roofline(flops, static_cast<double>(m->streamed_weight_bytes + kv_bytes + state_bytes), m->layers);
    cell(cost, Wire::kHbm, Cause::kWeights) += m->streamed_weight_bytes;
    cell(cost, Wire::kHbm, Cause::kState) += state_bytes;
    cell(cost, Wire::kHbm, Cause::kKvCache) += kv_bytes;
  }
  return cost;
}

Result<PassCost> GpuNode::nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t,
                                             int64_t) {
  PassCost cost;
  const int64_t bytes = vectors * dimensions * kVectorBytes;
  cell(cost, Wire::kHbm, Cause::kWeights) = bytes;
  const double flops =
      2.0 * static_cast<double>(vectors) * static_cast<double>(dimensions) * static_cast<double>(batch);
  cost.time =
      roofline(flops, static_cast<double>(bytes), 1);  // one layer's overhead: a product and a selection
  return cost;
}

Result<Bytes> GpuNode::weight_bytes(const std::string& model) {
  RDU_ASSIGN(const ModelShape* m, find(model));
  return Bytes(m->weight_bytes);
}

Result<Bytes> GpuNode::kv_bytes_per_token(const std::string& model) {
  RDU_ASSIGN(const ModelShape* m, find(model));
  return Bytes(m->kv_bytes_per_token);
}

Result<int64_t> GpuNode::layers(const std::string& model) {
  RDU_ASSIGN(const ModelShape* m, find(model));
  return m->layers;
}

}  // namespace rdusim::runtime
