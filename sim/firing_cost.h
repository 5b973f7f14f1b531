// FiringCost: extents and service time of a unit's firings, memoised. A firing's cost depends on the shapes
// of its input tokens, on which outputs read their register now, and on the phase of by-firing slices; while
// these repeat, nothing is computed. Used by the event engine's timing runs and by the analytic model.
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/service.h"
#include "base/program/tile.h"
#include "base/result.h"

namespace rdusim::sim {

// What a firing does besides its body.
struct FiringActivity {
  uint32_t inputs_taken = 0;    // bit i: input i took a token
  uint32_t outputs_active = 0;  // bit o: output o emits
};

class FiringCost {
 public:
  FiringCost(const Section& section, const Unit& unit, const ChipSpec& chip);

  struct Entry {
    FiringCycles cycles;
    std::vector<Extent> sources;  // of each output: what its register holds (shape only in timing runs)
  };
  // `inputs`: extents of the held tokens; rows = -1 where none is held. The reference is valid until the next
  // call.
  Result<const Entry*> at(const std::vector<Extent>& inputs, FiringActivity activity, int64_t firing);
  // The same without memory, with coordinates: extents of all registers are left in `registers`.
  Result<FiringCycles> compute(FiringActivity activity, int64_t firing, std::vector<Extent>& registers);
  [[nodiscard]] const std::vector<bool>& needed(uint32_t outputs_active);

 private:
  struct Slot {
    bool used = false;
    FiringActivity activity;
    int64_t phase = 0;
    std::vector<int64_t> shapes;
    Entry entry;
  };
  static constexpr size_t kSlots = 64;  // direct-mapped; a collision only costs a recomputation

  [[nodiscard]] bool matches(const Slot& slot, const std::vector<Extent>& inputs, FiringActivity a,
                             int64_t phase) const;
  [[nodiscard]] int64_t moved_bytes_service(FiringActivity activity,
                                            const std::vector<Extent>& registers) const;
  Status fill(Slot& slot, const std::vector<Extent>& inputs, FiringActivity activity, int64_t firing);

  const Section& section_;
  const Unit& unit_;
  const ChipSpec& chip_;
  int64_t slice_period_;
  std::vector<Slot> slots_;
  size_t last_ = 0;
  std::vector<Extent> registers_;
  std::vector<std::pair<uint32_t, std::vector<bool>>> needed_;  // by outputs_active
};

}  // namespace rdusim::sim
