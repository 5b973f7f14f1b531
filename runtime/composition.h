// A Composition of Experts: which experts there are, what routes to them, who answers when the router is
// unsure, and the request shape when a workload gives none. Read from configs/compositions/*.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/arch/load.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/composition_flows.h"
#include "runtime/router/category_table.h"
#include "runtime/router/knn.h"
#include "runtime/router/router.h"
#include "runtime/serving/engine_options.h"

namespace rdusim::runtime {

struct ExpertSpec {
  std::string name;
  std::string model;  // folder of configs/models/
  int64_t count = 1;  // replicas "<name>-0" ...: experts of equal shape and different weights
  std::vector<std::string>
      labels;               // kinds of request it serves; none: reached by name, popularity or fall-back
  std::string domain{};     // what it is for, in words; several may share one
  double parameters_b = 0;  // 10^9; 0: not said. For budgets; sizes in memory come from the model
  bool answers = true;      // false: only flows reach it (embedders, judges, guards)
};

// The nearest-neighbour step of the router.
struct KnnSpec {
  int64_t stored_vectors = 0;  // as timed; a trained router's own number replaces it
  int64_t dimensions = 0;      // of the embedding model that is timed
  int64_t k = 0;               // as timed; a trained router's own replaces it
  std::string weighting = "distance";
  std::vector<int64_t> k_grid;    // that training chooses from
  double max_detection_loss = 0;  // of training's threshold rule (router/train.h)
};

struct RouterSpec {
  std::string kind;   // knn: by the prompt's text or label; trace: the requests name the expert; popularity:
                      // drawn; category: by a table from the label's category
  std::string runs;   // embed: one pass without cache; generate: prefill and decode; none: nothing is timed
  std::string model;  // whose pass is timed; empty when nothing runs
  int64_t prompt_tokens = 0;           // 0: the longest prompt of the batch
  int64_t output_tokens = 0;           // when it generates
  std::string popularity;              // law of kind popularity: uniform, round-robin, zipf:A
  std::string reads = "conversation";  // or message: the last turn only
  double parameter_budget_b = 0;       // of kind category: 10^9 parameters of all chosen experts together
  std::vector<CategorySpec> categories{};
  KnnSpec knn;  // of kind knn
};

struct RequestShape {
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
};

struct Composition {
  std::string name;
  std::string description;
  std::vector<ExpertSpec> experts;
  std::string base_expert;  // name of one of the experts; empty: no fall-back
  RouterSpec router;
  RequestShape request;           // of a workload row that does not say
  std::vector<FlowSpec> flows{};  // none: the assigned expert answers alone
  std::string stack;              // software stack of the RDU nodes
  int64_t batch = 1;              // requests that the router sees at once
  EngineOptions serving;
};

// `name`: a path to a YAML file, or the name of one in configs/compositions/. Overrides answer to
// composition.*.
Result<Composition> load_composition(ConfigContext& context, const std::string& name);
Result<Composition> parse_composition(const DocumentNode& root);
// JSON schema of the file, and its keys as a Markdown table.
// As YAML that parses back to an equal composition.
std::string dump_composition(const Composition& composition);
std::string composition_json_schema();
std::string composition_docs_table();

// An expert as served: one per replica.
struct Expert {
  std::string name;
  uint32_t spec = 0;   // in Composition::experts
  uint32_t model = 0;  // in ExpertRoster::models
};

struct ExpertRoster {
  std::vector<Expert> experts;      // by ExpertId
  std::vector<std::string> models;  // distinct, experts' first, in order of appearance
  std::optional<ExpertId> base;

  [[nodiscard]] std::optional<ExpertId> find(std::string_view name) const;
};
ExpertRoster make_roster(const Composition& composition);

// Experts that answer by themselves, by id: whom a popularity law draws from.
std::vector<ExpertId> answering_experts(const Composition& composition, const ExpertRoster& roster);

// By serving.owners: an expert that no row names is everybody's.
bool may_use(const Composition& composition, std::string_view expert, std::string_view tenant);

// Experts with labels, as the router's classes, in the composition's order; the first replica stands for all.
std::vector<RouterClass> router_classes(const Composition& composition);
Result<VoteWeighting> parse_weighting(std::string_view name);

}  // namespace rdusim::runtime
