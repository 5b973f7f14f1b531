// Draws of one seed for different purposes do not know of each other: when requests come says nothing about
// whom they ask, how long they are or what follows.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "runtime/workload/assign.h"
#include "runtime/workload/reader.h"
#include "runtime/workload/sampling.h"

namespace rdusim::runtime {
namespace {

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double mean_a = 0;
  double mean_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    mean_a += a[i] / n;
    mean_b += b[i] / n;
  }
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

TEST(RuntimeDraws, GapsLengthsAndExpertsAreIndependent) {
  constexpr size_t kRequests = 20'000;
  // Of independent draws 0.007 is one standard deviation; of the same draws taken twice it was 0.6.
  constexpr double kMost = 0.03;
  for (const uint64_t seed : {1, 2, 77}) {
    Composition c;
    c.name = "draws";
    c.experts = {{"e", "m", 150, {}}};
    c.router.kind = "trace";
    c.router.runs = "none";
    auto w = load_workload("synthetic:poisson,rate=5,n=20000", {{128, 20}, seed}).value();
    AssignmentOptions options;
    options.seed = seed;
    options.popularity = PopularityLaw{PopularityLaw::Kind::kZipf, 0.9};
    ASSERT_TRUE(assign_experts(w, c, options).ok());
    std::vector<double> before;
    std::vector<double> after;
    std::vector<double> expert;
    for (size_t i = 1; i + 1 < kRequests; ++i) {
      before.push_back(seconds(w.requests[i].arrival - w.requests[i - 1].arrival));
      after.push_back(seconds(w.requests[i + 1].arrival - w.requests[i].arrival));
      expert.push_back(static_cast<double>(w.requests[i].expert->value));
    }
    EXPECT_LT(std::abs(correlation(before, expert)), kMost) << seed;
    EXPECT_LT(std::abs(correlation(after, expert)), kMost) << seed;
  }
}

TEST(RuntimeDraws, EveryPurposeHasItsOwnStream) {
  constexpr auto kLast = static_cast<uint64_t>(Purpose::kFlows);
  for (uint64_t a = 0; a <= kLast; ++a) {
    for (uint64_t b = a + 1; b <= kLast; ++b) {
      Random first(seed_of(1, static_cast<Purpose>(a)));
      Random second(seed_of(1, static_cast<Purpose>(b)));
      std::vector<double> x;
      std::vector<double> y;
      for (int i = 0; i < 5000; ++i) {
        x.push_back(first.uniform());
        y.push_back(second.uniform());
      }
      EXPECT_LT(std::abs(correlation(x, y)), 0.06) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace rdusim::runtime
