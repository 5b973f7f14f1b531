// Every policy by sequences worked by hand, the structures below them, and the reading of access traces.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "runtime/eviction/access_trace.h"
#include "runtime/eviction/expert_heap.h"
#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"
#include "runtime/eviction/replay.h"

namespace rdusim::runtime {
namespace {

// A trace written as letters; every letter is an expert of `bytes` (or of its entry in `sizes`).
AccessTrace letters(const std::string& text, std::vector<int64_t> sizes = {}, int64_t bytes = 1) {
  AccessTrace trace;
  trace.name = text;
  const auto experts = static_cast<size_t>(*std::max_element(text.begin(), text.end()) - 'a') + 1;
  for (size_t e = 0; e < experts; ++e) trace.bytes.emplace_back(e < sizes.size() ? sizes[e] : bytes);
  for (const char c : text) trace.accesses.emplace_back(static_cast<size_t>(c - 'a'));
  return trace;
}

// Who leaves, in order.
std::string leavers(const std::string& policy_name, const AccessTrace& trace, int64_t capacity) {
  TraceFuture future(trace);
  const auto policy = make_eviction_policy(policy_name, trace.bytes.size(), &future);
  EXPECT_TRUE(policy.ok());
  (*policy)->resized(Bytes(capacity));
  std::vector<bool> resident(trace.bytes.size());
  int64_t used = 0;
  std::string out;
  for (const ExpertId e : trace.accesses) {
    future.advance();
    if (resident[e.value]) {
      (*policy)->used(e);
      continue;
    }
    (*policy)->missed(e, trace.bytes[e.value]);
    while (used + trace.bytes[e.value].value > capacity) {
      const auto v = (*policy)->victim([](ExpertId) { return true; });
      EXPECT_TRUE(v.has_value());
      (*policy)->evicted(*v);
      resident[v->value] = false;
      used -= trace.bytes[v->value].value;
      out += static_cast<char>('a' + v->value);
    }
    (*policy)->loaded(e, trace.bytes[e.value]);
    resident[e.value] = true;
    used += trace.bytes[e.value].value;
  }
  return out;
}

TEST(Eviction, FifoIgnoresUse) {
  EXPECT_EQ(leavers("fifo", letters("abcaad"), 3), "a");
  EXPECT_EQ(leavers("fifo", letters("abcaadb"), 3), "a");  // b is still there
  EXPECT_EQ(leavers("fifo", letters("abcaadba"), 3), "ab");
}

TEST(Eviction, LruKeepsTheUsed) {
  EXPECT_EQ(leavers("lru", letters("abcad"), 3), "b");
  EXPECT_EQ(leavers("lru", letters("abcadcb"), 3), "ba");
}

TEST(Eviction, LfuCountsWhileResidentAndIsFifoAmongEquals) {
  // a has 3 uses, b 2, c 1.
  EXPECT_EQ(leavers("lfu", letters("aaabbcd"), 3), "c");
  // d comes with 1 and goes for c, which starts anew with 1 and goes for d.
  EXPECT_EQ(leavers("lfu", letters("aaabbcdcd"), 3), "cdc");
  // b reaches two uses before a does, so b goes first.
  EXPECT_EQ(leavers("lfu", letters("abbac"), 2), "b");
}

TEST(Eviction, ClockSparesOnce) {
  // The hand clears a (which queues behind c) and takes b; then c, and a whose bit is gone.
  EXPECT_EQ(leavers("clock", letters("abcad"), 3), "b");
  EXPECT_EQ(leavers("clock", letters("abcadef"), 3), "bca");
  // All used: everybody loses the bit, the first goes.
  EXPECT_EQ(leavers("clock", letters("abcabcd"), 3), "a");
}

TEST(Eviction, SieveSparesInPlace) {
  // The hand passes a and takes b, stays at c; then takes c, d; a keeps its place and goes when the hand is
  // round again.
  EXPECT_EQ(leavers("sieve", letters("abcad"), 3), "b");
  EXPECT_EQ(leavers("sieve", letters("abcade"), 3), "bc");
  EXPECT_EQ(leavers("sieve", letters("abcadef"), 3), "bcd");
  // e is used, so the hand passes it and f, comes round to a, whose bit it took before.
  EXPECT_EQ(leavers("sieve", letters("abcadeefeg"), 3), "bcdf");
  EXPECT_EQ(leavers("sieve", letters("abcadefefg"), 3), "bcda");
}

TEST(Eviction, S3FifoSendsTheUnusedToGhostsAndTheRememberedToMain) {
  // Capacity 10: small target 1. a to j fill the small queue. a was used twice: it moves to main, b goes; b
  // is remembered and comes back to main, for c.
  EXPECT_EQ(leavers("s3fifo", letters("abcdefghijaak"), 10), "b");
  EXPECT_EQ(leavers("s3fifo", letters("abcdefghijaakb"), 10), "bc");
  // Once used is not enough.
  EXPECT_EQ(leavers("s3fifo", letters("abcdefghijak"), 10), "a");
}

TEST(Eviction, S3FifoLoadsWhatIsLargerThanItsSmallQueue) {
  const auto result = replay(letters("aab", {6, 6}), "s3fifo", Bytes(10));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->hits, 1);
  EXPECT_EQ(result->misses, 2);
}

TEST(Eviction, ArcPrefersRecencyAfterGhostHitsInB1) {
  // Unit 10^6 bytes an expert, so both variants step alike. a moves to T2; b, c in T1; d takes b's place (T1
  // is beyond p = 0) and B1 remembers it.
  const int64_t mb = 1'000'000;
  for (const char* policy : {"arc", "arcpaper"}) {
    EXPECT_EQ(leavers(policy, letters("aabcd", {}, mb), 3 * mb), "b");
    // b comes back through B1: p = 1, T1 = {c, d} is beyond it, c goes; b enters T2.
    EXPECT_EQ(leavers(policy, letters("aabcdb", {}, mb), 3 * mb), "bc");
    // e: T1 = {d} is at its target, so T2's oldest, a, goes.
    EXPECT_EQ(leavers(policy, letters("aabcdbe", {}, mb), 3 * mb), "bca");
    // T1 fills the cache: LRU, and who leaves is not remembered.
    EXPECT_EQ(leavers(policy, letters("abcda", {}, mb), 3 * mb), "ab");
  }
}

TEST(Eviction, ArcVariantsDifferInTheStep) {
  const int64_t gb = 1'000'000'000;
  // After b's ghost hit the reference's p is 10^6 bytes, the paper's one expert: e takes d or a.
  EXPECT_EQ(leavers("arc", letters("aabcdbe", {}, gb), 3 * gb), "bcd");
  EXPECT_EQ(leavers("arcpaper", letters("aabcdbe", {}, gb), 3 * gb), "bca");
}

TEST(Eviction, GdsfKeepsTheSmallAndAges) {
  // a of 4 bytes goes before b of 1; the age rises to a's priority.
  EXPECT_EQ(leavers("gdsf", letters("bac", {4, 1, 1}), 5), "a");
  // Equal sizes: LFU with age. a has 3 uses; newcomers leave until the age has reached it: b, c at 1, 2 ... d
  // at age 2 + 1 = 3 ties with a, which was used longest ago.
  EXPECT_EQ(leavers("gdsf", letters("aaabcdef"), 2), "bcad");
}

TEST(Eviction, LfuDaIgnoresSize) {
  EXPECT_EQ(leavers("lfuda", letters("bac", {4, 1, 1}), 5), "b");
  EXPECT_EQ(leavers("lfuda", letters("aaabcdef"), 2), "bcad");
}

TEST(Eviction, SizeTakesTheLargestThenTheLeastRecent) {
  EXPECT_EQ(leavers("size", letters("abcd", {1, 3, 2, 1}), 6), "b");
  EXPECT_EQ(leavers("size", letters("abcad"), 3), "b");
}

TEST(Eviction, BeladyTakesTheFarthest) {
  // At d: a comes at 5, b at 4, c never.
  EXPECT_EQ(leavers("belady", letters("abcdba"), 3), "c");
  // At c: b comes before a. Then c before b. Last: neither a nor c comes again, the lower id goes.
  EXPECT_EQ(leavers("belady", letters("abcbacb"), 2), "aba");
}

TEST(Eviction, NobodyWhoMayNotGoIsNamed) {
  const AccessTrace trace = letters("abcabcd");
  for (const EvictionChoice& choice : eviction_policies()) {
    TraceFuture future(trace);
    const auto policy = make_eviction_policy(choice.name, 4, &future);
    ASSERT_TRUE(policy.ok());
    for (size_t e = 0; e < 3; ++e) (*policy)->loaded(ExpertId(e), Bytes(1));
    for (size_t e = 0; e < 3; ++e) (*policy)->used(ExpertId(e));
    for (size_t only = 0; only < 3; ++only) {
      const auto v = (*policy)->victim([&](ExpertId e) { return e == ExpertId(only); });
      ASSERT_TRUE(v.has_value()) << choice.name;
      EXPECT_EQ(*v, ExpertId(only)) << choice.name;
    }
    EXPECT_FALSE((*policy)->victim([](ExpertId) { return false; }).has_value()) << choice.name;
  }
}

TEST(Eviction, NamesAreFoundWhateverTheirSpelling) {
  EXPECT_TRUE(make_eviction_policy("S3-FIFO", 2).ok());
  EXPECT_TRUE(make_eviction_policy("Sieve", 2).ok());
  const auto wrong = make_eviction_policy("clok", 2);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().hint.find("did you mean 'clock'?"), std::string::npos);
  const auto blind = make_eviction_policy("belady", 2);
  ASSERT_FALSE(blind.ok());
  EXPECT_EQ(blind.error().what, "belady needs the future");
}

