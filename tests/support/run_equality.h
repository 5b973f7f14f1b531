// Whether two runs of a program say the same, counter by counter.
#pragma once

#include <gtest/gtest.h>

#include "base/program/run_result.h"

namespace rdusim::testing {

inline void expect_same_unit(const UnitResult& a, const UnitResult& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.firings, b.firings) << a.name;
  EXPECT_EQ(a.busy_cycles, b.busy_cycles) << a.name;
  EXPECT_EQ(a.starved_cycles, b.starved_cycles) << a.name;
  EXPECT_EQ(a.blocked_cycles, b.blocked_cycles) << a.name;
  EXPECT_EQ(a.done_cycles, b.done_cycles) << a.name;
  EXPECT_EQ(a.work, b.work) << a.name;
  EXPECT_EQ(a.operand_bytes, b.operand_bytes) << a.name;
  EXPECT_EQ(a.ahead_cycles, b.ahead_cycles) << a.name;
}

// Everything but how many firings were simulated one by one; the sum with those skipped is the same.
inline void expect_same_run(const RunResult& a, const RunResult& b) {
  EXPECT_EQ(a.cycles, b.cycles);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.gemm_work, b.gemm_work);
  EXPECT_EQ(a.simd_work, b.simd_work);
  EXPECT_EQ(a.operand_bytes, b.operand_bytes);
  EXPECT_EQ(a.rdn_byte_hops, b.rdn_byte_hops);
  EXPECT_EQ(a.unit_cycles.busy, b.unit_cycles.busy);
  EXPECT_EQ(a.unit_cycles.starved, b.unit_cycles.starved);
  EXPECT_EQ(a.unit_cycles.blocked, b.unit_cycles.blocked);
  EXPECT_EQ(a.unit_cycles.launching, b.unit_cycles.launching);
  EXPECT_EQ(a.unit_cycles.idle, b.unit_cycles.idle);
  EXPECT_EQ(a.firings_simulated + a.firings_skipped, b.firings_simulated + b.firings_skipped);
  ASSERT_EQ(a.sections.size(), b.sections.size());
  for (size_t s = 0; s < a.sections.size(); ++s) {
    const SectionResult& x = a.sections[s];
    const SectionResult& y = b.sections[s];
    EXPECT_EQ(x.launches, y.launches) << x.name;
    EXPECT_EQ(x.cycles_per_launch, y.cycles_per_launch) << x.name;
    EXPECT_EQ(x.head_start_cycles, y.head_start_cycles) << x.name;
    EXPECT_EQ(x.bound_by, y.bound_by) << x.name;
    EXPECT_EQ(x.bytes, y.bytes) << x.name;
    EXPECT_EQ(x.rdn_byte_hops, y.rdn_byte_hops) << x.name;
    EXPECT_EQ(x.flits.sent, y.flits.sent) << x.name;
    EXPECT_EQ(x.flits.delivered, y.flits.delivered) << x.name;
    EXPECT_EQ(x.flits.hops, y.flits.hops) << x.name;
    ASSERT_EQ(x.units.size(), y.units.size());
    for (size_t u = 0; u < x.units.size(); ++u) expect_same_unit(x.units[u], y.units[u]);
  }
}

}  // namespace rdusim::testing
