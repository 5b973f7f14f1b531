// What commands have in common: which node and stack, which model, which pass of it, and how it is compiled.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/run_result.h"
#include "base/result.h"
#include "cli/session.h"
#include "compiler/compile.h"
#include "models/model.h"
#include "report/run_json.h"
#include "sim/simulator.h"

namespace CLI {
class App;
}

namespace rdusim::cli {

struct NodeChoice {
  std::string node = "sn40l-8";
  std::string stack;  // empty: the node's default
};
void add_node_options(CLI::App& command, NodeChoice& choice);

struct ChosenNode {
  NodeSpec node;
  StackSpec stack;
};
// Fails on a GPU node and on an unknown stack.
Result<ChosenNode> load_node_and_stack(Session& session, const NodeChoice& choice);
// The same, for commands that configure nothing else: fails also on an override that nothing answered to.
Result<ChosenNode> load_chosen_node(Session& session, const NodeChoice& choice);

// The chip's HBM and DDR as devices for the cycle fidelity: configs/dram/<chip>-hbm.yaml and <chip>-ddr.yaml;
// none where there is no such file.
Result<sim::MemoryDevices> load_memory_devices(Session& session, const ChipSpec& chip);

struct PassChoice {
  std::string phase;  // empty: decode, or the first phase that the model has
  int64_t batch = 1;
  int64_t context = 4096;     // prompt tokens (prefill, embed), cached tokens (decode), queries (route)
  int64_t weight_blocks = 1;  // of a training step: 1 = dense (GraphRequest::weight_blocks)
  int64_t cached = 0;         // prefill: tokens of a sequence before its prompt tokens, already cached
  friend bool operator==(const PassChoice&, const PassChoice&) = default;
};
void add_pass_options(CLI::App& command, PassChoice& choice);
Result<models::GraphRequest> graph_request(const PassChoice& choice);
// The same for a model that may have no decode.
Result<models::GraphRequest> graph_request(const PassChoice& choice, const models::Model& model);

struct CompileChoice {
  std::string fusion = "auto";
  std::string sizing = "steady";
  std::string orchestration = "hardware";
  bool loop = false;
  bool prefetch = false;  // weights while a section is launched; looping: the next layer's while one drains
  int64_t key_block = 0;
  std::string moe_parallel = "tensor";
  int64_t expert_groups = 0;
  std::string moe_load = "worst";
  friend bool operator==(const CompileChoice&, const CompileChoice&) = default;
};
void add_compile_options(CLI::App& command, CompileChoice& choice);
// Of these, how experts of a mixture lie over the sockets, and that with what load they have.
void add_moe_parallel_options(CLI::App& command, CompileChoice& choice);
void add_moe_options(CLI::App& command, CompileChoice& choice);
// `stack` prices the launches for --fusion auto.
compiler::CompileOptions compile_options(const CompileChoice& choice, int64_t sockets,
                                         const StackSpec& stack);

// A model by folder or by name; its config.json goes into the manifest.
Result<std::unique_ptr<models::Model>> load_chosen_model(Session& session, const std::string& name);
// The longest sequence that its configuration names, in tokens; 0: none.
Result<int64_t> load_context_tokens(const Session& session, const std::string& model);
// Names of the folders in configs/models/, sorted.
Result<std::vector<std::string>> list_models(const std::string& config_dir);

report::SocketPeaks socket_peaks(const ChipSpec& chip);

}  // namespace rdusim::cli
