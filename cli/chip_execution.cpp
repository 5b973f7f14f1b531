#include "cli/chip_execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "base/io/document.h"
#include "runtime/memo_execution.h"
#include "sim/agcu/launch.h"
#include "sim/energy.h"
#include "sim/simulator.h"

namespace rdusim::cli {

using runtime::PassCost;

namespace {

using models::Phase;

// The smallest graph that has all weights but an image encoder's: one decode step, or the embedding of one
// token.
models::GraphRequest smallest_request(const models::Model& model) {
  models::GraphRequest request;
  const bool decodes = model.supports(Phase::kDecode);
  request.phase = decodes ? Phase::kDecode : Phase::kEmbed;
  request.past_tokens = decodes ? 1 : 0;
  return request;
}

// Builds that decode in buckets run the program of the shortest compiled sequence that holds what is cached,
// over all of its cache. APPROX: a full bucket counts as holding the step's own token too, so that the costs
// that the runtime interpolates between powers of two (runtime/memo_execution.h) are flat up to the first
// bucket; beyond it the runtime's line stands for a step.
int64_t cached_tokens_compiled(int64_t bucket, int64_t cached) {
  if (bucket == 0) return cached;
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(cached, bucket)))) - 1;
}

// Patches of one image, as the published preprocessors of the two families make them: DePlot's max_patches,
// LLaVA-1.5's 336 x 336 pixels in patches of 14.
constexpr int64_t kDeplotPatches = 2048;
constexpr int64_t kLlavaPatches = 576;
// assumed: a prompt whose program stands for all; long enough to hold an image, and any model's sections are
// the same up to some 10^5 tokens.
constexpr int64_t kCountedPrompt = 1024;

models::GraphRequest pass_of(Phase phase, int64_t batch, int64_t query, int64_t past = 0) {
  models::GraphRequest request;
  request.phase = phase;
  request.batch = batch;
  request.query_tokens = query;
  request.past_tokens = past;
  return request;
}

// What runs when a prompt of so many tokens is read. An encoder-decoder (Pix2Struct) reads its prompt, the
// patches, with the encoder, and then begins to write; LLaVA reads an image with its vision tower first, if
// the prompt is long enough to hold one; a model that only embeds reads it and is done.
std::vector<models::GraphRequest> prompt_passes(const models::Model& model, int64_t batch, int64_t tokens) {
  if (!model.supports(Phase::kPrefill))
    return {pass_of(model.supports(Phase::kEncode) ? Phase::kEncode : Phase::kEmbed, batch, tokens)};
  if (model.family() == "pix2struct")
    return {pass_of(Phase::kEncode, batch, tokens), pass_of(Phase::kPrefill, batch, 1)};
  if (model.family() == "llava" && tokens > kLlavaPatches)
    return {pass_of(Phase::kEncode, batch, kLlavaPatches), pass_of(Phase::kPrefill, batch, tokens)};
  return {pass_of(Phase::kPrefill, batch, tokens)};
}

// A decode step that sees `context` tokens. Those of an encoder-decoder's prompt lie in the encoder's keys
// and values, which its graph has by itself.
models::GraphRequest decode_pass(const models::Model& model, int64_t batch, int64_t context) {
  const int64_t past =
      model.family() == "pix2struct" ? std::max<int64_t>(1, context - kDeplotPatches) : context;
  return pass_of(Phase::kDecode, batch, 1, past);
}

bool has_experts(const compiler::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const compiler::Node& node) { return node.op == compiler::OpKind::kMoeExperts; });
}

}  // namespace

Result<bool> is_mixture(const models::Model& model) {
  const models::GraphRequest smallest = smallest_request(model);
  if (!model.supports(smallest.phase)) return false;
  RDU_ASSIGN(const auto graph, model.build(smallest));
  return has_experts(graph);
}

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
  shape.state_bytes = facts.state_bytes;
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
                             Note note, std::optional<EnergySpec> energy)
    : node_(std::move(node)),
      stack_(std::move(stack)),
      fidelity_(fidelity),
      library_(library),
      note_(std::move(note)),
      energy_(std::move(energy)) {}

std::optional<runtime::EnergyRates> ChipExecution::energy() const {
  if (!energy_) return std::nullopt;
  return runtime::EnergyRates{energy_->ddr_pj_per_byte * 1e-12, energy_->hbm_pj_per_byte * 1e-12,
                              energy_->pmu_write_pj_per_byte * 1e-12,
                              energy_->static_w_per_socket * static_cast<double>(node_.sockets)};
}

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
  options.launch_s = stack_.hardware_launch_s;
  const bool mixture = has_experts(graph);
  if (mixture) {
    options.moe_parallel = mixtures_.parallel;
    options.expert_groups = mixtures_.groups;
    options.moe_load = mixtures_.load;
  }
  const bool by_width = !mixture || mixtures_.parallel == compiler::MoeParallel::kTensor;
  auto program = compiler::compile(graph, node_.chip, options);
  while (by_width && !program.ok() && program.error().code == ErrorCode::kUnsupported &&
         options.sockets % 2 == 0) {
    options.sockets /= 2;
    auto smaller = compiler::compile(graph, node_.chip, options);
    if (smaller.ok()) return smaller;
  }
  if (program.ok() || program.error().code != ErrorCode::kCapacity) return program;
  // A prompt so long that a layer's scores do not fit the chip beside its other stages: operator by operator.
  options.sockets = node_.sockets;
  options.fusion = compiler::Fusion::kNone;
  auto unfused = compiler::compile(graph, node_.chip, options);
  return unfused.ok() ? std::move(unfused) : std::move(program);
}

