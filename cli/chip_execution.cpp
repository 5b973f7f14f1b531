#include "cli/chip_execution.h"

#include <fmt/format.h>

#include <utility>

#include "base/io/document.h"
#include "runtime/memo_execution.h"
#include "sim/simulator.h"

namespace rdusim::cli {

using runtime::PassCost;

namespace {

// The smallest graph that has all weights: one decode step, or the embedding of one token.
models::GraphRequest smallest_request(const models::Model& model) {
  models::GraphRequest request;
  const bool decodes = model.supports(models::Phase::kDecode);
  request.phase = decodes ? models::Phase::kDecode : models::Phase::kEmbed;
  request.past_tokens = decodes ? 1 : 0;
  return request;
}

}  // namespace

Result<const models::Model*> ModelLibrary::get(const std::string& name) {
  const auto known = models_.find(name);
  if (known != models_.end()) return known->second.get();
  RDU_ASSIGN(auto loaded, load_(name));
  return models_.emplace(name, std::move(loaded)).first->second.get();
}

Result<runtime::ModelShape> model_shape(const models::Model& model) {
  const auto facts = model.facts();
  runtime::ModelShape shape;
  shape.layers = model.layers();
  shape.weight_bytes = facts.weight_bytes;
  // Two FLOPs and two bytes (BF16) for each parameter that a token reads.
  shape.flops_per_token = facts.flops_per_token;
  shape.streamed_weight_bytes = facts.flops_per_token;
  shape.kv_bytes_per_token = facts.kv_bytes_per_token;
  RDU_ASSIGN(const auto graph, model.build(smallest_request(model)));
  for (const auto& node : graph.nodes) {
    if (node.op != compiler::OpKind::kAttention) continue;
    // Scores and weighted values: a multiply and an add each, for every element of every head.
    shape.attention_flops_per_pair += 4 * node.integer("heads") * node.integer("head_dim");
    shape.attention_window = node.integer("window");
  }
  return shape;
}

ChipExecution::ChipExecution(NodeSpec node, StackSpec stack, Fidelity fidelity, ModelLibrary& library,
                             Note note)
    : node_(std::move(node)),
      stack_(std::move(stack)),
      fidelity_(fidelity),
      library_(library),
      note_(std::move(note)) {}

runtime::NodeMemory ChipExecution::memory() const {
  const ChipSpec& chip = node_.chip;
  const auto sockets = static_cast<double>(node_.sockets);
  return {Bytes(chip.hbm.capacity_bytes * node_.sockets),
          Bytes(chip.ddr.capacity_bytes * node_.sockets),
          BytesPerSecond{chip.dma_bandwidth_bytes_per_s * sockets},
          picoseconds_from_seconds(chip.dma_setup_s),
          BytesPerSecond{chip.hbm.achieved_bytes_per_s() * sockets},
          BytesPerSecond{chip.ddr.achieved_bytes_per_s() * sockets},
          BytesPerSecond{node_.link.bandwidth_bytes_per_s * sockets},
          Bytes(chip.pmu.count * chip.pmu.capacity_bytes * node_.sockets),
          chip.hbm.channels * node_.sockets,
          chip.ddr.channels * node_.sockets};
}

Picoseconds ChipExecution::request_overhead() const {
  return picoseconds_from_seconds(stack_.request_s);
}

Result<Program> ChipExecution::compile(const models::Model& model,
                                       const models::GraphRequest& request) const {
  RDU_ASSIGN(const auto graph, model.build(request));
  compiler::CompileOptions options;
  options.sockets = node_.sockets;
  return compiler::compile(graph, node_.chip, options);
}

Result<PassCost> ChipExecution::simulate(const models::Model& model, const std::string& name,
                                         const models::GraphRequest& request) const {
  if (note_) {
    note_(fmt::format("{}: {}, batch {}, {} tokens", node_.name, name, request.batch,
                      request.query_tokens + request.past_tokens));
  }
  RDU_ASSIGN(const Program program, compile(model, request));
  if (watch_) RDU_CHECK_OK(watch_(program, node_));
  sim::RunOptions options;
  options.fidelity = fidelity_;
  RDU_ASSIGN(const RunResult result, sim::run(program, node_, stack_, options));
  return PassCost{picoseconds_from_seconds(result.latency_s()), result.bytes};
}

Result<PassCost> ChipExecution::cost(const std::string& name, models::Phase phase, int64_t batch,
                                     int64_t tokens) {
  const Shape shape{name, phase, batch, tokens};
  const auto known = costs_.find(shape);
  if (known != costs_.end()) return known->second;
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  models::GraphRequest request;
  request.phase = phase;
  request.batch = batch;
  request.query_tokens = phase == models::Phase::kDecode ? 1 : tokens;
  request.past_tokens = phase == models::Phase::kDecode ? tokens : 0;
  RDU_ASSIGN(PassCost cost, simulate(*model, name, request));
  cost.time += picoseconds_from_seconds(stack_.step_s);
  return costs_.emplace(shape, cost).first->second;
}

Result<PassCost> ChipExecution::prefill(const std::string& name, int64_t batch, int64_t tokens) {
  return cost(name, models::Phase::kPrefill, batch, tokens);
}

Result<PassCost> ChipExecution::decode(const std::string& name, int64_t batch, int64_t context,
                                       int64_t steps) {
  PassCost sum;
  for (int64_t step = 0; step < steps; ++step) {
    RDU_ASSIGN(const PassCost one, cost(name, models::Phase::kDecode, batch, context + step));
    sum += one;
  }
  return sum;
}

Result<PassCost> ChipExecution::embed(const std::string& name, int64_t batch, int64_t tokens) {
  return cost(name, models::Phase::kEmbed, batch, tokens);
}

Result<PassCost> ChipExecution::nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch,
                                                   int64_t k, int64_t classes) {
  // Only the sizes matter to the time; threshold and base expert are there because the format asks for them.
  const std::string config = fmt::format(
      R"({{"model_type": "knn_router", "metric": "cosine", "zero_norm_similarity": 0.0,
          "neighbor_order": "similarity descending, then index ascending", "vote_weighting": "uniform",
          "vote_tie_break": "lowest expert id", "entropy_unit": "nats", "fallback_rule": "entropy > entropy_threshold",
          "k": {}, "num_experts": {}, "entropy_threshold": 0.0, "fallback_expert": 0, "num_vectors": {},
          "embedding_dim": {}}})",
      k, classes, vectors, dimensions);
  RDU_ASSIGN(const DocumentNode document, read_json_text(config, "k-NN router of the composition"));
  RDU_ASSIGN(const auto router, models::make_model("knn_router", document));
  models::GraphRequest request;
  request.phase = models::Phase::kRoute;
  request.query_tokens = batch;
  return simulate(*router, "knn_router", request);
}

Result<Bytes> ChipExecution::weight_bytes(const std::string& name) {
  const auto known = weight_bytes_.find(name);
  if (known != weight_bytes_.end()) return known->second;
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  RDU_ASSIGN(const Program program, compile(*model, smallest_request(*model)));
  Bytes bytes;
  for (const Symbol& symbol : program.symbols) {
    if (symbol.role == SymbolRole::kWeight) bytes += Bytes(symbol.bytes() * program.sockets);
  }
  return weight_bytes_.emplace(name, bytes).first->second;
}

Result<Bytes> ChipExecution::kv_bytes_per_token(const std::string& name) {
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  return Bytes(model->facts().kv_bytes_per_token);
}

Result<int64_t> ChipExecution::layers(const std::string& name) {
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  return model->layers();
}

}  // namespace rdusim::cli