TEST(ExpertHeap, AgreesWithASortedList) {
  constexpr size_t kExperts = 40;
  ExpertHeap heap(kExperts);
  std::vector<std::optional<std::pair<double, int64_t>>> slow(kExperts);
  Random random(3);
  for (int64_t step = 0; step < 5000; ++step) {
    const auto e = static_cast<size_t>(random.below(kExperts));
    if (random.below(4) == 0) {
      if (slow[e]) heap.remove(ExpertId(e));
      slow[e].reset();
    } else {
      slow[e] = {static_cast<double>(random.below(10)), step};
      heap.set(ExpertId(e), slow[e]->first, step);
    }
    const uint64_t residue = random.below(3);
    std::optional<size_t> best;
    for (size_t i = 0; i < kExperts; ++i) {
      if (slow[i] && i % 3 == residue && (!best || *slow[i] < *slow[*best])) best = i;
    }
    const auto found = heap.first([&](ExpertId x) { return x.value % 3 == residue; });
    ASSERT_EQ(found.has_value(), best.has_value());
    if (best) {
      ASSERT_EQ(found->value, *best);
    }
  }
}

TEST(TraceFuture, NextUseIsAfterThePresentAccess) {
  const AccessTrace trace = letters("abab");
  TraceFuture future(trace);
  EXPECT_EQ(future.next_use(ExpertId(0)), 0);
  future.advance();
  EXPECT_EQ(future.next_use(ExpertId(0)), 2);
  EXPECT_EQ(future.next_use(ExpertId(1)), 1);
  future.advance();
  future.advance();
  EXPECT_EQ(future.next_use(ExpertId(0)), std::nullopt);
}

