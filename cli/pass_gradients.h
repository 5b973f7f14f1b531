// Gradients of the passes that serving is made of: each shape's programs are run once more with their
// critical path, and what serving interpolates between shapes is interpolated here by the same code. That
// code knows times only, so there is one price list a parameter, whose "times" are the magnitudes of the
// derivatives by it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "cli/chip_execution.h"
#include "report/serving_explanation.h"
#include "runtime/memo_execution.h"
#include "runtime/serving/memory_plan.h"

namespace rdusim::cli {

// A node's passes at shapes that serving asks its ExecutionModel for; the functions are that one's.
class GradientSource {
 public:
  // Of the node that `execution` runs on, as its service was built.
  GradientSource(const ChipExecution& execution, ModelLibrary& library)
      : node_(execution.node()),
        stack_(execution.stack()),
        fidelity_(execution.fidelity()),
        bucket_(execution.sequence_bucket()),
        context_of_(execution.context_of()),
        library_(library) {}

  Result<report::PassGradient> prefill(const std::string& model, int64_t batch, int64_t tokens);
  Result<report::PassGradient> prefill_after(const std::string& model, int64_t cached, int64_t tokens);
  Result<report::PassGradient> decode(const std::string& model, int64_t batch, int64_t context,
                                      int64_t steps);
  Result<report::PassGradient> embed(const std::string& model, int64_t batch, int64_t tokens);
  Result<report::PassGradient> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch,
                                                  int64_t k, int64_t classes);
  [[nodiscard]] const NodeSpec& node() const { return node_; }
  [[nodiscard]] const StackSpec& stack() const { return stack_; }
  // d time / d ln(parameter) of any pass so far is not 0.
  [[nodiscard]] bool depends_on(size_t parameter) const;

 private:
  // `ask` runs one pass on the model that it is given; its gradient is kept under `shape`.
  using Shape = std::tuple<std::string, int64_t, int64_t, int64_t, int64_t>;
  using Ask = std::function<Result<runtime::PassCost>(runtime::ExecutionModel&)>;
  Result<report::PassGradient> pass(const Shape& shape, const Ask& ask);

  NodeSpec node_;
  StackSpec stack_;
  Fidelity fidelity_;
  SequenceBucket bucket_;
  ChipExecution::ContextOf context_of_;
  ModelLibrary& library_;
  std::map<Shape, report::PassGradient> known_;
};

class PassGradients {
 public:
  PassGradients(GradientSource& source, std::vector<std::string> models, runtime::MemoOptions options);
  ~PassGradients();

  Result<report::PassGradient> prefill(const std::string& model, int64_t batch, int64_t tokens);
  Result<report::PassGradient> embed(const std::string& model, int64_t batch, int64_t tokens);
  Result<report::PassGradient> decode(const std::string& model, int64_t batch, int64_t context,
                                      int64_t steps);
  Result<report::PassGradient> nearest_neighbours(const runtime::NeighbourShape& shape, int64_t batch);

 private:
  struct PriceList;  // of one parameter, or of the time itself
  template <typename Ask>
  Result<report::PassGradient> collect(Ask ask);
  [[nodiscard]] uint32_t number_of(const std::string& model) const;

  std::vector<std::string> models_;
  std::vector<std::unique_ptr<PriceList>> lists_;  // by HardwareParameter, then the time
};

}  // namespace rdusim::cli
