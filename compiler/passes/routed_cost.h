// How soon a launch of a section ends once its units have their places and ways: the judge between placements
// and between allocations that differ in how they spread over the mesh.
//
// A section is drawn in several layouts (placement.h). Those with the shortest wires are routed, and their
// launches are followed token by token (launch_course.h): one link that two wide reads share holds up a whole
// pipeline, which no sum over wires or links shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/placement.h"
#include "compiler/passes/section_router.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

struct DrawOptions {
  uint64_t seed = 0;  // of what they draw
  // Of a launch, which its ways over the mesh may cost without another look.
  int64_t spare_cycles = 0;
};
// Draws that are routed where a placement only stands for the cost of what is compared, and for what is left
// when that is done.
inline constexpr int kFewDraws = 2;
inline constexpr int kManyDraws = 6;

struct Mapping {
  Section section;     // with tiles and AGCU ports, without routes
  Layout layout;       // that was drawn
  int64_t cycles = 0;  // of a launch
};

class MappingSearch {
 public:
  // Keeps references. If traffic names a layout, nothing else is drawn in the first round.
  MappingSearch(const Section& section, const SectionTraffic& traffic, const Mesh& mesh,
                const DrawOptions& options);

  // Routes draws of the first round until so many are; the first that is nearly as fast as a section without
  // ways ends it. None is routed twice.
  Status route(int draws);
  // Other rounds, each of draws in the best layout so far with other swaps, until ways cost little or chance
  // has no more to give.
  Status draw_again(int rounds);

  // Of what was routed.
  [[nodiscard]] const Mapping& best() const { return best_; }
  Mapping take() { return std::move(best_); }
  [[nodiscard]] int64_t cycles_without_ways() const { return without_ways_; }

 private:
  // Whether ways cost no more than `permille` of a launch does without, or than may be spared.
  [[nodiscard]] bool costs_at_most(int64_t permille) const;
  Status route_draws(std::vector<Draw>& draws, size_t begin, size_t end);

  const Section& section_;
  const SectionTraffic& traffic_;
  const Mesh& mesh_;
  DrawOptions options_;
  int64_t without_ways_;
  std::vector<Draw> first_;  // round, shortest wires first
  size_t routed_ = 0;        // of these
  int64_t soonest_ = 0;      // of the last draws that were routed
  int64_t latest_ = 0;
  Mapping best_;
};

}  // namespace rdusim::compiler
