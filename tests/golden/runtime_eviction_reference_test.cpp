// Miss counts of every policy against libCacheSim's on six traces and six sizes
// (configs/reference/cache).
#include <gtest/gtest.h>

#include <map>

#include "runtime/eviction/reference.h"

namespace rdusim::runtime {
namespace {

TEST(EvictionReference, MissCountsAreEqual) {
  const auto rows = compare_with_reference(std::string(RDUSIM_SOURCE_DIR) + "/configs/reference/cache");
  ASSERT_TRUE(rows.ok()) << rows.error().to_string();
  std::map<std::string, int> must;
  for (const ReferenceComparison& row : *rows) {
    must[row.policy] += row.must_be_equal ? 1 : 0;
    if (!row.must_be_equal) continue;
    EXPECT_EQ(row.ours, row.reference)
        << row.policy << " on " << row.trace << " with " << row.capacity.value << " B";
  }
  const std::map<std::string, int> expected = {{"arc", 34},  {"belady", 34}, {"clock", 34},
                                               {"fifo", 34}, {"gdsf", 34},   {"lfu", 34},
                                               {"lru", 34},  {"s3fifo", 21}, {"sieve", 34}};
  EXPECT_EQ(must, expected);
}

}  // namespace
}  // namespace rdusim::runtime
