// A change of time divided over what changed: the parts and what is left add up, and where a time is a power
// of a parameter nothing is left.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/difference.h"

namespace rdusim::report {
namespace {

constexpr auto kHbm = static_cast<size_t>(HardwareParameter::kHbmBandwidth);
constexpr auto kStep = static_cast<size_t>(HardwareParameter::kStepTime);
constexpr auto kLaunch = static_cast<size_t>(HardwareParameter::kLaunch);

TimeModel streaming(double bandwidth, double launch_s) {
  TimeModel t;
  t.time_s = 3 / bandwidth + launch_s;
  t.differentiated = true;
  t.values[kHbm] = bandwidth;
  t.values[kLaunch] = launch_s;
  t.gradient[kHbm] = -3 / bandwidth;
  t.gradient[kLaunch] = launch_s;
  return t;
}

double explained(const Difference& d) {
  double sum = 0;
  for (const auto& e : d.explained) sum += e.explained_s;
  return sum;
}

TEST(Difference, APowerOfOneParameterIsExplainedWhole) {
  Difference d;
  explain_difference(streaming(1, 0), streaming(2, 0), d);
  ASSERT_EQ(d.explained.size(), 1U);
  EXPECT_NEAR(d.explained[0].explained_s, -1.5, 1e-12);
  EXPECT_NEAR(d.unexplained_s, 0, 1e-12);
}

TEST(Difference, PartsAndWhatIsLeftAddUp) {
  Difference d;
  explain_difference(streaming(1, 0.5), streaming(1.3, 0.7), d);
  ASSERT_EQ(d.explained.size(), 2U);
  EXPECT_EQ(d.explained[0].parameter, "chip.hbm.bandwidth_bytes_per_s");  // the larger part first
  EXPECT_NEAR(explained(d) + d.unexplained_s, d.b_s - d.a_s, 1e-12);
  // 3/1 to 3/1.3 is -0.692, 0.5 to 0.7 is +0.2; the logarithmic mean divides them to first order.
  EXPECT_NEAR(d.explained[0].explained_s, -0.692, 0.03);
  EXPECT_NEAR(d.explained[1].explained_s, 0.2, 0.02);
}

TEST(Difference, FromNothingItIsALine) {
  TimeModel a;
  a.time_s = 1;
  a.differentiated = true;
  TimeModel b = a;
  b.time_s = 1.25;
  b.values[kStep] = 0.5;
  b.gradient[kStep] = 0.25;
  Difference d;
  explain_difference(a, b, d);
  ASSERT_EQ(d.explained.size(), 1U);
  EXPECT_NEAR(d.explained[0].explained_s, 0.25, 1e-12);
}

TEST(Difference, WithoutDerivativesAllIsLeft) {
  TimeModel a = streaming(1, 0);
  a.differentiated = false;
  Difference d;
  explain_difference(a, streaming(2, 0), d);
  EXPECT_TRUE(d.explained.empty());
  EXPECT_DOUBLE_EQ(d.unexplained_s, -1.5);
}

TEST(Difference, InputsAreWordsOfTheCommandsAndFilesByHash) {
  const Json a = {
      {"configs", {{{"path", "x.yaml"}, {"sha256", "1"}}, {{"path", "y.yaml"}, {"sha256", "2"}}}}};
  const Json b = {{"configs", {{{"path", "x.yaml"}, {"sha256", "3"}}}}};
  const auto changes =
      changed_inputs(a, b, {"simulate", "m", "--batch", "1"}, {"simulate", "m", "--batch", "2"});
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].a, "1");
  EXPECT_EQ(changes[0].b, "2");
  EXPECT_EQ(changes[1].name, "x.yaml");
  EXPECT_EQ(changes[2].name, "y.yaml");
  EXPECT_EQ(changes[2].b, "");
}

TEST(Difference, ResultsAreTheNumbersThatDiffer) {
  const Json a = {{"latency_s", 1.0}, {"same", 2}, {"bytes", {{"hbm", 3}}}, {"manifest", {{"seed", 1}}}};
  const Json b = {{"latency_s", 1.5}, {"same", 2}, {"bytes", {{"hbm", 4}}}, {"manifest", {{"seed", 2}}}};
  const auto changes = changed_numbers(a, b);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].name, "latency_s");
  EXPECT_EQ(changes[1].name, "bytes.hbm");
}

}  // namespace
}  // namespace rdusim::report
