#include "cli/chip_runner.h"

#include <fmt/format.h>

#include <utility>

#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

bool is_carried(const Symbol& symbol) {
  return symbol.role == SymbolRole::kKvCache || symbol.role == SymbolRole::kState;
}

// The compiler names what a program reads and writes by its source: that of the graph's value, or the value's
// own name.
const std::string& key_of(const compiler::Value& value) {
  return value.source.empty() ? value.name : value.source;
}

// The graph's inputs by that key.
Result<std::map<std::string, const Tensor*>> inputs_by_key(const compiler::Graph& graph,
                                                           const models::TensorMap& inputs) {
  std::map<std::string, const Tensor*> by_key;
  for (const auto& value : graph.values) {
    if (value.role != SymbolRole::kInput) continue;
    const auto given = inputs.find(value.name);
    if (given == inputs.end()) {
      return Error{ErrorCode::kNotFound, "graph " + graph.name,
                   fmt::format("input {} was not given", value.name), ""};
    }
    by_key[key_of(value)] = &given->second;
  }
  return by_key;
}

}  // namespace

ChipRunner::ChipRunner(NodeSpec node, StackSpec stack, compiler::CompileOptions options,
                       const SafetensorsFile& weights)
    : ChipRunner(std::move(node), std::move(stack), std::move(options), models::WeightSource(&weights)) {}

ChipRunner::ChipRunner(NodeSpec node, StackSpec stack, compiler::CompileOptions options,
                       models::WeightSource weights)
    : node_(std::move(node)),
      stack_(std::move(stack)),
      options_(std::move(options)),
      weights_(std::move(weights)) {}

Result<const Tensor*> ChipRunner::weight(const std::string& source) {
  const auto known = weights_read_.find(source);
  if (known != weights_read_.end()) return &known->second;
  RDU_ASSIGN(Tensor tensor, weights_.read(source));
  return &weights_read_.emplace(source, std::move(tensor)).first->second;
}

Result<ChipRun> ChipRunner::run(const compiler::Graph& graph, const models::TensorMap& inputs,
                                models::TensorMap& caches) {
  if (options_.moe_load != compiler::MoeLoad::kWorst) {
    return Error{ErrorCode::kInvalidInput, "graph " + graph.name,
                 "values need room for any choice of experts", "compile for the worst load"};
  }
  RDU_ASSIGN(const auto given, inputs_by_key(graph, inputs));
  RDU_ASSIGN(const Program program, compiler::compile(graph, node_.chip, options_));
  sim::MemoryImage memory(program);
  for (size_t s = 0; s < program.symbols.size(); ++s) {
    const Symbol& symbol = program.symbols[s];
    const Tensor* tensor = nullptr;
    if (symbol.role == SymbolRole::kWeight || symbol.role == SymbolRole::kConstant) {
      RDU_ASSIGN(tensor, weight(symbol.source));
    } else if (const auto input = given.find(symbol.source);
               symbol.role == SymbolRole::kInput && input != given.end()) {
      tensor = input->second;
    } else if (const auto cache = caches.find(symbol.source); is_carried(symbol) && cache != caches.end()) {
      tensor = &cache->second;
    }
    if (tensor != nullptr) RDU_CHECK_OK(memory.write(program, SymbolId(s), *tensor));
  }

  sim::RunOptions run_options;
  run_options.fidelity = Fidelity::kEvent;
  run_options.memory = &memory;
  ChipRun run;
  RDU_ASSIGN(run.result, sim::run(program, node_, stack_, run_options));

  for (size_t s = 0; s < program.symbols.size(); ++s) {
    const Symbol& symbol = program.symbols[s];
    if (symbol.role != SymbolRole::kOutput && !is_carried(symbol)) continue;
    RDU_ASSIGN(Tensor tensor, memory.read(program, SymbolId(s)));
    (is_carried(symbol) ? caches : run.outputs)[symbol.source] = std::move(tensor);
  }
  return run;
}

models::GraphExecutor ChipRunner::executor() {
  return [this](const compiler::Graph& graph, const models::TensorMap& inputs,
                models::TensorMap& caches) -> Result<models::TensorMap> {
    RDU_ASSIGN(ChipRun chip_run, run(graph, inputs, caches));
    return std::move(chip_run.outputs);
  };
}

}  // namespace rdusim::cli
