// Shares of bandwidth by hand, and the fluid formula against the event-level simulation of the same copy.
#include "runtime/serving/bandwidth_share.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/serving/dma_simulation.h"

namespace rdusim::runtime {
namespace {

TEST(RuntimeBandwidthShare, EnoughForBothSlowsNobody) {
  const SharedSpeeds s = share_bandwidth({10, 4, 0}, {7, 0, 5}, {3, 3, 0});
  EXPECT_EQ(s.pass, 1);
  EXPECT_EQ(s.copy, 1);
}

TEST(RuntimeBandwidthShare, TheSmallFlowGetsAllItAsksForTheOtherTheRest) {
  const SharedSpeeds s = share_bandwidth({10, 0, 0}, {10, 0, 0}, {2, 2, 0});
  EXPECT_EQ(s.copy, 1);
  EXPECT_DOUBLE_EQ(s.pass, 0.8);
}

TEST(RuntimeBandwidthShare, TwoLargeFlowsGetHalfEach) {
  const SharedSpeeds s = share_bandwidth({10, 0, 0}, {8, 0, 0}, {6, 0, 0});
  EXPECT_DOUBLE_EQ(s.pass, 5.0 / 8);
  EXPECT_DOUBLE_EQ(s.copy, 5.0 / 6);
}

TEST(RuntimeBandwidthShare, WhatOneFlowLeavesGoesToTheOther) {
  // The store halves the copy, so it takes 3 of HBM's 10 and the pass keeps 7 of the 8 it wants.
  const SharedSpeeds s = share_bandwidth({10, 3, 0}, {8, 0, 0}, {6, 6, 0});
  EXPECT_DOUBLE_EQ(s.copy, 0.5);
  EXPECT_DOUBLE_EQ(s.pass, 7.0 / 8);
}

TEST(RuntimeBandwidthShare, WorkAndTimeAreInverse) {
  for (const double speed : {1.0, 0.7319, 0.001}) {
    const int64_t fixed = fixed_point_speed(speed);
    for (const int64_t work : {int64_t{0}, int64_t{1}, int64_t{12'345}, int64_t{13'476'000'000}}) {
      const int64_t time = time_for(work, fixed);
      EXPECT_GE(work_done(time, fixed), work);
      EXPECT_LE(work_done(time, fixed), work + 1);
      if (time > 0) {
        EXPECT_LT(work_done(time - 1, fixed), std::max<int64_t>(work, 1));
      }
    }
  }
}

// An 8-socket node: 14.4 TB/s of HBM less refresh, 1.6 TB/s of DDR, 1 TB/s of DMA, Llama-2-7B's 13.476 GB.
DmaLoad node_load(double hbm_share, double store_share) {
  DmaLoad load;
  load.hbm_bytes_per_s = 13.8e12;
  load.store_bytes_per_s = 1.6e12;
  load.dma_bytes_per_s = 1e12;
  load.copy_bytes = 13'476'000'000;
  load.pass_time = Picoseconds(1'000'000'000);  // a decode step of 1 ms
  load.pass_hbm_bytes = static_cast<int64_t>(hbm_share * load.hbm_bytes_per_s * 1e-3);
  load.pass_store_bytes = static_cast<int64_t>(store_share * load.store_bytes_per_s * 1e-3);
  return load;
}

TEST(RuntimeDmaSimulation, AloneACopyTakesItsBytesOverTheRate) {
  const DmaTimes t = simulate_dma_under_load(node_load(0, 0));
  EXPECT_NEAR(seconds(t.copy), 13.476e-3, 13.476e-3 * 0.001);
  EXPECT_EQ(t.pass_speed, 1);
  EXPECT_GT(t.chunks_served, 2 * 12'000);
}

TEST(RuntimeDmaSimulation, FluidSwitchingTimeWithinFivePercentUnderEveryLoad) {
  int loads = 0;
  for (const double hbm : {0.0, 0.3, 0.7, 0.9, 0.97, 1.0}) {
    for (const double store : {0.0, 0.2, 0.4, 0.6, 0.9}) {
      for (const double dma_rate : {0.5e12, 1e12, 1.5e12}) {
        DmaLoad load = node_load(hbm, store);
        load.dma_bytes_per_s = dma_rate;
        const DmaTimes event = simulate_dma_under_load(load);
        const DmaTimes fluid = fluid_dma_under_load(load);
        const double error = seconds(fluid.copy) / seconds(event.copy) - 1;
        EXPECT_LE(std::abs(error), 0.05) << "hbm " << hbm << " store " << store << " dma " << dma_rate;
        EXPECT_NEAR(fluid.pass_speed, event.pass_speed, 0.05)
            << "hbm " << hbm << " store " << store << " dma " << dma_rate;
        ++loads;
      }
    }
  }
  EXPECT_EQ(loads, 90);
}

TEST(RuntimeDmaSimulation, ALoadThatMattersSlowsTheCopy) {
  // The pass reads 90 % of DDR: the copy keeps half of it, 0.8 TB/s of its 1 TB/s.
  const DmaTimes t = simulate_dma_under_load(node_load(0.3, 0.9));
  EXPECT_NEAR(seconds(t.copy), 13.476e-3 / 0.8, 13.476e-3 / 0.8 * 0.02);
}

}  // namespace
}  // namespace rdusim::runtime
