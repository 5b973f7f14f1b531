// How PCUs are shared among a section's stages and what they read is spread over PMUs.
//
// How much room a stage and what it reads should get depends on how a launch goes: where many blocks of rows
// pass, all stages work at once and the slowest sets the rate; where one passes alone, or a few, stages
// follow one another and the sum of their times counts. With Sizing::kSteady a section is sized for the
// first, unless its launches never come to it; with kLaunch in several ways between these two, and its launch
// followed token by token (launch_course.h). The soonest are placed and routed, and the best of them with a
// few more spreads of operands (routed_cost.h), so that a small change of the chip does not decide between
// two that differ much.
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
#include "compiler/passes/stage_memo.h"

namespace rdusim::compiler {

// One spread of a section over PMUs.
struct Spread {
  Section section;
  SectionTraffic traffic;
};

class SpreadSearch {
 public:
  // `work` has been run on `section`; the references are kept.
  SpreadSearch(const Section& section, SectionWork work, const ChipSpec& chip, StageMemo& memo);

  // Tries sizings. Fails with kCapacity.
  Status size(Sizing sizing, Effort effort);
  // Of the sizing that is done first as far as its ways over the mesh do not hold it up.
  [[nodiscard]] int64_t cycles_without_ways() const { return tried_.front().without_ways; }
  // Places and routes the best, and tries more spreads.
  Status seek(const Mesh& mesh, const DrawOptions& options);
  // The best so far.
  Spread take() { return std::move(*tried_.front().spread); }

 private:
  // A section whose stages have their PCUs.
  struct Sized {
    Section section;
    int64_t slowest_cycles = 0;  // until the slowest stage has done its work
    std::shared_ptr<const LaunchWork> launch;
  };
  struct Tried {
    std::shared_ptr<const Sized> sized;
    PmuSpread choice;
    std::unique_ptr<Spread> spread;
    int64_t without_ways = 0;                // cycles of a launch
    size_t number = 0;                       // in the order of trying
    std::unique_ptr<MappingSearch> mapping;  // once routed; keeps a reference to the spread
    [[nodiscard]] int64_t end() const { return mapping->best().cycles; }
  };
  Result<std::shared_ptr<const Sized>> give_pcus(double power) const;
  Result<Tried> spread_over(const std::shared_ptr<const Sized>& sized, const PmuSpread& choice) const;
  [[nodiscard]] bool is_known(const Tried& other) const;
  [[nodiscard]] bool first_is_at_bound() const;
  void keep_first(size_t count);
  [[nodiscard]] const Tried& soonest() const;
  [[nodiscard]] bool soonest_within(int64_t permille, int64_t spare_cycles) const;
  Status route_sizings(const Mesh& mesh, const DrawOptions& options);
  void choose();
  Status route_spreads(const Mesh& mesh, const DrawOptions& options);

  const Section& section_;
  SectionWork work_;
  const ChipSpec& chip_;
  StageMemo& memo_;
  std::vector<Tried> tried_;
};

// By section: what a launch of it may take longer without counting, since its launches are a small part of
// the program's time. `cycles`: of a launch of each.
std::vector<int64_t> spare_cycles(const Compilation& compilation, const std::vector<int64_t>& cycles);

}  // namespace rdusim::compiler
