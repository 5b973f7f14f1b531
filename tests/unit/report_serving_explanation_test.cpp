// A queue by hand: what requests wait for, and what their mean hangs on.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/serving_explanation.h"

namespace rdusim::report {
namespace {

using runtime::RequestRecord;

Picoseconds ms(int64_t n) {
  return Picoseconds(n * 1'000'000'000);
}

RequestRecord record(int64_t arrival, int64_t queueing, int64_t routing, int64_t switching, int64_t prefill,
                     int64_t decode) {
  RequestRecord r;
  r.prompt_tokens = 10;
  r.output_tokens = 5;
  r.arrival = ms(arrival);
  r.queueing = ms(queueing);
  r.routing = ms(routing);
  r.switching = ms(switching);
  r.prefill = ms(prefill);
  r.decode = ms(decode);
  return r;
}

// Two together behind one router pass, then idle time, then a third:
//   0 route 1 | A: switch 2, prefill 3, decode 4 | B: prefill 3, decode 4 |   20 route 1 | C: prefill 3,
//   decode 4
runtime::NodeResult served() {
  runtime::NodeResult node;
  node.node = "table";
  node.finished = 3;
  node.records = {record(0, 0, 1, 2, 3, 4), record(0, 9, 1, 0, 3, 4), record(20, 0, 1, 0, 3, 4)};
  node.latency.mean_s = 0.035 / 3;
  node.latency.p99_s = 0.017;
  return node;
}

// HBM streams the decode, the PCUs the prefill, launches the router; switches set up for 0.5 ms.
ServingCosts costs() {
  const auto pass = [](double time_s, HardwareParameter parameter, double gradient) {
    PassGradient p{time_s, {}};
    at(p.gradient, parameter) = gradient;
    return Result<PassGradient>(p);
  };
  ServingCosts c;
  c.prefill = [=](const RequestRecord&) { return pass(0.002, HardwareParameter::kPcuRate, -0.002); };
  c.decode = [=](const RequestRecord&) { return pass(0.004, HardwareParameter::kHbmBandwidth, -0.003); };
  c.routing = [=](int64_t batch, int64_t prompt) {
    EXPECT_TRUE(batch == 2 || batch == 1);
    EXPECT_EQ(prompt, 10);
    return pass(0.001, HardwareParameter::kLaunch, 0.0005);
  };
  c.request_s = 0;
  c.switch_setup_s = 0.0005;
  return c;
}

TEST(ServingExplanation, QueueingIsDividedByWhatTheNodeDid) {
  auto e = explain_serving(served(), costs());
  ASSERT_TRUE(e.ok());
  EXPECT_TRUE(e->serial) << e->not_serial;
  double sum = 0;
  for (const double s : e->mean_causes) sum += s;
  EXPECT_NEAR(sum, e->mean_s, 1e-12);
  // B alone queues, 9 ms behind A: 2 switching, 3 prefill, 4 decode.
  EXPECT_NEAR(e->mean_waiting_for[static_cast<size_t>(ServingCause::kSwitching)], 0.002 / 3, 1e-12);
  EXPECT_NEAR(e->mean_waiting_for[static_cast<size_t>(ServingCause::kPrefill)], 0.003 / 3, 1e-12);
  EXPECT_NEAR(e->mean_waiting_for[static_cast<size_t>(ServingCause::kDecode)], 0.004 / 3, 1e-12);
  EXPECT_NEAR(e->mean_waiting_for[static_cast<size_t>(ServingCause::kRouting)], 0, 1e-12);
  EXPECT_NEAR(e->tail_mean_s, 0.017, 1e-12);
}

TEST(ServingExplanation, DerivativesCountTheWholeBusyPeriod) {
  auto e = explain_serving(served(), costs());
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->scope, "busy_period");
  // Decodes before each end, its own included: A 1, B 2, C 1; the third begins a new period. Prefills take 3
  // ms where the cost says 2: they count in proportion.
  EXPECT_NEAR(at(e->gradient, HardwareParameter::kHbmBandwidth), -0.003 * 4 / 3, 1e-12);
  EXPECT_NEAR(at(e->gradient, HardwareParameter::kPcuRate), -0.003 * 4 / 3, 1e-12);
  EXPECT_NEAR(at(e->gradient, HardwareParameter::kLaunch), 0.0005 * 3 / 3, 1e-12);
  EXPECT_NEAR(at(e->gradient, HardwareParameter::kDmaSetup), 0.0005 * 2 / 3, 1e-12);
  EXPECT_NEAR(at(e->gradient, HardwareParameter::kDmaBandwidth), -0.0015 * 2 / 3, 1e-12);
}

TEST(ServingExplanation, WhatOverlapsIsNoChain) {
  runtime::NodeResult node = served();
  node.records[1].queueing = ms(5);  // began before A ended
  auto e = explain_serving(node, costs());
  ASSERT_TRUE(e.ok());
  EXPECT_FALSE(e->serial);
  EXPECT_EQ(e->scope, "own_passes");
  EXPECT_NEAR(at(e->gradient, HardwareParameter::kHbmBandwidth), -0.003, 1e-12);
}

TEST(ServingExplanation, GroupsAndOverlappingCopiesAreNamed) {
  runtime::NodeResult node = served();
  node.groups = 2;
  EXPECT_EQ(explain_serving(node, costs())->not_serial, "several socket groups work at once");
  node.groups = 1;
  node.prefetches = 1;
  EXPECT_EQ(explain_serving(node, costs())->not_serial, "copies overlap with passes");
}

TEST(ServingExplanation, WithoutCostsThereAreCausesOnly) {
  auto e = explain_serving(served(), {});
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->scope, "none");
  finish_serving_explanation(*e, nullptr, nullptr);
  EXPECT_NE(e->sentences.back().find("derivatives are not known"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::report
