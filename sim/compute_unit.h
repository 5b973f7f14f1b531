// Gemm, simd and buffer units: PCUs or PMUs that fire on whole tokens.
//
//   input ports --> [held tokens] --> body (service cycles) --> [accumulators] --> output ports
//
// A firing starts when the unit is free and its tokens are there, and occupies the unit for its service time,
// or for as long as its operands take to be read (base/program/operand_reads.h); then it gives its results as
// soon as every output channel has a slot. A taken token keeps its slot until the end of the last firing that
// may use it: the firing before the port's next take, or the end of the port's period. Results leave as they
// are made, the last one the PCU pipeline's latency (gemm, simd) later, and take the channel's latency.
#pragma once

#include <vector>

#include "sim/component.h"
#include "sim/firing_cost.h"

namespace rdusim::sim {

class ComputeUnit : public Component {
 public:
  ComputeUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
              std::vector<TokenChannel*> inputs, std::vector<std::vector<TokenChannel*>> outputs);
  void run() override;

 private:
  struct Input {  // port in
    TokenChannel* channel = nullptr;
    Phases phases;
    int64_t phase = 0;  // of the coming firing
    bool held = false;
    Tile tile;
  };
  struct Output {  // port out
    std::vector<TokenChannel*> channels;
    const OutputPort* port = nullptr;
    int64_t phase = 0;
    int64_t reset_phase = 0;
    bool filled = false;  // the accumulator holds something
    Tile tile;            // accumulator, or this firing's result
  };

  FiringActivity take_inputs();
  FiringCycles cycles(FiringActivity activity, int64_t firing);
  void evaluate_body(FiringActivity activity, int64_t firing);
  void update_output(Output& output, bool active, const Extent& extent, Tile value);
  void release_inputs();
  void give_outputs(const FiringCycles& cost);

  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  FiringCost cost_;
  int64_t results_ready_cycle_ = 0;  // of the firing before: results leave in order
  // scratch of one firing
  std::vector<Extent> extents_;  // held tokens; functional: all registers
  std::vector<Tile> registers_;  // functional only
};

}  // namespace rdusim::sim
