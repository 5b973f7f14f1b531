// The search for borders: as cheap as the best of all cuts, with few pieces priced.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "compiler/passes/border_search.h"

namespace rdusim::compiler {
namespace {

using Pieces = std::map<std::pair<size_t, size_t>, int64_t>;

// The cheapest of all cuts into two pieces or more, by trying each.
int64_t by_trying_all(size_t count, const Pieces& prices) {
  int64_t least = kNoPrice;
  for (size_t cut = 1; cut < size_t{1} << (count - 1); ++cut) {
    int64_t cycles = 0;
    size_t begin = 0;
    for (size_t end = 1; end <= count; ++end) {
      if (end < count && (cut >> (end - 1) & 1) == 0) continue;
      cycles += prices.at({begin, end});
      begin = end;
    }
    least = std::min(least, cycles);
  }
  return least;
}

int64_t pick(Random& random, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(random.below(static_cast<uint64_t>(most - least + 1)));
}

struct Case {
  size_t count = 0;
  Pieces prices;
  Pieces bounds;
};

// Prices that grow with the piece, and bounds of part of them.
Case random_case(Random& random) {
  Case c;
  c.count = static_cast<size_t>(pick(random, 2, 9));
  for (size_t begin = 0; begin < c.count; ++begin) {
    int64_t price = pick(random, 0, 40);
    for (size_t end = begin + 1; end <= c.count; ++end) {
      price += pick(random, 1, 30);
      c.prices[{begin, end}] = price;
      c.bounds[{begin, end}] = price * pick(random, 0, 100) / 100;
    }
  }
  return c;
}

BorderSearch search_of(const Case& c) {
  return {c.count,
          [&c](size_t begin, size_t end) {
            return c.bounds.at({begin, end});
          },
          [&c](size_t begin, size_t end) -> Result<PiecePrice> {
            return PiecePrice{c.prices.at({begin, end}), {}};
          }};
}

int64_t cost_of(const Case& c, const std::vector<size_t>& ends) {
  int64_t cycles = 0;
  size_t begin = 0;
  for (const size_t end : ends) cycles += c.prices.at({begin, end}), begin = end;
  return cycles;
}

TEST(BorderSearch, FindsTheCheapestCut) {
  Random random(17);
  for (int i = 0; i < 200; ++i) {
    const Case c = random_case(random);
    const int64_t least = by_trying_all(c.count, c.prices);
    BorderSearch search = search_of(c);
    EXPECT_LE(search.least_cut(), least);
    const auto found = search.cheapest_cut(kNoPrice);
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_GE((*found)->size(), 2U);
    EXPECT_EQ((*found)->back(), c.count);
    EXPECT_EQ(cost_of(c, **found), least);
    EXPECT_LE(search.priced(), c.prices.size());
  }
}

TEST(BorderSearch, NoCutThatCostsAsMuchIsGiven) {
  Random random(18);
  for (int i = 0; i < 50; ++i) {
    const Case c = random_case(random);
    const int64_t least = by_trying_all(c.count, c.prices);
    const auto at = search_of(c).cheapest_cut(least);
    ASSERT_TRUE(at.ok());
    EXPECT_FALSE(at->has_value());
    const auto above = search_of(c).cheapest_cut(least + 1);
    ASSERT_TRUE(above.ok());
    EXPECT_TRUE(above->has_value());
  }
}

TEST(BorderSearch, NothingIsPricedWhereBoundsSayEnough) {
  Random random(19);
  const Case c = random_case(random);
  BorderSearch search = search_of(c);
  ASSERT_TRUE(search.cheapest_cut(search.least_cut()).ok());
  EXPECT_EQ(search.priced(), 0U);
}

TEST(BorderSearch, WithExactBoundsOnlyThePiecesOfTheCutArePriced) {
  Random random(20);
  for (int i = 0; i < 50; ++i) {
    Case c = random_case(random);
    c.bounds = c.prices;
    BorderSearch search = search_of(c);
    const auto found = search.cheapest_cut(kNoPrice);
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ(search.priced(), (*found)->size());
  }
}

// Pieces of more than two operators do not fit; of a row of six, none of them is in the cut, and what
// contains a refused piece is not asked for.
TEST(BorderSearch, WhatDoesNotFitIsNotPartOfLongerPieces) {
  std::vector<std::pair<size_t, size_t>> refused;
  BorderSearch search(
      6, [](size_t, size_t) { return int64_t{1}; },
      [&](size_t begin, size_t end) -> Result<PiecePrice> {
        if (end - begin <= 2) return PiecePrice{10, {}};
        refused.emplace_back(begin, end);
        return PiecePrice{kNoPrice, "is too large"};
      });
  const auto found = search.cheapest_cut(kNoPrice);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ(**found, (std::vector<size_t>{2, 4, 6}));
  const auto whole = search.price(0, 6);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ((*whole)->refusal, "is too large");
  ASSERT_FALSE(refused.empty());
  for (size_t later = 1; later < refused.size(); ++later) {
    for (size_t earlier = 0; earlier < later; ++earlier) {
      EXPECT_TRUE(refused[later].first > refused[earlier].first ||
                  refused[later].second < refused[earlier].second);
    }
  }
}

TEST(BorderSearch, NoCutWhereAnOperatorAloneDoesNotFit) {
  BorderSearch search(
      3, [](size_t, size_t) { return int64_t{1}; },
      [](size_t begin, size_t end) -> Result<PiecePrice> {
        if (begin <= 1 && end > 1) return PiecePrice{kNoPrice, "is too large"};
        return PiecePrice{10, {}};
      });
  const auto found = search.cheapest_cut(kNoPrice);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->has_value());
  EXPECT_EQ(search.least_cut(), kNoPrice);
}

TEST(BorderSearch, AnErrorOfAPriceEndsIt) {
  BorderSearch search(
      2, [](size_t, size_t) { return int64_t{1}; },
      [](size_t, size_t) -> Result<PiecePrice> {
        return Error{ErrorCode::kUnsupported, "node", "has no lowering", ""};
      });
  const auto found = search.cheapest_cut(kNoPrice);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace rdusim::compiler
