// Who has the memory channel, and when: shares by priority, releases, gates and round trips.
#include <gtest/gtest.h>

#include "sim/stream_schedule.h"

namespace rdusim::sim {
namespace {

FluidStream stream(int64_t priority, double ahead_cycles, double rest_cycles) {
  FluidStream s;
  s.priority = s.order = priority;
  s.first_cycles = 10;
  s.ahead_cycles = ahead_cycles;
  s.rest_cycles = rest_cycles;
  return s;
}

TEST(StreamSchedule, HigherPriorityGoesFirst) {
  std::vector<FluidStream> streams{stream(1, 50, 0), stream(0, 100, 0)};
  EXPECT_EQ(schedule_streams(streams), 150);
  EXPECT_EQ(streams[1].first_done, 10);
  EXPECT_EQ(streams[1].last_done, 100);
  EXPECT_EQ(streams[0].first_done, 110);
  EXPECT_EQ(streams[0].last_done, 150);
}

TEST(StreamSchedule, BeyondItsChannelAStreamWaitsForItsGate) {
  std::vector<FluidStream> streams{stream(0, 20, 80), stream(1, 60, 0)};
  streams[0].gate = 50;
  schedule_streams(streams);
  EXPECT_EQ(streams[0].last_done, 130);  // 20, then from 50 on
  EXPECT_EQ(streams[1].last_done, 160);  // 30 of 60 in the gap
}

TEST(StreamSchedule, AStreamThatWaitsForSlotsLeavesTheRestOfTheChannel) {
  std::vector<FluidStream> streams{stream(0, 20, 80), stream(1, 100, 0)};
  streams[0].share = 0.25;
  schedule_streams(streams);
  EXPECT_NEAR(streams[1].last_done, 20 + 100 / 0.75, 1e-6);
  EXPECT_NEAR(streams[0].last_done, 20 + 80 / 0.25, 1e-6);
}

}  // namespace
}  // namespace rdusim::sim
