// FiringCost: extents, service time and executed operations of a unit's firings, memoised. A firing's cost
// depends on the shapes of its input tokens, on which outputs read their register now, and on the phase of
// by-firing slices; while these repeat, nothing is computed. Used by both executors of the event fidelity and
// by the analytic model.
//
// Firings come in rounds, so each kind of firing remembers which kind came after it: that one is tried first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/run_result.h"
#include "base/program/service.h"
#include "base/program/tile.h"
#include "base/result.h"

namespace rdusim::sim {

// What a firing does besides its body.
struct FiringActivity {
  uint32_t inputs_taken = 0;    // bit i: input i took a token
  uint32_t outputs_active = 0;  // bit o: output o emits
  friend bool operator==(const FiringActivity&, const FiringActivity&) = default;
};

// What firings executed and read.
struct FiringWork {
  WorkCounts operations{};
  CauseCounts operand_bytes{};     // of held tokens, once a firing that needs them, by what brought them
  CauseCounts reread_byte_hops{};  // over the RDN, for firings after the one that took the token
  int64_t reading_cycles = 0;      // that reading the operands takes beyond the passes
  void add(const FiringWork& other, int64_t times);
};

class FiringCost {
 public:
  // Of the section's channels: `channel_causes` (section_outcome.h) and `operand_rates`
  // (base/program/operand_reads.h). Keeps references.
  FiringCost(const Section& section, const Unit& unit, const ChipSpec& chip,
             const std::vector<Cause>& channel_causes, const std::vector<int64_t>& operand_rates);

  struct Entry {
    FiringCycles cycles;
    std::vector<Extent> sources;  // of each output: what its register holds (shape only in timing runs)
    FiringWork work;
  };
  // Cost of the unit's next firing, which is counted. `inputs`: extents of the held tokens; rows = -1 where
  // none is held. Valid until the next call.
  Result<const Entry*> at(const std::vector<Extent>& inputs, FiringActivity activity, int64_t firing);
  // The same without memory, with coordinates, not counted: extents of all registers are left in `registers`.
  Result<FiringCycles> compute(FiringActivity activity, int64_t firing, std::vector<Extent>& registers);
  // Of a firing whose registers compute() has filled, with what that returned.
  FiringWork work_of(FiringActivity activity, std::span<const Extent> registers, const FiringCycles& cycles);
  void count(const FiringWork& work) { folded_.add(work, 1); }
  // Of all firings counted so far.
  [[nodiscard]] FiringWork total() const;

  [[nodiscard]] const std::vector<bool>& needed(uint32_t outputs_active);
  [[nodiscard]] int64_t slice_period() const { return slice_period_; }

  template <typename Walk>
  void walk(Walk& state) {
    state.same(static_cast<int64_t>(kinds_.size()));
    state.same(folds_);
    for (Kind& kind : kinds_) state.count(kind.uses);
  }

 private:
  struct Kind {
    FiringActivity activity;
    int64_t phase = 0;
    int64_t uses = 0;
    uint32_t successor = 0;
    Entry entry;
  };
  // assumed: more kinds of firing than this are not worth their memory; then all are forgotten.
  static constexpr size_t kMaxKinds = size_t{1} << 14;

  [[nodiscard]] bool matches(size_t kind, const std::vector<Extent>& inputs, FiringActivity a,
                             int64_t phase) const;
  [[nodiscard]] size_t find(const std::vector<Extent>& inputs, FiringActivity a, int64_t phase,
                            size_t& place) const;
  Status add(const std::vector<Extent>& inputs, FiringActivity activity, int64_t firing, int64_t phase,
             size_t place);
  void grow_table();
  void fold();
  [[nodiscard]] int64_t moved_bytes_service(FiringActivity activity,
                                            const std::vector<Extent>& registers) const;

  const Section& section_;
  const Unit& unit_;
  const ChipSpec& chip_;
  const std::vector<Cause>& channel_causes_;
  const std::vector<int64_t>& operand_rates_;
  int64_t slice_period_;
  std::vector<Kind> kinds_;
  std::vector<int64_t> shapes_;   // rows and columns of the inputs, kind by kind
  std::vector<uint32_t> table_;   // open addressing: number of a kind + 1
  std::vector<uint8_t> operand_;  // of each operation: bytes of its widest operand's elements
  size_t last_ = 0;
  FiringWork folded_;
  int64_t folds_ = 0;
  std::vector<Extent> registers_;
  std::vector<std::pair<uint32_t, std::vector<bool>>> needed_;  // by outputs_active
};

}  // namespace rdusim::sim
