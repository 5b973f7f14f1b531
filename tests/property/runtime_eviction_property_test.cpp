// Laws of every policy over seeded traces: capacity, refused experts, determinism, Belady's bound, and that
// leaving missed() out changes nothing that is resident illegally.
#include <gtest/gtest.h>

#include "base/random.h"
#include "runtime/eviction/replay.h"
#include "runtime/workload/popularity.h"

namespace rdusim::runtime {
namespace {

AccessTrace random_trace(uint64_t seed, bool equal_sizes, size_t experts = 40, int accesses = 3000) {
  AccessTrace trace;
  trace.name = "random";
  Random random(seed);
  for (size_t e = 0; e < experts; ++e)
    trace.bytes.emplace_back(equal_sizes ? 7 : 1 + static_cast<int64_t>(random.below(20)));
  ExpertDraw draw({PopularityLaw::Kind::kZipf, 0.8}, experts, seed);
  for (int i = 0; i < accesses; ++i) trace.accesses.push_back(draw.next());
  return trace;
}

TEST(EvictionLaws, CapacityHoldsAndCountsAddUp) {
  for (const EvictionChoice& choice : eviction_policies()) {
    for (const uint64_t seed : {1, 2, 3}) {
      const AccessTrace trace = random_trace(seed, false);
      for (const int64_t capacity : {20, 57, 150, 1000}) {
        const auto r = replay(trace, choice.name, Bytes(capacity));
        ASSERT_TRUE(r.ok());
        EXPECT_EQ(r->requests, 3000);
        EXPECT_EQ(r->hits + r->misses, r->requests);
        EXPECT_LE(r->most_bytes_resident.value, capacity) << choice.name;
        EXPECT_LE(r->bytes_missed, r->bytes_requested);
        EXPECT_LE(r->evictions, r->misses);
      }
    }
  }
}

TEST(EvictionLaws, EqualRunsAreEqual) {
  const AccessTrace trace = random_trace(5, false);
  for (const EvictionChoice& choice : eviction_policies()) {
    const auto a = replay(trace, choice.name, Bytes(90));
    const auto b = replay(trace, choice.name, Bytes(90));
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(a->misses, b->misses);
    EXPECT_EQ(a->bytes_missed, b->bytes_missed);
  }
}

TEST(EvictionLaws, NobodyBeatsBeladyOnEqualSizes) {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    const AccessTrace trace = random_trace(seed, true);
    for (const int64_t slots : {1, 3, 10, 39}) {
      const auto bound = replay(trace, "belady", Bytes(7 * slots));
      ASSERT_TRUE(bound.ok());
      for (const EvictionChoice& choice : eviction_policies()) {
        const auto r = replay(trace, choice.name, Bytes(7 * slots));
        ASSERT_TRUE(r.ok());
        EXPECT_GE(r->misses, bound->misses) << choice.name << " with " << slots << " slots";
      }
    }
  }
}

TEST(EvictionLaws, BeladyIsTheLeastOfAllChoices) {
  // Every sequence of victims, tried out: the least number of misses that any demand-loading cache can have.
  struct Search {
    const std::vector<ExpertId>& accesses;
    size_t slots;
    int64_t least(size_t at, std::vector<ExpertId> resident) const {
      while (at < accesses.size() &&
             std::find(resident.begin(), resident.end(), accesses[at]) != resident.end())
        ++at;
      if (at == accesses.size()) return 0;
      if (resident.size() < slots) {
        resident.push_back(accesses[at]);
        return 1 + least(at + 1, resident);
      }
      int64_t best = INT64_MAX;
      for (size_t v = 0; v < slots; ++v) {
        auto next = resident;
        next[v] = accesses[at];
        best = std::min(best, 1 + least(at + 1, next));
      }
      return best;
    }
  };
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const AccessTrace trace = random_trace(seed, true, 5, 14);
    const auto r = replay(trace, "belady", Bytes(21));
    ASSERT_TRUE(r.ok());
    EXPECT_EQ(r->misses, (Search{trace.accesses, 3}.least(0, {})));
  }
}

// A cache whose experts are pinned at random, driven without missed() and resized() half of the time.
void drive(const std::string& name, uint64_t seed) {
  constexpr size_t kExperts = 30;
  const AccessTrace trace = random_trace(seed, false, kExperts, 1500);
  TraceFuture future(trace);
  const auto policy = make_eviction_policy(name, kExperts, &future);
  ASSERT_TRUE(policy.ok());
  const bool announces = seed % 2 == 0;
  if (announces) (*policy)->resized(Bytes(100));
  std::vector<bool> resident(kExperts);
  std::vector<bool> pinned(kExperts);
  Random random(seed);
  int64_t used = 0;
  for (const ExpertId e : trace.accesses) {
    future.advance();
    pinned.assign(kExperts, false);
    for (int p = 0; p < 3; ++p) pinned[random.below(kExperts)] = true;
    if (resident[e.value]) {
      (*policy)->used(e);
      continue;
    }
    if (announces) (*policy)->missed(e, trace.bytes[e.value]);
    bool stuck = false;
    while (used + trace.bytes[e.value].value > 100 && !stuck) {
      const auto v = (*policy)->victim([&](ExpertId x) { return !pinned[x.value]; });
      bool any = false;
      for (size_t i = 0; i < kExperts; ++i) any = any || (resident[i] && !pinned[i]);
      ASSERT_EQ(v.has_value(), any) << name;
      stuck = !v;
      if (stuck) break;
      ASSERT_TRUE(resident[v->value]) << name;
      ASSERT_FALSE(pinned[v->value]) << name;
      (*policy)->evicted(*v);
      resident[v->value] = false;
      used -= trace.bytes[v->value].value;
    }
    if (stuck) continue;  // announced, but not loaded
    (*policy)->loaded(e, trace.bytes[e.value]);
    resident[e.value] = true;
    used += trace.bytes[e.value].value;
    if (random.below(20) == 0) {  // leaves without having been named
      (*policy)->evicted(e);
      resident[e.value] = false;
      used -= trace.bytes[e.value].value;
    }
  }
}

TEST(EvictionLaws, PinnedExpertsStayAndForcedLeavingIsAllowed) {
  for (const EvictionChoice& choice : eviction_policies()) {
    for (uint64_t seed = 1; seed <= 6; ++seed) drive(choice.name, seed);
  }
}

}  // namespace
}  // namespace rdusim::runtime
