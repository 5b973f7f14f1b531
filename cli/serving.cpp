#include "cli/serving.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "base/arch/serving_build.h"
#include "base/io/file.h"
#include "cli/chip_execution.h"
#include "cli/inputs.h"
#include "runtime/gpu_node.h"
#include "runtime/plan_requests.h"
#include "runtime/router/train.h"
#include "runtime/serving/serve.h"

namespace rdusim::cli {
namespace {

// The router that the project's own sentences train, so that a clone alone can serve. Every third row of a
// label chooses k and the threshold, the others are stored.
Result<std::unique_ptr<runtime::Router>> train_builtin(Session& session,
                                                       const runtime::Composition& composition) {
  const std::string path = session.config.config_dir + "/prompts/router_train.jsonl";
  RDU_ASSIGN(const auto rows, runtime::read_labelled_prompts(path));
  RDU_CHECK_OK(session.record_file(path));
  auto [stored, held_out] = runtime::hold_out(rows, 3);
  const runtime::LabelledSet train{path, std::move(stored), std::nullopt};
  const runtime::LabelledSet validation{path, std::move(held_out), std::nullopt};

  runtime::RouterTrainingOptions options;
  options.classes = runtime::router_classes(composition);
  options.fall_back = !composition.base_expert.empty();
  options.k_grid = composition.router.knn.k_grid;
  options.max_detection_loss = composition.router.knn.max_detection_loss;
  options.embedder.seed = session.seed;
  RDU_ASSIGN(options.weighting, runtime::parse_weighting(composition.router.knn.weighting));
  RDU_ASSIGN(const auto training, runtime::train_router(train, validation, options));
  return std::make_unique<runtime::Router>(training.router);
}

bool has_text(const runtime::Workload& workload) {
  for (const auto& notes : workload.notes) {
    if (!notes.text.empty()) return true;
  }
  return false;
}

// Null: experts are chosen without a router.
Result<std::unique_ptr<runtime::Router>> choose_router(Session& session, const Serving& serving,
                                                       const ServingChoice& choice) {
  if (choice.router == "none") return std::unique_ptr<runtime::Router>();
  if (!choice.router.empty() && choice.router != "builtin") {
    RDU_ASSIGN(const auto router, runtime::load_router(choice.router));
    RDU_CHECK_OK(session.record_file(choice.router));
    return std::make_unique<runtime::Router>(router);
  }
  const bool applies =
      serving.composition.router.kind == "knn" && has_text(serving.workload) && choice.popularity.empty();
  if (!applies && choice.router.empty()) return std::unique_ptr<runtime::Router>();
  if (serving.composition.router.kind != "knn") {
    return Error{ErrorCode::kInvalidInput, "--router builtin",
                 fmt::format("{} has no k-NN router", serving.composition.name), ""};
  }
  return train_builtin(session, serving.composition);
}

Result<runtime::Workload> load_requests(Session& session, const runtime::Composition& composition,
                                        const ServingChoice& choice) {
  runtime::WorkloadOptions options;
  options.defaults = composition.request;
  if (choice.prompt_tokens > 0) options.defaults.prompt_tokens = choice.prompt_tokens;
  if (choice.output_tokens > 0) options.defaults.output_tokens = choice.output_tokens;
  options.seed = session.seed;
  RDU_ASSIGN(auto workload, runtime::load_workload(choice.requests, options));
  if (workload.format != "synthetic") RDU_CHECK_OK(session.record_file(choice.requests));
  for (auto& request : workload.requests) {
    if (choice.prompt_tokens > 0) request.prompt_tokens = choice.prompt_tokens;
    if (choice.output_tokens > 0) request.output_tokens = choice.output_tokens;
  }
  return workload;
}

Status assign(Session& session, Serving& serving, const ServingChoice& choice,
              const runtime::Router* router) {
  runtime::AssignmentOptions options;
  options.router = router;
  options.seed = session.seed;
  if (!choice.popularity.empty()) {
    RDU_ASSIGN(options.popularity, runtime::parse_popularity(choice.popularity));
  }
  if (!choice.embeddings.empty()) {
    RDU_ASSIGN(options.embeddings, runtime::read_embeddings(choice.embeddings));
    RDU_CHECK_OK(session.record_file(choice.embeddings));
  }
  RDU_ASSIGN(serving.assignment, runtime::assign_experts(serving.workload, serving.composition, options));
  return {};
}

// Every model that serving may time: the experts' and the router's.
std::vector<std::string> model_names(const runtime::Composition& composition) {
  auto names = runtime::make_roster(composition).models;
  if (!composition.router.model.empty()) names.push_back(composition.router.model);
  return names;
}

Result<std::unique_ptr<runtime::ExecutionModel>> gpu_execution(Session& session, const std::string& name,
                                                               const runtime::Composition& composition,
                                                               ModelLibrary& library) {
  RDU_ASSIGN(GpuNodeSpec spec, load_gpu_node(session.config, name));
  std::map<std::string, runtime::ModelShape> shapes;
  for (const auto& model_name : model_names(composition)) {
    RDU_ASSIGN(const models::Model* model, library.get(model_name));
    RDU_ASSIGN(shapes[model_name], model_shape(*model));
  }
  return std::unique_ptr<runtime::ExecutionModel>(
      std::make_unique<runtime::GpuNode>(std::move(spec), std::move(shapes)));
}

// What is asked of mixtures must be asked of a composition that has one.
Result<ChipExecution::Mixtures> mixtures_of(const CompileChoice& choice,
                                            const runtime::Composition& composition, ModelLibrary& library) {
  if (choice == CompileChoice()) return ChipExecution::Mixtures();
  bool any = false;
  for (const std::string& name : model_names(composition)) {
    RDU_ASSIGN(const models::Model* model, library.get(name));
    RDU_ASSIGN(const bool mixture, is_mixture(*model));
    any = any || mixture;
  }
  const compiler::CompileOptions options = compile_options(choice, 1, StackSpec());
  if (any) return ChipExecution::Mixtures{options.moe_parallel, options.expert_groups, options.moe_load};
  return Error{ErrorCode::kInvalidInput, composition.name, "has no mixture of experts to cut or to load so",
               "keep such options for models like mixtral-8x7b"};
}

Result<std::unique_ptr<runtime::ExecutionModel>> chip_execution(Session& session, const std::string& name,
                                                                const ServingChoice& choice,
                                                                const runtime::Composition& composition,
                                                                int64_t sockets, ModelLibrary& library,
                                                                Progress& progress) {
  const std::string stack = choice.stack.empty() ? composition.stack : choice.stack;
  RDU_ASSIGN(auto chosen, load_node_and_stack(session, {name, stack}));
  if (sockets > chosen.node.sockets) {
    return Error{ErrorCode::kOutOfRange, "groups",
                 fmt::format("a group of {} sockets on {} with {}", sockets, name, chosen.node.sockets), ""};
  }
  if (sockets > 0) chosen.node.sockets = sockets;
  const Fidelity fidelity = choice.fidelity == "event" ? Fidelity::kEvent : Fidelity::kAnalytic;
  std::optional<EnergySpec> energy;
  if (!choice.energy.empty()) {
    RDU_ASSIGN(energy, load_energy(session.config, choice.energy));
  }
  RDU_ASSIGN(const SequenceBucket bucket, load_sequence_bucket(session.config, name, stack));
  auto execution = std::make_unique<ChipExecution>(
      std::move(chosen.node), std::move(chosen.stack), fidelity, library,
      [&progress](const std::string& what) { progress.note("simulating " + what); }, std::move(energy));
  RDU_ASSIGN(const auto mixtures, mixtures_of(choice.mixtures, composition, library));
  execution->set_mixtures(mixtures);
  execution->set_sequence_bucket(
      bucket, [&session](const std::string& model) { return load_context_tokens(session, model); });
  return std::unique_ptr<runtime::ExecutionModel>(std::move(execution));
}

// The composition's way of serving, with what the command line says over it.
Result<runtime::ServeOptions> serve_options(const runtime::Composition& composition,
                                            const ServingChoice& choice) {
  runtime::ServeOptions options;
  options.engine = composition.serving;
  options.scheduler = choice.scheduler.empty() ? composition.serving.scheduler : choice.scheduler;
  options.eviction = choice.eviction.empty() ? composition.serving.eviction : choice.eviction;
  if (choice.batch > 0) options.batch = choice.batch;
  for (const std::string& mechanism : choice.mechanisms)
    RDU_CHECK_OK(set_mechanism(options.engine, mechanism));
  return options;
}

// The bytes that are resumed from, which `options` refers to.
Result<std::string> set_checkpoint(const Session& session, const ServingChoice& choice,
                                   const runtime::Composition& composition, runtime::ServeOptions& options) {
  std::string resumed;
  if (choice.checkpoint.empty() && choice.resume.empty()) return resumed;
  if (!choice.compare.empty()) {
    return Error{ErrorCode::kInvalidInput, "--compare", "a checkpoint is of a serve on one node",
                 "serve each node by itself"};
  }
  options.checkpoint.context =
      fmt::format("{} {} {} {} {}", choice.node, choice.stack.empty() ? composition.stack : choice.stack,
                  choice.fidelity, choice.energy, session.seed);
  const CompileChoice& m = choice.mixtures;
  options.checkpoint.context += fmt::format(" {} {} {}", m.moe_parallel, m.expert_groups, m.moe_load);
  for (const auto& override : session.config.overrides)
    options.checkpoint.context += fmt::format(" {}={}", override.path, override.value);
  if (!choice.checkpoint.empty()) {
    options.checkpoint.every = choice.checkpoint_every;
    options.checkpoint.write = [path = choice.checkpoint](const std::string& file) {
      return write_file_atomically(path, file);
    };
  }
  if (!choice.resume.empty()) {
    RDU_ASSIGN(const auto bytes, read_binary_file(choice.resume));
    resumed.assign(bytes.begin(), bytes.end());
    options.checkpoint.resume_name = choice.resume;
  }
  return resumed;
}

}  // namespace

ModelLibrary model_library(Session& session) {
  return ModelLibrary([&session](const std::string& name) { return load_chosen_model(session, name); });
}

Status set_mechanism(runtime::EngineOptions& options, const std::string& text) {
  runtime::MechanismSpec& m = options.mechanisms;
  const std::string name = text.substr(0, text.find('='));
  double share = name == "keep" ? 0.05 : 0.5;
  if (name.size() < text.size()) {
    const char* begin = text.data() + name.size() + 1;
    const auto [end, problem] = std::from_chars(begin, text.data() + text.size(), share);
    const bool takes = name == "keep" || name == "sram";
    if (!takes || problem != std::errc() || end != text.data() + text.size() || share < 0 || share >= 1) {
      return Error{ErrorCode::kInvalidInput, "--with " + text, "no share from 0 to 1",
                   "keep and sram take one: keep=0.05, sram=0.5"};
    }
  }
  if (name == "prefetch") return m.prefetch = true, Status();
  if (name == "flows") return m.prefetch_flows = true, Status();
  if (name == "popularity") return m.predict_popularity = true, Status();
  if (name == "transition") return m.predict_transition = true, Status();
  if (name == "layerwise") return m.layerwise = true, Status();
  if (name == "keep") return m.keep_first_layers = share, Status();
  if (name == "sram") return m.sram_share = share, Status();
  if (name == "preload") return options.preload = {"popular"}, Status();
  const std::vector<std::string> known = {"prefetch",  "flows", "popularity", "transition",
                                          "layerwise", "keep",  "sram",       "preload"};
  const std::string near = nearest(name, known);
  return Error{ErrorCode::kNotFound, "--with " + text, fmt::format("unknown mechanism '{}'", name),
               fmt::format("{}known: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                           fmt::join(known, ", "))};
}

Result<ServingNode> make_serving_node(Session& session, const std::string& name, const ServingChoice& choice,
                                      const runtime::Composition& composition, ModelLibrary& library,
                                      Progress& progress) {
  ServingNode node;
  node.name = name;
  RDU_ASSIGN(const bool gpu, is_gpu_node(session.config, name));
  if (gpu) {
    RDU_ASSIGN(auto execution, gpu_execution(session, name, composition, library));
    node.groups.push_back({execution.get(), 1});
    node.executions.push_back(std::move(execution));
    return node;
  }
  std::vector<int64_t> sizes = choice.groups.empty() ? composition.serving.groups : choice.groups;
  if (sizes.empty()) sizes = {0};  // the whole node
  std::map<int64_t, runtime::ExecutionModel*> known;
  for (const int64_t sockets : sizes) {
    if (!known.contains(sockets)) {
      RDU_ASSIGN(auto execution,
                 chip_execution(session, name, choice, composition, sockets, library, progress));
      known[sockets] = execution.get();
      node.executions.push_back(std::move(execution));
    }
    node.groups.push_back({known[sockets], std::max<int64_t>(1, sockets)});
  }
  RDU_ASSIGN(const NodeSpec whole, load_node(session.config, name));
  const int64_t all = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  if (all <= whole.sockets) return node;
  return Error{ErrorCode::kOutOfRange, "groups",
               fmt::format("{} sockets in groups of {} with {}", all, name, whole.sockets),
               "the groups together have at most the node's sockets"};
}

Result<std::unique_ptr<PreparedServing>> prepare_serving(Session& session, const std::string& composition,
                                                         const ServingChoice& choice, Progress& progress) {
  auto prepared = std::make_unique<PreparedServing>(session);
  Serving& serving = prepared->serving;
  RDU_ASSIGN(serving.composition, runtime::load_composition(session.config, composition));
  if (!choice.serving_file.empty()) {
    RDU_ASSIGN(const DocumentNode document, read_config(session.config, choice.serving_file));
    RDU_ASSIGN(serving.composition.serving, runtime::engine_fields().parse(document));
  }
  std::vector<std::string> names{choice.node};
  names.insert(names.end(), choice.compare.begin(), choice.compare.end());
  for (size_t n = 0; n < names.size(); ++n) {
    const std::string& name = names[n];
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(n), name) !=
        names.begin() + static_cast<std::ptrdiff_t>(n)) {
      return Error{ErrorCode::kInvalidInput, "--compare " + name, "the node is named twice",
                   "name each node once"};
    }
    RDU_ASSIGN(auto node,
               make_serving_node(session, name, choice, serving.composition, prepared->library, progress));
    prepared->nodes.push_back(std::move(node));
  }
  RDU_CHECK_OK(check_overrides_used(session.config));

  RDU_ASSIGN(serving.workload, load_requests(session, serving.composition, choice));
  progress.note("routing");
  RDU_ASSIGN(serving.router, choose_router(session, serving, choice));
  RDU_CHECK_OK(assign(session, serving, choice, serving.router.get()));

  runtime::ServeOptions& options = prepared->options;
  RDU_ASSIGN(options, serve_options(serving.composition, choice));
  options.router = serving.router.get();
  if (!serving.composition.flows.empty()) {
    RDU_ASSIGN(prepared->plans, runtime::plan_requests(serving.workload, serving.composition, session.seed));
    options.plans = &prepared->plans;
  }
  RDU_ASSIGN(prepared->resumed, set_checkpoint(session, choice, serving.composition, options));
  options.checkpoint.resume = prepared->resumed;
  return prepared;
}

Status serve_prepared(PreparedServing& prepared, Progress& progress) {
  Serving& serving = prepared.serving;
  runtime::ServeOptions options = prepared.options;
  for (const ServingNode& serving_node : prepared.nodes) {
    options.progress = [&](int64_t done, int64_t all) {
      progress.note(fmt::format("{}: {} of {} requests", serving_node.name, done, all));
    };
    RDU_ASSIGN(auto node,
               runtime::serve_groups(serving_node.groups, serving.composition, serving.workload, options));
    if (serving.nodes.empty() && node.expert_too_large) {
      return Error{ErrorCode::kCapacity, node.node, node.reason,
                   "take a smaller expert, more sockets, or a node with more HBM"};
    }
    serving.nodes.push_back(std::move(node));
  }
  return {};
}

Result<Serving> serve_composition(Session& session, const std::string& composition,
                                  const ServingChoice& choice, Progress& progress) {
  RDU_ASSIGN(const auto prepared, prepare_serving(session, composition, choice, progress));
  RDU_CHECK_OK(serve_prepared(*prepared, progress));
  return std::move(prepared->serving);
}

}  // namespace rdusim::cli
