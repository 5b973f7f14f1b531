// The engine's parts alone: memory space, KV pool, DMA queue, tables, heaps, placement, predictor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "runtime/scheduler/indexed_heap.h"
#include "runtime/serving/dma.h"
#include "runtime/serving/faults.h"
#include "runtime/serving/flat_map.h"
#include "runtime/serving/hbm_space.h"
#include "runtime/serving/kv_pool.h"
#include "runtime/serving/pass_costs.h"
#include "runtime/serving/placement.h"
#include "runtime/serving/predictor.h"
#include "tests/support/table_node.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

TEST(RuntimeHbmSpace, ScatteredCountsBytesOnly) {
  HbmSpace space(Bytes(100), SpacePolicy::kScattered);
  EXPECT_TRUE(space.place(1, Bytes(40)));
  EXPECT_TRUE(space.place(2, Bytes(40)));
  EXPECT_FALSE(space.place(3, Bytes(21)));
  space.release(1);
  EXPECT_TRUE(space.place(3, Bytes(60)));
  EXPECT_EQ(space.free(), Bytes(0));
}

// [10: a][20: b][10: c][30: d][30 free], then a and c... leave holes of 20 and 30 to choose from.
TEST(RuntimeHbmSpace, FirstFitTakesTheFirstHoleBestFitTheTightest) {
  for (const SpacePolicy policy : {SpacePolicy::kFirstFit, SpacePolicy::kBestFit}) {
    HbmSpace space(Bytes(100), policy);
    ASSERT_TRUE(space.place(1, Bytes(30)));
    ASSERT_TRUE(space.place(2, Bytes(10)));
    ASSERT_TRUE(space.place(3, Bytes(20)));
    ASSERT_TRUE(space.place(4, Bytes(40)));
    space.release(1);
    space.release(3);
    EXPECT_EQ(space.largest_hole(), Bytes(30));
    ASSERT_TRUE(space.place(5, Bytes(15)));  // first fit: into 30; best fit: into 20
    EXPECT_EQ(space.fits(Bytes(25)), policy == SpacePolicy::kBestFit);
    EXPECT_FALSE(space.fits(Bytes(31)));
  }
}

TEST(RuntimeHbmSpace, CompactionMakesOneHoleAndSaysWhatItMoved) {
  HbmSpace space(Bytes(100), SpacePolicy::kFirstFit);
  ASSERT_TRUE(space.place(1, Bytes(30)));
  ASSERT_TRUE(space.place(2, Bytes(30)));
  ASSERT_TRUE(space.place(3, Bytes(30)));
  space.release(2);
  EXPECT_FALSE(space.fits(Bytes(40)));
  EXPECT_EQ(space.compact(), Bytes(30));
  EXPECT_TRUE(space.place(4, Bytes(40)));
  EXPECT_EQ(space.used(), Bytes(100));
}

TEST(RuntimeKvPool, WholePagesAndNothingBeyondTheCapacity) {
  KvPool pool(Bytes(100), 4);
  EXPECT_EQ(pool.bytes_for(5, Bytes(2)), Bytes(16));
  EXPECT_TRUE(pool.take(Bytes(96)));
  EXPECT_FALSE(pool.take(Bytes(5)));
  pool.give(Bytes(96));
  EXPECT_EQ(pool.used(), Bytes(0));
  EXPECT_EQ(pool.peak(), Bytes(96));
}

TEST(RuntimeKvPool, SharedBlocksAreHeldOnceAndKeptUntilRoomIsNeeded) {
  KvPool pool(Bytes(100), 1);
  const std::vector<uint64_t> blocks{7, 8, 9};
  EXPECT_EQ(pool.acquire_blocks(ExpertId(0), blocks, Bytes(20)), 3U);
  EXPECT_EQ(pool.cached_blocks(ExpertId(0), blocks), 3U);
  EXPECT_EQ(pool.cached_blocks(ExpertId(1), blocks), 0U);  // another expert's keys and values differ
  EXPECT_EQ(pool.acquire_blocks(ExpertId(0), blocks, Bytes(20)), 3U);
  EXPECT_EQ(pool.used(), Bytes(60));
  pool.release_blocks(ExpertId(0), blocks, 3);
  pool.release_blocks(ExpertId(0), blocks, 3);
  EXPECT_EQ(pool.used(), Bytes(60));
  EXPECT_EQ(pool.reclaimable(), Bytes(60));
  EXPECT_TRUE(pool.take(Bytes(55)));  // one block goes: the last of the prompt
  EXPECT_EQ(pool.cached_blocks(ExpertId(0), blocks), 2U);
  EXPECT_EQ(pool.used(), Bytes(95));
}

