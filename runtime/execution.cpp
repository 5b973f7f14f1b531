// What a node that does not price chunks of prompts itself charges for one; see execution.h.
#include "runtime/execution.h"

#include <algorithm>

namespace rdusim::runtime {

Result<PassCost> ExecutionModel::prefill_after(const std::string& model, int64_t cached, int64_t tokens) {
  RDU_ASSIGN(const PassCost whole, prefill(model, 1, cached + tokens));
  RDU_ASSIGN(const PassCost before, prefill(model, 1, cached));
  RDU_ASSIGN(PassCost cost, prefill(model, 1, 1));
  const auto more = [](int64_t all, int64_t part) { return std::max<int64_t>(all - part, 0); };
  cost.time += Picoseconds(more(whole.time.value, before.time.value));
  cost.energy_nj += more(whole.energy_nj, before.energy_nj);
  for (size_t w = 0; w < kWireCount; ++w) {
    for (size_t c = 0; c < kCauseCount; ++c) cost.bytes[w][c] += more(whole.bytes[w][c], before.bytes[w][c]);
  }
  return cost;
}

}  // namespace rdusim::runtime
