// Aggregates of records.
#include "runtime/serving/metrics.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace rdusim::runtime {
namespace {

// Means of the parts of latency over records that queued for `queueing_s`.
LatencySplit split_of(size_t records, double queueing_s) {
  NodeResult result;
  for (size_t i = 0; i < records; ++i) {
    RequestRecord r;
    r.queueing = picoseconds_from_seconds(queueing_s);
    r.decode = picoseconds_from_seconds(0.5);
    result.records.push_back(r);
  }
  result.experts.resize(1);
  result.requests = result.finished = static_cast<int64_t>(records);
  aggregate(result, {}, {"everybody"});
  return result.split;
}

TEST(RuntimeMetrics, MeansOfParts) {
  const LatencySplit split = split_of(7, 2.0);
  EXPECT_EQ(split.queueing_s, 2.0);
  EXPECT_EQ(split.decode_s, 0.5);
  EXPECT_EQ(split.switching_s, 0.0);
}

// Forty waits of three days are more picoseconds than 63 bits hold.
TEST(RuntimeMetrics, WaitsThatAddUpToMoreThanPicosecondsCanCount) {
  const LatencySplit split = split_of(1000, 3.0 * 86400);
  EXPECT_NEAR(split.queueing_s, 3.0 * 86400, 1e-6);
  EXPECT_EQ(split.decode_s, 0.5);
}

}  // namespace
}  // namespace rdusim::runtime
