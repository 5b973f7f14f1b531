#include "cli/inputs.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "base/arch/dram_fields.h"
#include "base/io/document.h"
#include "models/context.h"
#include "models/onnx/model.h"

namespace rdusim::cli {

void add_node_options(CLI::App& command, NodeChoice& choice) {
  command
      .add_option("--node", choice.node, "node: a name in configs/nodes/ or a YAML file (default sn40l-8)")
      ->type_name("NODE");
  command
      .add_option("--stack", choice.stack,
                  "software stack of the node, e.g. 2024-early (default: the node's own)")
      ->type_name("NAME");
}

Result<ChosenNode> load_node_and_stack(Session& session, const NodeChoice& choice) {
  RDU_ASSIGN(const bool gpu, is_gpu_node(session.config, choice.node));
  if (gpu) {
    return Error{ErrorCode::kUnsupported, "--node " + choice.node,
                 "this is a GPU node, which runs no programs of the chip",
                 "name an RDU node, for instance sn40l-8; GPU nodes are for rdusim serve --compare"};
  }
  RDU_ASSIGN(NodeSpec node, load_node(session.config, choice.node));
  const std::string name = choice.stack.empty() ? node.default_stack : choice.stack;
  const StackSpec* stack = node.find_stack(name);
  if (stack == nullptr) {
    std::vector<std::string> names;
    for (const auto& known : node.stacks) names.push_back(known.name);
    const std::string near = nearest(name, names);
    return Error{ErrorCode::kNotFound, "--stack " + name,
                 fmt::format("node {} has the stacks {}", node.name, fmt::join(names, ", ")),
                 near.empty() ? "" : "did you mean " + near + "?"};
  }
  return ChosenNode{node, *stack};
}

Result<ChosenNode> load_chosen_node(Session& session, const NodeChoice& choice) {
  RDU_ASSIGN(auto chosen, load_node_and_stack(session, choice));
  RDU_CHECK_OK(check_overrides_used(session.config));
  return chosen;
}

Result<sim::MemoryDevices> load_memory_devices(Session& session, const ChipSpec& chip) {
  sim::MemoryDevices devices;
  for (auto [tier, device] : {std::pair{"hbm", &devices.hbm}, std::pair{"ddr", &devices.ddr}}) {
    const std::string path = fmt::format("{}/dram/{}-{}.yaml", session.config.config_dir, chip.name, tier);
    if (!std::filesystem::exists(path)) continue;
    RDU_ASSIGN(DramSpec spec, load_dram(session.config, path));
    *device = std::make_shared<const DramSpec>(std::move(spec));
  }
  return devices;
}

void add_pass_options(CLI::App& command, PassChoice& choice) {
  command
      .add_option("--phase", choice.phase,
                  "which pass of the model (default decode, or the first that the model has)")
      ->check(CLI::IsMember({"prefill", "decode", "embed", "route", "encode", "train"}));
  command.add_option("--batch", choice.batch, "sequences at once (default 1)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16));
  command
      .add_option("--context", choice.context,
                  "tokens of a sequence: prompt in prefill and embed, already cached in decode; queries in "
                  "route (default 4096)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  command
      .add_option("--cached", choice.cached,
                  "prefill: tokens of a sequence that earlier chunks of its prompt left in the caches; the "
                  "--context tokens stand behind them (default 0)")
      ->type_name("TOKENS")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 24));
  command
      .add_option(
          "--weight-blocks", choice.weight_blocks,
          "train: weights (not the embedding) are N x N blocks, zero off the diagonal; 8: 87.5 % sparse "
          "(default 1: dense)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{64}));
}

Result<models::GraphRequest> graph_request(const PassChoice& choice) {
  models::GraphRequest request;
  request.batch = choice.batch;
  request.query_tokens = choice.context;
  request.weight_blocks = choice.weight_blocks;
  if (choice.cached > 0 && choice.phase != "prefill") {
    return Error{ErrorCode::kInvalidInput, "--cached",
                 "only a chunk of a prompt stands behind cached tokens that --context does not count",
                 "give --phase prefill"};
  }
  if (choice.phase == "prefill") {
    request.phase = models::Phase::kPrefill;
    request.past_tokens = choice.cached;
  } else if (choice.phase == "embed") {
    request.phase = models::Phase::kEmbed;
  } else if (choice.phase == "encode") {
    request.phase = models::Phase::kEncode;
  } else if (choice.phase == "train") {
    request.phase = models::Phase::kTrain;
  } else if (choice.phase == "route") {
    request.phase = models::Phase::kRoute;
  } else {
    request.phase = models::Phase::kDecode;
    request.query_tokens = 1;
    request.past_tokens = choice.context;
  }
  return request;
}

Result<models::GraphRequest> graph_request(const PassChoice& choice, const models::Model& model) {
  RDU_ASSIGN(models::GraphRequest request, graph_request(choice));
  if (!choice.phase.empty() || model.supports(models::Phase::kDecode)) return request;
  request.query_tokens = choice.context;
  request.past_tokens = 0;
  for (const models::Phase phase : {models::Phase::kPrefill, models::Phase::kEncode, models::Phase::kEmbed,
                                    models::Phase::kRoute, models::Phase::kTrain}) {
    request.phase = phase;
    if (model.supports(phase)) break;
  }
  return request;
}

void add_compile_options(CLI::App& command, CompileChoice& choice) {
  command
      .add_option(
          "--fusion", choice.fusion,
          "none: an operator a section; layer: a decoder layer a section; auto: a layer, cut where that is "
          "sooner by a cost model (default)")
      ->check(CLI::IsMember({"none", "layer", "auto"}));
  command
      .add_option(
          "--sizing", choice.sizing,
          "what stages get units for: steady: the slowest is as fast as it can be (default); launch: a "
          "launch ends soonest, also where stages follow one another")
      ->check(CLI::IsMember({"steady", "launch"}));
  command.add_flag("--loop", choice.loop, "one launch loops over equal layers (kernel looping)");
  command.add_flag("--prefetch", choice.prefetch,
                   "weights and caches are loaded while a section is being launched; with --loop also the "
                   "next layer's while a layer drains");
  command
      .add_option("--key-block", choice.key_block,
                  "keys that attention works on at once (default: all of them up to 16384, then by size)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command
      .add_option("--orchestration", choice.orchestration,
                  "who launches sections: software (the host) or hardware (the chip itself; default)")
      ->check(CLI::IsMember({"software", "hardware"}));
  add_moe_options(command, choice);
}

void add_moe_options(CLI::App& command, CompileChoice& choice) {
  add_moe_parallel_options(command, choice);
  command
      .add_option("--moe-load", choice.moe_load,
                  "mixtures of experts: worst: room and time for any choice (default); uniform: for the mean "
                  "over uniform choices, on the socket with most")
      ->check(CLI::IsMember({"worst", "uniform"}));
}

void add_moe_parallel_options(CLI::App& command, CompileChoice& choice) {
  command
      .add_option(
          "--moe-parallel", choice.moe_parallel,
          "mixtures of experts: tensor: a part of every expert on each socket (default); expert: whole "
          "experts on each socket")
      ->check(CLI::IsMember({"tensor", "expert"}));
  command
      .add_option(
          "--expert-groups", choice.expert_groups,
          "--moe-parallel expert: groups of sockets that share the experts out, each cutting its own by "
          "their inner width (default: as many as there are sockets, or experts)")
      ->check(CLI::Range(int64_t{1}, int64_t{1024}));
}

compiler::CompileOptions compile_options(const CompileChoice& choice, int64_t sockets,
                                         const StackSpec& stack) {
  compiler::CompileOptions options;
  options.sockets = sockets;
  options.fusion = choice.fusion == "none"   ? compiler::Fusion::kNone
                   : choice.fusion == "auto" ? compiler::Fusion::kAuto
                                             : compiler::Fusion::kLayer;
  options.sizing = choice.sizing == "launch" ? compiler::Sizing::kLaunch : compiler::Sizing::kSteady;
  const bool software = choice.orchestration == "software";
  options.orchestration = software ? Orchestration::kSoftware : Orchestration::kHardware;
  options.launch_s = software ? stack.software_launch_s : stack.hardware_launch_s;
  options.loop = choice.loop;
  options.prefetch = choice.prefetch;
  options.key_block = choice.key_block;
  options.moe_parallel =
      choice.moe_parallel == "expert" ? compiler::MoeParallel::kExpert : compiler::MoeParallel::kTensor;
  options.expert_groups = choice.expert_groups;
  options.moe_load = choice.moe_load == "uniform" ? compiler::MoeLoad::kUniform : compiler::MoeLoad::kWorst;
  return options;
}

Result<std::unique_ptr<models::Model>> load_chosen_model(Session& session, const std::string& name) {
  RDU_ASSIGN(auto model, models::load_model(session.config.config_dir, name));
  if (const auto onnx = models::onnx_path(name)) {
    RDU_CHECK_OK(session.record_file(*onnx));
    return model;
  }
  const std::string folder =
      std::filesystem::is_directory(name) ? name : session.config.config_dir + "/models/" + name;
  RDU_CHECK_OK(session.record_file(folder + "/config.json"));
  return model;
}

Result<int64_t> load_context_tokens(const Session& session, const std::string& model) {
  if (models::onnx_path(model)) return int64_t{0};
  RDU_ASSIGN(const std::string path, models::find_model_config(session.config.config_dir, model));
  RDU_ASSIGN(const DocumentNode config, read_document(path));
  return models::context_tokens(config);
}

Result<std::vector<std::string>> list_models(const std::string& config_dir) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(config_dir) / "models";
  std::error_code failure;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    if (fs::exists(entry.path() / "config.json")) names.push_back(entry.path().filename().string());
  }
  if (failure) {
    return Error{ErrorCode::kIo, folder.string(), failure.message(),
                 "RDUSIM_CONFIG_DIR names the configs/ folder"};
  }
  std::sort(names.begin(), names.end());
  return names;
}

report::SocketPeaks socket_peaks(const ChipSpec& chip) {
  return {chip.pcu.count, chip.pmu.count, chip.hbm.bandwidth_bytes_per_s};
}

}  // namespace rdusim::cli