Result<int64_t> ChipExecution::shortest_sequence(const std::string& model) {
  if (bucket_.tokens == 0 || !bucket_.within_context || !context_of_) return bucket_.tokens;
  if (const auto known = shortest_.find(model); known != shortest_.end()) return known->second;
  RDU_ASSIGN(const int64_t context, context_of_(model));
  int64_t shortest = bucket_.tokens;
  if (context > 0)
    shortest = std::min(shortest, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(context))));
  return shortest_.emplace(model, shortest).first->second;
}

Result<Bytes> ChipExecution::graph_weights(const models::Model& model,
                                           const models::GraphRequest& request) const {
  RDU_ASSIGN(const Program program, compile(model, request));
  Bytes bytes;
  for (const Symbol& symbol : program.symbols) {
    if (symbol.role == SymbolRole::kWeight) bytes += Bytes(symbol.bytes() * program.sockets);
  }
  return bytes;
}

Result<PassCost> ChipExecution::simulate(const models::Model& model, const std::string& name,
                                         const models::GraphRequest& request) const {
  if (note_) {
    note_(fmt::format("{}: {}, batch {}, {} tokens", node_.name, name, request.batch,
                      request.query_tokens + request.past_tokens));
  }
  RDU_ASSIGN(const Program program, compile(model, request));
  sim::RunOptions options;
  options.fidelity = fidelity_;
  NodeSpec used = node_;
  used.sockets = program.sockets;
  if (watch_) RDU_CHECK_OK(watch_(program, used));
  RDU_ASSIGN(const RunResult result, sim::run(program, used, stack_, options));
  PassCost cost{picoseconds_from_seconds(result.latency_s()), result.bytes};
  if (energy_) {
    const sim::Energy energy = sim::energy_of(result, *energy_);
    cost.energy_nj = std::llround((energy.total() - energy.of_part(sim::EnergyPart::kStatic)) * 1e9);
  }
  return cost;
}

Result<PassCost> ChipExecution::cost(const std::string& name, models::Phase phase, int64_t batch,
                                     int64_t tokens) {
  const Shape shape{name, phase, batch, tokens};
  const auto known = costs_.find(shape);
  if (known != costs_.end()) return known->second;
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  PassCost sum;
  std::vector<models::GraphRequest> passes{pass_of(phase, batch, tokens)};
  if (phase == Phase::kPrefill) passes = prompt_passes(*model, batch, tokens);
  if (phase == Phase::kDecode) passes = {decode_pass(*model, batch, tokens)};
  for (const models::GraphRequest& request : passes) {
    RDU_ASSIGN(PassCost one, simulate(*model, name, request));
    one.time += picoseconds_from_seconds(stack_.step_s);
    sum += one;
  }
  return costs_.emplace(shape, sum).first->second;
}

Result<PassCost> ChipExecution::prefill(const std::string& name, int64_t batch, int64_t tokens) {
  return cost(name, models::Phase::kPrefill, batch, tokens);
}

// Of a decoder, the program of the chunk. A prompt that holds an image, or patches that an encoder reads, is
// no row of tokens alone: its chunks are what the whole takes more.
Result<PassCost> ChipExecution::prefill_after(const std::string& name, int64_t cached, int64_t tokens) {
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  const bool by_tokens =
      model->supports(Phase::kPrefill) && model->family() != "pix2struct" && model->family() != "llava";
  if (!by_tokens) return ExecutionModel::prefill_after(name, cached, tokens);
  RDU_ASSIGN(PassCost cost, simulate(*model, name, pass_of(Phase::kPrefill, 1, tokens, cached)));
  cost.time += picoseconds_from_seconds(stack_.step_s);
  return cost;
}

Result<PassCost> ChipExecution::decode(const std::string& name, int64_t batch, int64_t context,
                                       int64_t steps) {
  PassCost sum;
  RDU_ASSIGN(const int64_t bucket, shortest_sequence(name));
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t cached = cached_tokens_compiled(bucket, context + step);
    RDU_ASSIGN(const PassCost one, cost(name, models::Phase::kDecode, batch, cached));
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
  Bytes bytes;
  const auto smallest = smallest_request(*model);
  if (model->supports(smallest.phase)) {
    RDU_ASSIGN(bytes, graph_weights(*model, smallest));
  }
  if (model->supports(Phase::kEncode)) {
    RDU_ASSIGN(const Bytes encoder, graph_weights(*model, pass_of(Phase::kEncode, 1, 1)));
    bytes += encoder;
  }
  return weight_bytes_.emplace(name, bytes).first->second;
}

Result<Bytes> ChipExecution::program_bytes(const std::string& name) {
  if (const auto known = program_bytes_.find(name); known != program_bytes_.end()) return known->second;
  RDU_ASSIGN(const models::Model* model, library_.get(name));
  std::vector<models::GraphRequest> passes = prompt_passes(*model, 1, kCountedPrompt);
  if (model->supports(Phase::kDecode)) passes.push_back(decode_pass(*model, 1, kCountedPrompt));
  const auto section_bits = sim::agcu::launch_time(sim::agcu::launch_spec(node_)).configuration_bits;
  Bytes bytes;
  for (const models::GraphRequest& request : passes) {
    RDU_ASSIGN(const Program program, compile(*model, request));
    bytes += Bytes(static_cast<int64_t>(program.sections.size()) * program.sockets * section_bits / 8);
  }
  return program_bytes_.emplace(name, bytes).first->second;
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
