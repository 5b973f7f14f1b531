// The runtime's view of an RDU node: the cost of a pass is that of its compiled program on the simulated
// chip. Each shape is compiled and simulated once; which shapes are asked for, and what is interpolated
// between them, is the runtime's business (runtime/memo_execution.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/arch/chip.h"
#include "base/arch/energy.h"
#include "base/arch/serving_build.h"
#include "base/result.h"
#include "compiler/compile.h"
#include "models/model.h"
#include "runtime/execution.h"
#include "runtime/gpu_node.h"

namespace rdusim::cli {

// Models by name, each read once and noted for the manifest.
class ModelLibrary {
 public:
  using Load = std::function<Result<std::unique_ptr<models::Model>>(const std::string& name)>;
  explicit ModelLibrary(Load load) : load_(std::move(load)) {}
  Result<const models::Model*> get(const std::string& name);

 private:
  Load load_;
  std::map<std::string, std::unique_ptr<models::Model>> models_;
};

// Whether it is a mixture of experts.
Result<bool> is_mixture(const models::Model& model);
// What a GPU node's roofline needs to know of a model, read off its facts and the attention operators of its
// graph.
Result<runtime::ModelShape> model_shape(const models::Model& model);

class ChipExecution : public runtime::ExecutionModel {
 public:
  // Told what is compiled and simulated, for progress; may be empty.
  using Note = std::function<void(const std::string& what)>;

  // `library` outlives this.
  // `energy`: what operations and bytes cost; absent: passes have no energy.
  ChipExecution(NodeSpec node, StackSpec stack, Fidelity fidelity, ModelLibrary& library, Note note,
                std::optional<EnergySpec> energy = std::nullopt);

  // Told of each program that is simulated, and on which node; may be empty.
  using Watch = std::function<Status(const Program& program, const NodeSpec& node)>;
  void set_watch(Watch watch) { watch_ = std::move(watch); }

  [[nodiscard]] std::string node_name() const override { return node_.name; }
  [[nodiscard]] runtime::NodeMemory memory() const override;
  [[nodiscard]] Picoseconds request_overhead() const override;
  Result<runtime::PassCost> prefill(const std::string& model, int64_t batch, int64_t tokens) override;
  Result<runtime::PassCost> prefill_after(const std::string& model, int64_t cached, int64_t tokens) override;
  Result<runtime::PassCost> decode(const std::string& model, int64_t batch, int64_t context,
                                   int64_t steps) override;
  // The sequences that the service compiles decode for. `context_of`: of a model by name, 0 where none is
  // known; asked where the bucket ends at the model's context.
  using ContextOf = std::function<Result<int64_t>(const std::string& model)>;
  void set_sequence_bucket(SequenceBucket bucket, ContextOf context_of) {
    bucket_ = bucket;
    context_of_ = std::move(context_of);
  }
  [[nodiscard]] SequenceBucket sequence_bucket() const { return bucket_; }
  [[nodiscard]] const ContextOf& context_of() const { return context_of_; }
  // How mixtures of experts are compiled; other models are not asked. Whole experts that do not divide over
  // the sockets are an error, not a reason to use fewer.
  struct Mixtures {
    compiler::MoeParallel parallel = compiler::MoeParallel::kTensor;
    int64_t groups = 0;  // compiler::CompileOptions::expert_groups
    compiler::MoeLoad load = compiler::MoeLoad::kWorst;
  };
  void set_mixtures(Mixtures mixtures) { mixtures_ = mixtures; }
  [[nodiscard]] const NodeSpec& node() const { return node_; }
  [[nodiscard]] const StackSpec& stack() const { return stack_; }
  [[nodiscard]] Fidelity fidelity() const { return fidelity_; }
  Result<runtime::PassCost> embed(const std::string& model, int64_t batch, int64_t tokens) override;
  Result<runtime::PassCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                               int64_t classes) override;
  Result<Bytes> weight_bytes(const std::string& model) override;
  // Configurations of the sections of one program a phase: what reads a prompt, and a decode step. APPROX: a
  // service that compiles several lengths and batches holds a program for each.
  Result<Bytes> program_bytes(const std::string& model) override;
  Result<Bytes> kv_bytes_per_token(const std::string& model) override;
  Result<int64_t> layers(const std::string& model) override;
  [[nodiscard]] std::optional<runtime::EnergyRates> energy() const override;

 private:
  using Shape = std::tuple<std::string, models::Phase, int64_t, int64_t>;  // model, phase, batch, tokens

  // For as many of the node's sockets as the model's heads divide over: all, or half, a quarter, ...
  Result<Program> compile(const models::Model& model, const models::GraphRequest& request) const;
  // The shortest sequence that decode of a model is compiled for; 0: any.
  Result<int64_t> shortest_sequence(const std::string& model);
  Result<Bytes> graph_weights(const models::Model& model, const models::GraphRequest& request) const;
  Result<runtime::PassCost> simulate(const models::Model& model, const std::string& name,
                                     const models::GraphRequest& request) const;
  Result<runtime::PassCost> cost(const std::string& model, models::Phase phase, int64_t batch,
                                 int64_t tokens);

  NodeSpec node_;
  StackSpec stack_;
  Fidelity fidelity_;
  Mixtures mixtures_;
  SequenceBucket bucket_;
  ContextOf context_of_;
  std::map<std::string, int64_t> shortest_;  // by model, where it depends on it
  ModelLibrary& library_;
  Note note_;
  Watch watch_;
  std::optional<EnergySpec> energy_;
  std::map<std::string, Bytes> weight_bytes_;
  std::map<std::string, Bytes> program_bytes_;
  std::map<Shape, runtime::PassCost> costs_;
};

}  // namespace rdusim::cli
