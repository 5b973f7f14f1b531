// How many rows of a prompt a token of a section holds, where the tile pass's rule leaves a choice.
//
// Weights that are held are read for every block of rows, keys and values too, and every block brings its
// PCUs their parts of both operands: more rows a block mean fewer bytes for a product through the PMUs' ports
// and over the mesh, but a longer fill and larger tokens. So a section with products is built with a few
// sizes, placed and routed, and the one that is done first stays.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/section_router.h"

namespace rdusim::compiler {

class RowBlockSearch {
 public:
  // `compilation` has its tiling by the rule.
  explicit RowBlockSearch(const Compilation& compilation);

  // Rows of the blocks of the group's section: the rule's, or a multiple that is done sooner. Fails as
  // allocate does if the rule's do not fit.
  Result<int64_t> cheapest(const Group& group);

 private:
  [[nodiscard]] bool applies(const Group& group) const;
  Status build(const Group& group, int64_t rows);
  [[nodiscard]] bool has_products() const;
  // Cycles of a launch of what was built last; without its ways, if that is no sooner than `soonest` already.
  Result<int64_t> price(int64_t soonest);

  const Compilation& compilation_;
  const Mesh mesh_;
  Compilation trial_;
};

}  // namespace rdusim::compiler