TEST(RuntimeKvPool, PagesOfAnotherOwnerAreScrubbedAndNoOthers) {
  const TenantId a(0);
  const TenantId b(1);
  KvPool pool(Bytes(100), 1, 2);
  EXPECT_TRUE(pool.take(Bytes(60), a));
  pool.give(Bytes(60), a);
  EXPECT_TRUE(pool.take(Bytes(50), a));  // its own pages
  EXPECT_TRUE(pool.take(Bytes(30), b));  // pages that nobody used
  EXPECT_EQ(pool.scrubbed(), Bytes(0));
  EXPECT_TRUE(pool.take(Bytes(15), b));  // ten more of those, and five that a left
  EXPECT_EQ(pool.scrubbed(), Bytes(5));
  pool.give(Bytes(45), b);
  EXPECT_TRUE(pool.take(Bytes(20), a));  // five of its own, fifteen of b
  EXPECT_EQ(pool.scrubbed(), Bytes(20));
}

// Against a pool whose pages are known one by one: no page changes hands unscrubbed, and none is scrubbed
// that stayed.
TEST(RuntimeKvPool, ScrubbingCountsEveryPageThatChangesHands) {
  Random random(5);
  constexpr int kPages = 64;
  constexpr size_t kOwners = 4;
  KvPool pool(Bytes(kPages), 1, kOwners);
  std::vector<int> last(kPages, -1);  // who used it last
  std::vector<int> held(kPages, -1);  // who holds it
  int64_t changed = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto owner = static_cast<int>(random.below(kOwners));
    if (random.below(2) == 0) {
      auto wanted = static_cast<int64_t>(random.below(12));
      if (!pool.take(Bytes(wanted), TenantId(static_cast<size_t>(owner)))) continue;
      for (int round = -2; round < static_cast<int>(kOwners); ++round) {  // its own, unused, owner by owner
        for (size_t p = 0; p < kPages && wanted > 0; ++p) {
          const bool fits = last[p] == (round == -2 ? owner : round);
          if (held[p] != -1 || !fits) continue;
          changed += last[p] != -1 && last[p] != owner ? 1 : 0;
          held[p] = last[p] = owner;
          --wanted;
        }
      }
      ASSERT_EQ(wanted, 0);
    } else {
      int64_t given = 0;
      for (size_t p = 0; p < kPages; ++p) {
        if (held[p] != owner || random.below(2) == 0) continue;
        held[p] = -1;
        ++given;
      }
      pool.give(Bytes(given), TenantId(static_cast<size_t>(owner)));
    }
    ASSERT_EQ(pool.scrubbed().value, changed) << i;
  }
  EXPECT_GT(changed, 100);
}

TEST(RuntimeKvPool, BlocksAreSharedWithinAnOwnerOnlyWhereIsolated) {
  KvPool pool(Bytes(100), 1, 2);
  const std::vector<uint64_t> blocks{7, 8};
  EXPECT_EQ(pool.acquire_blocks(ExpertId(0), blocks, Bytes(20), TenantId(0)), 2U);
  EXPECT_EQ(pool.cached_blocks(ExpertId(0), blocks, TenantId(0)), 2U);
  EXPECT_EQ(pool.cached_blocks(ExpertId(0), blocks, TenantId(1)), 0U);
  pool.release_blocks(ExpertId(0), blocks, 2, TenantId(0));
  EXPECT_TRUE(pool.take(Bytes(80), TenantId(1)));  // 60 unused, and one block that goes
  EXPECT_EQ(pool.scrubbed(), Bytes(20));
}

