// MemoisedExecution: what the event loop asks instead of an ExecutionModel. Each shape is priced once.
//
// * A prefill, embedding or nearest-neighbour pass is remembered by its exact shape, or (prefill, embed)
// interpolated
//   between the sizes of a grid when a workload has too many prompt lengths to compile each.
// * A chunk of a prompt likewise by its own tokens; in the tokens cached before it, it is a straight line
// between the anchors of a decode step.
// * A decode step's cost is asked at a few context lengths only (1, 64, 128, 256, ... doubling) and taken as
// a straight
//   line between them; n steps are the sum of the line, in integers, rounded once per segment.
// APPROX: a decode step is weights plus KV cache, linear in the context, so the line is exact up to the whole
// tiles that the compiler rounds to; a prefill has a quadratic part (attention), of which a chord over a grid
// step of 1/8 octave overstates at most 1/256 (chord of x^2 over [a, 1.125 a]: a^2 / 256).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/execution.h"
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

struct MemoOptions {
  bool exact_prompts = true;  // false: prompts above kExactPromptTokens are interpolated on the grid
  // Batches that are no power of two are a straight line between the powers beside them. APPROX: a pass is
  // weights, then bytes and FLOPs in proportion to the batch, so the line is exact but for whole tiles and
  // for the batch at which the bound changes.
  bool batch_grid = false;
  // Prompts up to kExactPromptTokens too are priced at multiples of this only, and lie between them on a
  // line.
  int64_t short_prompt_step = 1;
};

class MemoisedExecution {
 public:
  static constexpr int64_t kExactPromptTokens = 128;
  static constexpr int64_t kFirstDecodeAnchor = 64;

  // `models`: names by the handle that the other functions take.
  MemoisedExecution(ExecutionModel& execution, std::vector<std::string> models, MemoOptions options);

  Result<PassCost> prefill(uint32_t model, int64_t batch, int64_t tokens);
  // `tokens` of a prompt behind `cached` ones, at least 1. APPROX: attention to the cached tokens and their
  // bytes are linear in their number, a chunk's other work does not depend on it.
  Result<PassCost> prefill_after(uint32_t model, int64_t cached, int64_t tokens);
  Result<PassCost> embed(uint32_t model, int64_t batch, int64_t tokens);
  Result<PassCost> decode(uint32_t model, int64_t batch, int64_t context, int64_t steps);
  Result<PassCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                      int64_t classes);

  // Shapes that the ExecutionModel priced.
  [[nodiscard]] int64_t priced() const { return priced_; }
  void persist(Archive& a);

 private:
  enum class Pass : uint8_t { kPrefill, kEmbed, kDecodeStep, kChunk };
  // Pass, model, batch (of a chunk, which is one sequence's, the tokens cached before it), tokens.
  using Shape = std::tuple<Pass, uint32_t, int64_t, int64_t>;

  Result<PassCost> price(Pass pass, uint32_t model, int64_t batch, int64_t tokens);
  Result<PassCost> price_exactly(Pass pass, uint32_t model, int64_t batch, int64_t tokens);
  Result<PassCost> prompt_pass(Pass pass, uint32_t model, int64_t batch, int64_t tokens);

  ExecutionModel& execution_;
  std::vector<std::string> models_;
  MemoOptions options_;
  std::map<Shape, PassCost> costs_;
  std::map<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>, PassCost> neighbour_costs_;
  int64_t priced_ = 0;
};

// count x from + (to - from) x weight / span, rounded once: the sum of `count` points of a line.
int64_t along_line(int64_t from, int64_t to, int64_t count, int64_t weight, int64_t span);

// a + b, tier by tier and cause by cause.
PassCost& operator+=(PassCost& a, const PassCost& b);

}  // namespace rdusim::runtime
