// How operands are spread over PMUs: a few ways are placed and routed, and the one whose launch ends first is
// taken (routed_cost.h), so that a small change of the chip does not decide between two that differ much.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/allocate_pmus.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/routed_cost.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {

// One spread of a section over PMUs.
struct Spread {
  Section section;
  SectionTraffic traffic;
};

class SpreadSearch {
 public:
  // `work` has been run on `section`, which has its PCUs; both references are kept. `slowest_cycles`: until
  // the slowest stage has done its work.
  SpreadSearch(const Section& section, SectionWork work, const ChipSpec& chip, int64_t slowest_cycles);

  // The spread that all others are measured against. Fails with kCapacity.
  Status begin();
  [[nodiscard]] int64_t cycles_without_ways() const;
  // Tries others.
  Status seek(const Mesh& mesh, const DrawOptions& options);
  // The best so far.
  Spread take() { return std::move(*best_); }

 private:
  // With its places; the search keeps a reference to the spread.
  struct Tried {
    std::unique_ptr<Spread> spread;
    std::unique_ptr<MappingSearch> mapping;
    size_t number = 0;
    [[nodiscard]] int64_t end() const { return mapping->best().cycles; }
  };
  Result<std::unique_ptr<Spread>> spread_over(const PmuSpread& choice) const;
  [[nodiscard]] bool known(const Spread& spread) const;

  const Section& section_;
  SectionWork work_;
  const ChipSpec& chip_;
  int64_t slowest_cycles_;
  std::shared_ptr<const LaunchWork> launch_;
  std::unique_ptr<Spread> best_;
  std::vector<Tried> tried_;
};

// By section: what a launch of it may take longer without counting, since its launches are a small part of
// the program's time. `cycles`: of a launch of each.
std::vector<int64_t> spare_cycles(const Compilation& compilation, const std::vector<int64_t>& cycles);

}  // namespace rdusim::compiler
