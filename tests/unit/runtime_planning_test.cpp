// Objectives as text, dealing of requests to nodes, and the search for the fewest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "runtime/planning/capacity.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

Picoseconds ms(int64_t n) {
  return Picoseconds(n * 1'000'000'000);
}

TEST(Objective, ReadsAndPrints) {
  for (const char* text :
       {"p95 ttft < 0.5 s", "mean e2e <= 2 s and p99.9 tpot < 0.04 s", "max queueing < 1 s"}) {
    const auto objective = parse_objective(text);
    ASSERT_TRUE(objective.ok()) << objective.error().to_string();
    EXPECT_EQ(objective->to_string(), text);
  }
  const auto packed = parse_objective("P95 TTFT<500ms,mean switching<=20us");
  ASSERT_TRUE(packed.ok()) << packed.error().to_string();
  ASSERT_EQ(packed->clauses.size(), 2U);
  EXPECT_DOUBLE_EQ(packed->clauses[0].limit_s, 0.5);
  EXPECT_TRUE(packed->clauses[1].or_equal);
  EXPECT_DOUBLE_EQ(packed->clauses[1].limit_s, 20e-6);
}

TEST(Objective, SaysWhereItIsWrong) {
  const auto error = [](const char* text) {
    const auto objective = parse_objective(text);
    EXPECT_FALSE(objective.ok()) << text;
    return objective.ok() ? Error{} : objective.error();
  };
  EXPECT_EQ(error("").where, "objective:1:1");
  EXPECT_EQ(error("p95 tfft < 1 s").where, "objective:1:5");
  EXPECT_THAT(error("p95 tfft < 1 s").hint, HasSubstr("did you mean 'ttft'?"));
  EXPECT_EQ(error("q95 ttft < 1 s").what, "'q95' is no statistic");
  EXPECT_EQ(error("p100 ttft < 1 s").what, "'p100' is no statistic");
  EXPECT_EQ(error("p95 ttft > 1 s").what, "'>' is no comparison");
  EXPECT_EQ(error("p95 ttft").what, "expected comparison at the end");
  EXPECT_EQ(error("p95 ttft < 1").what, "a time needs its unit");
  EXPECT_EQ(error("p95 ttft < 1 h").where, "objective:1:14");
  EXPECT_EQ(error("p95 ttft < -1 s").what, "'-1' is no time above 0");
  EXPECT_EQ(error("p95 ttft < 1 s or mean e2e < 2 s").what, "expected 'and', found 'or'");
  EXPECT_EQ(error("p95 ttft < 1 s and").what, "expected statistic at the end");
}

TEST(Objective, NoTextBreaksTheParser) {
  // Random strings over the grammar's own letters; whatever is taken prints and reads back to the same.
  constexpr std::string_view kLetters[] = {"p",  "95", "p9",  "mean", "max", " ",   "ttft", "tpot", "<",
                                           "<=", "=",  "0.5", "1e3",  "s",   "ms",  "us",   "and",  ",",
                                           "-",  ".",  "\n",  "\x80", "nan", "inf", "e2e"};
  Random random(5);
  int taken = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    if (round % 3 == 0) {  // a good one with a word replaced here and there
      for (const char* word :
           {"p95", " ", "ttft", "<", "0.5", "s", " and ", "mean ", "e2e", "<=", "1e3", "ms"})
        text += random.below(12) == 0 ? kLetters[random.below(std::size(kLetters))] : word;
    } else {
      const uint64_t length = 1 + random.below(12);
      for (uint64_t i = 0; i < length; ++i) text += kLetters[random.below(std::size(kLetters))];
    }
    const auto objective = parse_objective(text);
    if (!objective.ok()) {
      ASSERT_THAT(objective.error().where, testing::StartsWith("objective:1:"));
      continue;
    }
    ++taken;
    const auto again = parse_objective(objective->to_string());
    ASSERT_TRUE(again.ok()) << objective->to_string();
    ASSERT_EQ(again->to_string(), objective->to_string());
  }
  EXPECT_GT(taken, 100);
}

TEST(Objective, EvaluatesByNearestRank) {
  std::vector<RequestRecord> records;
  for (int64_t i = 1; i <= 20; ++i) {
    RequestRecord r;
    r.queueing = ms(100 * i);
    r.output_tokens = i == 1 ? 1 : 11;
    r.decode = i == 1 ? Picoseconds() : ms(50);
    records.push_back(r);
  }
  const auto met = [&](const char* text) { return evaluate(*parse_objective(text), records).met; };
  EXPECT_TRUE(met("p95 ttft <= 1.9 s"));
  EXPECT_FALSE(met("p95 ttft < 1.9 s"));
  EXPECT_TRUE(met("max queueing < 2.001 s"));
  EXPECT_TRUE(met("mean ttft < 1.0501 s"));
  EXPECT_FALSE(met("mean ttft < 1.0499 s"));
  EXPECT_TRUE(met("max tpot <= 5 ms"));  // the request of one token has none
  EXPECT_FALSE(met("max tpot <= 5 ms and p50 e2e < 1 s"));
  records[3].failed = true;
  EXPECT_FALSE(met("max tpot <= 5 ms"));
}

