// PassCosts: what the event loop asks for the cost of a pass. O(1) and without allocation once a shape is
// known: MemoisedExecution prices the anchors, this keeps them in flat tables and hands out four numbers
// (time, and bytes on the three shared resources) instead of a whole PassCost.
//
// The bytes by wire and cause are not summed pass by pass: each table cell counts how often, and with what
// weight, it was charged, and total_bytes() multiplies once at the end.
// The times of decode runs are those of MemoisedExecution::decode, to the picosecond (tests).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/memo_execution.h"
#include "runtime/serving/bandwidth_share.h"
#include "runtime/serving/flat_map.h"

namespace rdusim::runtime {

struct StreamCost {
  int64_t time_ps = 0;
  std::array<int64_t, kSharedResources> bytes{};  // by SharedResource
  int64_t energy_nj = 0;

  StreamCost& operator+=(const StreamCost& other);
};
// Bytes a second while the pass runs alone.
Bandwidths demand_of(const StreamCost& cost);

class PassCosts {
 public:
  PassCosts(MemoisedExecution& memo, size_t models) : memo_(memo), decode_(models) {}

  // Charged: what is asked is counted in total_bytes().
  Result<StreamCost> prefill(uint32_t model, int64_t batch, int64_t tokens) {
    return prompt(0, model, batch, tokens);
  }
  Result<StreamCost> embed(uint32_t model, int64_t batch, int64_t tokens) {
    return prompt(1, model, batch, tokens);
  }
  // Tokens [from, to) of a prompt whose first `from` are cached.
  Result<StreamCost> chunk(uint32_t model, int64_t from, int64_t to);
  // `steps` decode steps of `batch` sequences whose mean context is `context` at the first. Not charged:
  // charge_decode() is called with what really ran.
  Result<StreamCost> decode(uint32_t model, int64_t batch, int64_t context, int64_t steps);
  Status charge_decode(uint32_t model, int64_t batch, int64_t context, int64_t steps);
  Result<StreamCost> nearest_neighbours(int64_t vectors, int64_t dimensions, int64_t batch, int64_t k,
                                        int64_t classes);

  // Bytes of everything charged, by wire and cause.
  [[nodiscard]] ByteCounts total_bytes() const;
  void persist(Archive& a);

 private:
  struct PromptCell {
    int64_t count = 0;  // charged
    PassCost cost;
    StreamCost stream;
  };
  // Decode steps between two anchors of context.
  struct DecodeLine {
    bool known = false;
    PassCost low;
    PassCost high;
    int64_t below = 0;
    int64_t span = 0;
    int64_t count = 0;   // steps charged
    int64_t weight = 0;  // sum of their distances from `below`
  };
  static constexpr size_t kOctaves = 26;  // 64 x 2^25 tokens

  size_t add_cell(uint64_t key, const PassCost& cost);
  Result<size_t> chunk_cell(uint32_t model, int64_t from, int64_t tokens);
  Result<size_t> prompt_cell(uint64_t pass, uint32_t model, int64_t batch, int64_t tokens);
  Result<StreamCost> prompt(uint64_t pass, uint32_t model, int64_t batch, int64_t tokens);
  Result<DecodeLine*> line(uint32_t model, int64_t batch, int64_t context);
  template <typename Visit>
  Status over_lines(uint32_t model, int64_t batch, int64_t context, int64_t steps, Visit visit);

  MemoisedExecution& memo_;
  FlatMap<uint32_t> prompt_index_;
  std::vector<PromptCell> prompts_;
  std::vector<std::vector<DecodeLine>> decode_;  // [model][batch x kOctaves + octave]
  ByteCounts neighbour_bytes_{};
};

}  // namespace rdusim::runtime
