// What rdusim serve does before it prints: read composition, requests and nodes, choose each request's
// expert, serve the requests on every node.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/chip_execution.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "report/serving.h"
#include "runtime/composition.h"
#include "runtime/serving/serve.h"
#include "runtime/workload/assign.h"
#include "runtime/workload/workload.h"

namespace CLI {
class App;
}

namespace rdusim::cli {

struct ServingChoice {
  std::string node = "sn40l-8";
  std::vector<std::string> compare;
  std::string requests;
  int64_t batch = 0;          // 0: the composition's
  int64_t prompt_tokens = 0;  // 0: what the rows say
  int64_t output_tokens = 0;
  std::string popularity;  // empty: none
  std::string router;      // file, "builtin", "none"; empty: builtin where it applies
  std::string embeddings;
  std::string stack;  // empty: the composition's
  std::string fidelity = "analytic";
  std::string energy;                   // a name of configs/energy/; empty: no energies
  std::string scheduler;                // empty: the composition's
  std::string eviction;                 // empty: the composition's
  std::string serving_file;             // in place of the composition's serving block
  std::vector<int64_t> groups;          // sockets of each; empty: the composition's
  std::string checkpoint;               // file that is written while serving; empty: none
  int64_t checkpoint_every = 100'000;   // requests
  std::string resume;                   // file to go on from; empty: from the start
  std::vector<std::string> mechanisms;  // switched on besides the composition's: see set_mechanism
  CompileChoice mixtures;               // how RDU nodes compile the models that are mixtures of experts
};

// The options of rdusim serve that its result depends on.
void add_serving_options(CLI::App& command, std::string& composition, ServingChoice& serving);

// "prefetch", "flows", "popularity", "transition", "layerwise", "keep=0.05", "sram=0.5", "preload"; an error
// lists them.
Status set_mechanism(runtime::EngineOptions& options, const std::string& text);

// The nodes that serve: one, or one a socket group (equal sizes share theirs).
struct ServingNode {
  std::string name;
  std::vector<std::unique_ptr<runtime::ExecutionModel>> executions;  // distinct sizes
  std::vector<runtime::SocketGroup> groups;
};
Result<ServingNode> make_serving_node(Session& session, const std::string& name, const ServingChoice& choice,
                                      const runtime::Composition& composition, ModelLibrary& library,
                                      Progress& progress);
ModelLibrary model_library(Session& session);

struct Serving {
  runtime::Composition composition;
  runtime::Workload workload;
  runtime::AssignmentSummary assignment;
  std::shared_ptr<const runtime::Router> router;  // null: experts were chosen without one
  report::NodeResults nodes;
};

Result<Serving> serve_composition(Session& session, const std::string& composition,
                                  const ServingChoice& choice, Progress& progress);

// All that serving needs, read and made, before the first request. `options` points into the rest.
struct PreparedServing {
  explicit PreparedServing(Session& session) : library(model_library(session)) {}
  PreparedServing(const PreparedServing&) = delete;
  PreparedServing& operator=(const PreparedServing&) = delete;

  Serving serving;  // without results
  ModelLibrary library;
  std::vector<ServingNode> nodes;
  runtime::RequestPlans plans;
  std::string resumed;
  runtime::ServeOptions options;
};
Result<std::unique_ptr<PreparedServing>> prepare_serving(Session& session, const std::string& composition,
                                                         const ServingChoice& choice, Progress& progress);
// Serves on every node; results go into prepared.serving.
Status serve_prepared(PreparedServing& prepared, Progress& progress);

}  // namespace rdusim::cli