Workload requests(size_t count, size_t experts) {
  Workload w;
  w.tenants = {"t"};
  for (size_t i = 0; i < count; ++i)
    w.requests.push_back({ms(static_cast<int64_t>(i)), 10, 10, TenantId(), ExpertId(i % experts)});
  return w;
}

TEST(Dealing, EveryRequestOnceAndExpertsTogether) {
  const Workload w = requests(100, 7);
  for (const Dealing dealing : {Dealing::kByExpert, Dealing::kInTurn}) {
    const auto shares = deal_requests(w, 3, dealing);
    std::multiset<int64_t> arrivals;
    std::vector<std::set<size_t>> nodes_of(7);
    for (size_t n = 0; n < 3; ++n) {
      ASSERT_EQ(shares[n].numbers.size(), shares[n].workload.requests.size());
      for (size_t i = 0; i < shares[n].numbers.size(); ++i) {
        const Request& r = shares[n].workload.requests[i];
        EXPECT_EQ(w.requests[shares[n].numbers[i]].arrival, r.arrival);
        arrivals.insert(r.arrival.value);
        nodes_of[r.expert->value].insert(n);
      }
    }
    EXPECT_EQ(arrivals.size(), 100U);
    EXPECT_EQ(std::set<int64_t>(arrivals.begin(), arrivals.end()).size(), 100U);
    for (const auto& nodes : nodes_of) EXPECT_EQ(nodes.size(), dealing == Dealing::kByExpert ? 1U : 3U);
  }
}

TEST(Dealing, ConversationsStayTogether) {
  Workload w = requests(60, 5);
  for (uint32_t i = 0; i < 60; ++i)
    w.follows.push_back({i % 4, i < 4 ? Follow::kNone : i - 4, i < 4 ? 0U : 20U, Picoseconds()});
  const auto in_turn = deal_requests(w, 2, Dealing::kInTurn);
  for (const Share& dealt : in_turn) {
    const Workload& share = dealt.workload;
    ASSERT_EQ(share.follows.size(), share.requests.size());
    int firsts = 0;
    for (size_t i = 0; i < share.follows.size(); ++i) {
      firsts += share.follows[i].previous == Follow::kNone ? 1 : 0;
      if (share.follows[i].previous == Follow::kNone) continue;
      ASSERT_LT(share.follows[i].previous, i);
      ASSERT_EQ(share.follows[share.follows[i].previous].session, share.follows[i].session);
    }
    EXPECT_EQ(firsts, 2);
  }
}

// A node that serves one request a second, in order.
Result<std::vector<RequestRecord>> one_a_second(const Share& share) {
  std::vector<RequestRecord> records;
  Picoseconds free;
  for (const Request& request : share.workload.requests) {
    RequestRecord r;
    r.queueing = std::max(free, request.arrival) - request.arrival;
    r.prefill = ms(1000);
    r.output_tokens = 1;
    free = request.arrival + r.queueing + r.prefill;
    records.push_back(r);
  }
  return records;
}

TEST(Capacity, FindsTheFewestNodes) {
  const Workload w = requests(120, 40);  // all at once, nearly: n nodes need 120 / n seconds
  for (const auto& [limit, nodes] : std::vector<std::pair<const char*, int64_t>>{{"max ttft < 121 s", 1},
                                                                                 {"max ttft < 41 s", 3},
                                                                                 {"max ttft < 25 s", 5},
                                                                                 {"max ttft < 12.5 s", 10}}) {
    const auto plan = plan_capacity(w, *parse_objective(limit), 64, one_a_second);
    ASSERT_TRUE(plan.ok());
    ASSERT_TRUE(plan->fewest.has_value()) << limit;
    EXPECT_EQ(plan->fewest->nodes, nodes) << limit;
  }
  const auto never = plan_capacity(w, *parse_objective("max ttft < 0.5 s"), 6, one_a_second);
  ASSERT_TRUE(never.ok());
  EXPECT_FALSE(never->fewest.has_value());
  EXPECT_EQ(never->tried.back().nodes, 6);
}

}  // namespace
}  // namespace rdusim::runtime
