// A functional Composition of Experts: small experts with real weights, whose bytes lie in a store (DDR) and
// are copied into HBM when they are needed. What computes are the bytes that lie in HBM at that moment: a
// wrong copy, a lost eviction or an overlap shows as a wrong number. No time.
//
//   store: one image an expert ──copy──► HBM: pages, first fit ──decode BF16──► reference interpreter
//
// Isolation: every page remembers whose bytes it holds. A page that goes to another owner is zeroed first;
// the bytes zeroed are counted. An expert runs for its owner, or for all when it has none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/tensor.h"
#include "models/fixture.h"
#include "models/model.h"
#include "runtime/eviction/policy.h"

namespace rdusim::cli {

// Where each weight of a model lies in its image; one layout for experts of one shape.
struct WeightLayout {
  struct Segment {
    std::string source;
    Shape shape;
    int64_t offset = 0;  // bytes, BF16 values
  };
  std::vector<Segment> segments;
  int64_t bytes = 0;
};
WeightLayout weight_layout(const models::TensorMap& weights);
// The weights as BF16 bytes. Every weight of the layout is in the map.
std::vector<uint8_t> pack_weights(const WeightLayout& layout, const models::TensorMap& weights);

struct FunctionalCounts {
  int64_t requests = 0;
  int64_t loads = 0;
  int64_t evictions = 0;
  int64_t bytes_copied = 0;    // store to HBM
  int64_t bytes_scrubbed = 0;  // zeroed before another owner got them
};

struct FunctionalAnswer {
  std::vector<int64_t> ids;    // greedy
  std::vector<Tensor> logits;  // of the last position, one a pass
};

// Prefill of `prompt`, then decode steps up to `tokens` answers, on the reference interpreter; `weight` gives
// every source its values anew in every pass.
using WeightReader = std::function<Result<Tensor>(const std::string& source)>;
Result<FunctionalAnswer> run_expert(const models::Model& model, const std::vector<int64_t>& prompt,
                                    int64_t tokens, const WeightReader& weight);

class FunctionalNode {
 public:
  static constexpr int64_t kPageBytes = 4096;
  struct Options {
    int64_t hbm_bytes = 0;  // whole pages
    bool scrub = true;      // false only to show that the tests notice
  };
  // Experts of one model. `model` outlives the node.
  FunctionalNode(const models::Model& model, WeightLayout layout, Options options,
                 std::unique_ptr<runtime::EvictionPolicy> policy);

  // Puts an image into the store. `owner` 0: everybody's.
  ExpertId add_expert(std::vector<uint8_t> image, uint32_t owner);
  // Loads the expert if needed, runs it while it is pinned. Fails with kUnsupported for a tenant that may
  // not.
  Result<FunctionalAnswer> serve(ExpertId expert, uint32_t tenant, const std::vector<int64_t>& prompt,
                                 int64_t tokens);
  // Memory of its own for a tenant (KV, scratch), as it finds it: experts leave for it. Freed by release().
  Result<std::span<const uint8_t>> allocate(uint32_t tenant, int64_t bytes);
  void release(uint32_t tenant);

  [[nodiscard]] bool resident(ExpertId expert) const { return place_[expert.value].has_value(); }
  [[nodiscard]] std::span<const uint8_t> hbm() const { return hbm_; }
  [[nodiscard]] std::span<const uint8_t> image(ExpertId expert) const { return store_[expert.value]; }
  // The expert's bytes in HBM; it is resident.
  [[nodiscard]] std::span<const uint8_t> region(ExpertId expert) const;
  [[nodiscard]] const FunctionalCounts& counts() const { return counts_; }

 private:
  Status load(ExpertId expert);
  Result<int64_t> make_room(int64_t pages, uint32_t owner);
  [[nodiscard]] std::optional<int64_t> find_free(int64_t pages) const;
  void evict(ExpertId expert);

  const models::Model& model_;
  WeightLayout layout_;
  std::map<std::string, size_t> segment_of_;  // by source
  Options options_;
  std::unique_ptr<runtime::EvictionPolicy> policy_;
  std::vector<uint8_t> hbm_;
  std::vector<bool> page_taken_;
  std::vector<uint32_t> page_owner_;  // whose bytes it holds, taken or not; kClean: zeros
  std::vector<std::vector<uint8_t>> store_;
  std::vector<uint32_t> owner_;                // by expert
  std::vector<std::optional<int64_t>> place_;  // by expert: first page
  std::optional<ExpertId> running_;
  std::map<uint32_t, std::vector<std::pair<int64_t, int64_t>>> allocations_;  // by tenant: first page, pages
  FunctionalCounts counts_;
};

}  // namespace rdusim::cli