TEST(RuntimeDma, DemandGoesFirstAndThePrefetchKeepsWhatArrived) {
  Dma dma;
  Copy copy{CopyKind::kExpert, ExpertId(1), {}, false, Bytes(100), 0, 100, 100, 1, false};
  dma.push(copy);
  dma.settle(Picoseconds(40));
  copy.expert = ExpertId(2);
  copy.demanded = true;
  dma.push(copy);
  EXPECT_EQ(dma.active().expert, ExpertId(2));
  dma.settle(Picoseconds(140));
  EXPECT_EQ(dma.take_done()->expert, ExpertId(2));
  EXPECT_EQ(dma.active().expert, ExpertId(1));
  EXPECT_EQ(dma.next_event(), Picoseconds(200));
  EXPECT_EQ(dma.arrival_of(0.5), Picoseconds(150));
  dma.set_speed(kFullSpeed / 2);
  EXPECT_EQ(dma.next_event(), Picoseconds(260));
}

TEST(RuntimeDma, SetUpFirstThenBytes) {
  Dma dma;
  dma.push({CopyKind::kExpert, ExpertId(1), {}, true, Bytes(100), 7, 100, 100, 1, false});
  EXPECT_FALSE(dma.transfers());
  EXPECT_EQ(dma.next_event(), Picoseconds(7));
  dma.settle(Picoseconds(7));
  EXPECT_TRUE(dma.transfers());
  EXPECT_EQ(dma.next_event(), Picoseconds(107));
  EXPECT_FALSE(dma.take_done().has_value());
}

TEST(RuntimeFlatMap, EqualsAMapUnderRandomUse) {
  Random random(3);
  FlatMap<int> flat;
  std::map<uint64_t, int> map;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t key = random.below(500) * 0x100000001ULL;
    if (random.below(3) == 0) {
      flat.erase(key);
      map.erase(key);
    } else {
      flat[key] = i;
      map[key] = i;
    }
    ASSERT_EQ(flat.size(), map.size());
    const uint64_t asked = random.below(500) * 0x100000001ULL;
    const auto known = map.find(asked);
    const int* found = flat.find(asked);
    ASSERT_EQ(found != nullptr, known != map.end());
    if (found != nullptr) {
      ASSERT_EQ(*found, known->second);
    }
  }
}

TEST(RuntimeIndexedHeap, EqualsASortedSetUnderRandomUse) {
  Random random(5);
  IndexedHeap heap(60);
  std::set<std::pair<int64_t, uint32_t>> sorted;
  std::map<uint32_t, int64_t> keys;
  for (int i = 0; i < 20'000; ++i) {
    const ExpertId id(random.below(60));
    if (const auto known = keys.find(id.value); known != keys.end()) {
      sorted.erase({known->second, id.value});
      keys.erase(known);
    }
    if (random.below(3) == 0) {
      heap.remove(id);
    } else {
      const auto key = static_cast<int64_t>(random.below(40));
      heap.set(id, key);
      sorted.insert({key, id.value});
      keys[id.value] = key;
    }
    std::vector<ExpertId> first;
    heap.smallest(3, first);
    auto expected = sorted.begin();
    ASSERT_EQ(first.size(), std::min<size_t>(3, sorted.size()));
    for (const ExpertId e : first) ASSERT_EQ(e.value, (expected++)->second);
  }
}

TEST(RuntimePassCosts, DecodeRunsCostWhatTheMemoSays) {
  TableNode node;
  MemoisedExecution memo(node, {"small", "large"}, {});
  PassCosts costs(memo, 2);
  Random random(9);
  for (int i = 0; i < 500; ++i) {
    const auto context = static_cast<int64_t>(1 + random.below(5000));
    const auto steps = static_cast<int64_t>(1 + random.below(700));
    const auto model = static_cast<uint32_t>(random.below(2));
    const PassCost expected = memo.decode(model, 1, context, steps).value();
    const StreamCost cost = costs.decode(model, 1, context, steps).value();
    ASSERT_EQ(cost.time_ps, expected.time.value);
    ASSERT_EQ(cost.bytes[0],
              expected.bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)]);
    ASSERT_TRUE(costs.charge_decode(model, 1, context, steps).ok());
  }
}

