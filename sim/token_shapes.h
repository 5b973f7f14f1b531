// TokenShapes: extent of any one token of a section, and cost of any one firing, without running the section.
//
// A token is traced back over the firing that made it to the tokens which that firing held, and so on up to
// the streams, whose walk is known in closed form. So the inputs of a unit are always those of the same
// firing, ragged last row blocks included. Only accumulators need more than one firing behind them: their
// window is halved until its pieces are alike. What was traced is kept: sampling n firings of each of u units
// costs O(n u).
// APPROX: peers' parts of an exchange are as large as ours, as in the event engine's timing runs.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/topology.h"
#include "base/result.h"
#include "sim/firing_cost.h"

namespace rdusim::sim {

class TokenShapes {
 public:
  // Keeps references; `ends` are those of the section's channels.
  TokenShapes(const Program& program, const Section& section, const Launch& launch, const ChipSpec& chip,
              const std::vector<ChannelEnds>& ends);
  [[nodiscard]] const std::vector<int64_t>& operand_rates() const { return operand_rates_; }

  // Extent of the channel's token `number` (from 0). Fails as the firings behind it would, and with
  // kUnsupported when units feed each other in a loop.
  Result<Extent> token(ChannelId channel, int64_t number);
  // Service and registers of a firing (from 0) of a gemm, simd or buffer unit. Valid until the object dies.
  Result<const FiringCost::Entry*> firing(size_t unit, int64_t number);

 private:
  Result<Extent> streamed(const Unit& unit, int64_t number);
  Result<Extent> exchanged(const Unit& unit, int64_t number);
  Result<Extent> computed(size_t unit, size_t output, int64_t number);
  Result<FiringCost::Entry> trace(size_t unit, int64_t number);
  Result<Extent> collected(size_t unit, size_t output, int64_t begin, int64_t end);

  const Program& program_;
  const Section& section_;
  const Launch& launch_;
  const std::vector<ChannelEnds>& ends_;
  const std::vector<Cause> channel_causes_;
  const std::vector<int64_t> operand_rates_;
  std::vector<FiringCost> costs_;
  std::vector<std::map<int64_t, FiringCost::Entry>> firings_;  // [unit]
  size_t depth_ = 0;                                           // units between here and the first caller
};

}  // namespace rdusim::sim