TEST(AccessTrace, ReadsByColumnName) {
  const auto trace =
      parse_access_trace("size_bytes,time,object_id\r\n10,0.5,x\r\n20,1,y\r\n\r\n10,2,x\r\n", "t.csv");
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(trace->objects, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(trace->accesses, (std::vector<ExpertId>{ExpertId(0), ExpertId(1), ExpertId(0)}));
  EXPECT_EQ(trace->bytes_requested(), Bytes(40));
  EXPECT_FALSE(trace->equal_sizes());
}

TEST(AccessTrace, RefusesWhatIsNoTrace) {
  const auto error = [](const char* text) {
    const auto trace = parse_access_trace(text, "t.csv");
    EXPECT_FALSE(trace.ok()) << text;
    return trace.ok() ? Error{} : trace.error();
  };
  EXPECT_EQ(error("object,size_bytes\n1,2\n").what, "there is no column object_id");
  EXPECT_EQ(error("object_id,size_bytes\n").what, "the trace has no rows");
  EXPECT_EQ(error("object_id,size_bytes\na,0\n").where, "t.csv:2");
  EXPECT_EQ(error("object_id,size_bytes\na,1e3\n").what,
            "size_bytes must be between 1 and 2^50, found '1e3'");
  EXPECT_EQ(error("object_id,size_bytes\n,1\n").what, "object_id is empty");
  EXPECT_EQ(error("object_id,size_bytes\na,1,2\n").what, "the row has not as many cells as the header");
  EXPECT_EQ(error("object_id,size_bytes\na,1\na,2\n").what, "object a has 2 bytes here and 1 before");
}

TEST(Replay, RefusesAnExpertLargerThanTheCache) {
  const auto result = replay(letters("ab", {1, 9}), "lru", Bytes(8));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(result.error().what, "object 1 of 9 B does not fit a cache of 8 B");
}

}  // namespace
}  // namespace rdusim::runtime