TEST(RuntimePassCosts, ChunksOfAPromptCostAtLeastTheWholeAndCountTheirFixedPartEach) {
  TableNode node;
  MemoisedExecution memo(node, {"small"}, {});
  PassCosts costs(memo, 1);
  EXPECT_EQ(costs.chunk(0, 0, 40)->time_ps, 400);
  EXPECT_EQ(costs.chunk(0, 40, 100)->time_ps, 600 + 10);
  // The table prices no chunks: the difference of two prefills, and a prompt of one token. Every pass reads
  // 100 bytes of weights.
  EXPECT_EQ(costs.total_bytes()[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)], 200);
}

TEST(RuntimePlacement, PopularExpertsSpreadAndEveryExpertHasAHome) {
  const GroupRoom room{4, Bytes(500), std::vector<Bytes>(5, Bytes(100))};
  const Placement p = place_experts({room, room}, {60, 20, 10, 5, 5});
  EXPECT_TRUE(p.fits);
  EXPECT_EQ(p.homes[0].size(), 2U);  // more than one group's fair share of 50
  for (const auto& homes : p.homes) EXPECT_GE(homes.size(), 1U);
  EXPECT_NE(p.homes[0].front(), p.homes[1].front());
  const GroupRoom four{4, Bytes(400), std::vector<Bytes>(5, Bytes(100))};
  EXPECT_FALSE(place_experts({four}, {60, 20, 10, 5, 5}).fits);
}

TEST(RuntimePredictor, KnowsWhatIsPopularAndWhatFollows) {
  Predictor p(4);
  for (int i = 0; i < 3; ++i) {
    p.asked(ExpertId(0));
    p.asked(ExpertId(2));
  }
  p.asked(ExpertId(0));
  EXPECT_EQ(p.likely_next()->expert, ExpertId(2));
  EXPECT_TRUE(p.likely_next()->sure);  // nobody else ever followed
  for (int i = 0; i < 3; ++i) {
    p.asked(ExpertId(1));
    p.asked(ExpertId(0));
  }
  EXPECT_FALSE(p.likely_next()->sure);  // 2 and 1 followed as often
  EXPECT_EQ(p.most_popular([](ExpertId) { return true; }), ExpertId(0));
  EXPECT_EQ(p.most_popular([](ExpertId e) { return e.value != 0; }), ExpertId(1));  // as often as 2
}

TEST(RuntimeFaults, ScheduleIsSortedRecoversAndRepeats) {
  EngineOptions options;
  FaultSpec slow;
  slow.kind = "slow-link";
  slow.at_s = 2;
  slow.duration_s = 3;
  FaultSpec random;
  random.kind = "corrupt";
  random.rate_per_hour = 3600;
  options.faults = {random, slow};
  const ExpertRoster roster;
  const auto schedule = [&] {
    return fault_schedule(options, roster, 1, 10, Picoseconds(0), picoseconds_from_seconds(20)).value();
  };
  const auto events = schedule();
  EXPECT_GT(events.size(), 10U);  // about 20 corrupt copies, and the link twice
  EXPECT_TRUE(std::is_sorted(events.begin(), events.end(),
                             [](const FaultEvent& a, const FaultEvent& b) { return a.at < b.at; }));
  const auto again = schedule();
  ASSERT_EQ(again.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(again[i].at, events[i].at);
  options.faults[1].group = 1;
  EXPECT_THAT(fault_schedule(options, roster, 1, 10, {}, {}).error().what, HasSubstr("group 1 of 1"));
  options.faults[1].kind = "fire";
  EXPECT_THAT(fault_schedule(options, roster, 1, 10, {}, {}).error().what,
              HasSubstr("unknown kind of fault"));
}

}  // namespace
}  // namespace rdusim::runtime
