// Flows, their expansion into plans, tenants, and tables of categories under a budget.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "runtime/plan_requests.h"
#include "runtime/workload/assign.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

constexpr const char* kComposition = R"(name: n
description: d
experts:
  - {name: a, model: m}
  - {name: b, model: m}
  - {name: judge, model: m, answers: false}
router: {kind: trace, runs: embed, model: e, reads: message}
flows:
  - name: jury
    labels: [hard]
    steps:
      - {name: one, expert: a, after: [request], extra_prompt_tokens: 5}
      - {name: two, expert: b, after: [request], copies: 3}
      - {name: verdict, expert: judge, after: [one, two], output_tokens: 7}
  - name: again
    labels: [chain]
    steps:
      - {name: first, expert: assigned}
      - {name: second, expert: routed, reads_request: false}
request: {prompt_tokens: 128, output_tokens: 20}
stack: s
batch: 1
)";

Result<Composition> parsed(const std::string& text) {
  const auto root = read_yaml_text(text, "c.yaml");
  EXPECT_TRUE(root.ok()) << root.error().to_string();
  return parse_composition(*root);
}

Composition good() {
  auto c = parsed(kComposition);
  EXPECT_TRUE(c.ok()) << c.error().to_string();
  return std::move(c).value();
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = kComposition;
  text.replace(text.find(from), from.size(), to);
  return text;
}

Workload labelled(std::vector<std::string> labels) {
  Workload w;
  w.source = "test";
  w.tenants = {"acme"};
  for (std::string& label : labels) {
    w.requests.push_back({Picoseconds(), 100, 20, TenantId(0), ExpertId(size_t{1})});
    w.notes.push_back({"", std::move(label), "", {}});
  }
  return w;
}

TEST(Flows, AFanOutWithAJudge) {
  const auto plans = plan_requests(labelled({"hard", "easy"}), good(), 1);
  ASSERT_TRUE(plans.ok()) << plans.error().to_string();
  EXPECT_EQ(check_plans(*plans, 3), "");
  const auto jury = plans->of(0);
  ASSERT_EQ(jury.size(), 3U);
  EXPECT_EQ(plans->flows[plans->flow_of[0]], "jury");
  EXPECT_EQ(jury[0].prompt_tokens, 105U);
  EXPECT_EQ(jury[0].route_tokens, 100U + 5U);
  EXPECT_EQ(jury[1].copies, 3U);
  EXPECT_TRUE(plans->after(jury[1]).empty());
  EXPECT_EQ(jury[1].route_tokens, 0U);
  // The verdict reads the request, one answer of a and three of b.
  EXPECT_EQ(jury[2].prompt_tokens, 100U + 20U + 60U);
  EXPECT_EQ(jury[2].output_tokens, 7U);
  EXPECT_EQ(jury[2].expert, ExpertId(size_t{2}));
  EXPECT_TRUE(jury[2].answers);
  EXPECT_FALSE(jury[0].answers);
  EXPECT_EQ(plans->after(jury[2]).size(), 2U);
  // No flow has the label: the assigned expert answers alone.
  ASSERT_EQ(plans->of(1).size(), 1U);
  EXPECT_EQ(plans->of(1)[0].expert, ExpertId(size_t{1}));
  EXPECT_EQ(plans->flow_of[1], 0U);
}

TEST(Flows, AnAnswerIsRoutedAgainToWhoAnswers) {
  Workload w = labelled(std::vector<std::string>(200, "chain"));
  const auto nobody = plan_requests(w, good(), 1);
  ASSERT_FALSE(nobody.ok());
  EXPECT_THAT(nobody.error().what, HasSubstr("nothing says whom step second is routed to"));
  w.popularity = PopularityLaw{};
  const auto plans = plan_requests(w, good(), 1);
  ASSERT_TRUE(plans.ok());
  EXPECT_EQ(check_plans(*plans, 3), "");
  int to_a = 0;
  for (size_t r = 0; r < 200; ++r) {
    const auto nodes = plans->of(r);
    ASSERT_EQ(nodes.size(), 2U);
    EXPECT_EQ(nodes[1].prompt_tokens, 20U);  // the first answer alone
    EXPECT_EQ(nodes[1].route_tokens, 20U);
    ASSERT_NE(nodes[1].expert, ExpertId(size_t{2}));  // the judge is reached by name only
    to_a += nodes[1].expert == ExpertId(size_t{0}) ? 1 : 0;
  }
  EXPECT_GT(to_a, 70);
  EXPECT_LT(to_a, 130);
}

TEST(Flows, TheRouterReadsTheMessageOrTheConversation) {
  Workload w = labelled({""});
  w.follows = {{0, Follow::kNone, 80, Picoseconds()}};
  Composition c = good();
  EXPECT_EQ(plan_requests(w, c, 1)->nodes[0].route_tokens, 20U);
  c.router.reads = "conversation";
  EXPECT_EQ(plan_requests(w, c, 1)->nodes[0].route_tokens, 100U);
  c.router.runs = "none";
  EXPECT_EQ(plan_requests(w, c, 1)->nodes[0].route_tokens, 0U);
}

TEST(Flows, SharesAreDrawn) {
  Composition c = good();
  c.flows[0].share = 3;
  c.flows[1].share = 1;
  Workload w = labelled(std::vector<std::string>(4000, ""));
  w.popularity = PopularityLaw{};
  const auto plans = plan_requests(w, c, 7);
  ASSERT_TRUE(plans.ok());
  const auto jury = std::count(plans->flow_of.begin(), plans->flow_of.end(), 1U);
  EXPECT_NEAR(static_cast<double>(jury) / 4000, 0.75, 0.028);
  EXPECT_EQ(std::count(plans->flow_of.begin(), plans->flow_of.end(), 0U), 0);
  const auto again = plan_requests(w, c, 7);
  EXPECT_EQ(again->flow_of, plans->flow_of);
}

TEST(Flows, AnExpertRunsForItsOwnersOnly) {
  Composition c = good();
  c.serving.owners = {{"judge", {"clinic"}}};
  const auto refused = plan_requests(labelled({"hard"}), c, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what, "tenant acme may not use expert judge");
  c.serving.owners[0].tenants.emplace_back("acme");
  EXPECT_TRUE(plan_requests(labelled({"hard"}), c, 1).ok());
  EXPECT_TRUE(may_use(c, "a", "anyone"));
}

TEST(Flows, BadOnesAreTold) {
  const auto error = [](const std::string& text) {
    const auto c = parsed(text);
    EXPECT_FALSE(c.ok());
    return c.ok() ? "" : c.error().what;
  };
  EXPECT_THAT(error(replaced("after: [one, two]", "after: [one, tow]")),
              HasSubstr("comes after tow, which is no earlier step"));
  EXPECT_THAT(error(replaced("after: [one, two]", "after: [one, one]")), HasSubstr("names one twice"));
  EXPECT_THAT(error(replaced("name: two,", "name: one,")), HasSubstr("step 'one' has no name of its own"));
  EXPECT_THAT(error(replaced("expert: judge", "expert: jugde")),
              HasSubstr("runs jugde, which is not one expert"));
  EXPECT_THAT(error(replaced("labels: [chain]", "labels: [hard]")), HasSubstr("label hard takes two flows"));
  EXPECT_THAT(error(replaced("expert: assigned}", "expert: assigned, reads_request: false}")),
              HasSubstr("step first reads nothing"));
  EXPECT_THAT(error(replaced("runs: embed,", "runs: embed, parameter_budget_b: 5,")),
              HasSubstr("go together"));
}

TEST(Flows, CheckPlansFindsWhatBreaksTheContract) {
  const auto plans = plan_requests(labelled({"hard"}), good(), 1);
  ASSERT_TRUE(plans.ok());
  RequestPlans broken = *plans;
  broken.after_nodes[0] = 2;
  EXPECT_THAT(check_plans(broken, 3), HasSubstr("comes after 2"));
  broken = *plans;
  broken.nodes[0].answers = true;
  EXPECT_THAT(check_plans(broken, 3), HasSubstr("read, and answers"));
  broken = *plans;
  broken.nodes[1].copies = 0;
  EXPECT_THAT(check_plans(broken, 3), HasSubstr("does nothing"));
  EXPECT_THAT(check_plans(*plans, 2), HasSubstr("has no expert"));
  broken.begin.back() = 2;
  EXPECT_THAT(check_plans(broken, 3), HasSubstr("do not hold all nodes"));
}

TEST(Flows, Samba1) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  const auto c = load_composition(context, "samba-1");
  ASSERT_TRUE(c.ok()) << c.error().to_string();
  const ExpertRoster roster = make_roster(*c);
  EXPECT_EQ(roster.experts.size(), 54U);
  double parameters_b = 0;
  for (const ExpertSpec& e : c->experts) parameters_b += e.parameters_b;
  EXPECT_NEAR(parameters_b, 1106, 1);  // the table's sum: 1.106e12
  auto w = load_workload("synthetic:poisson,n=2000,rate=1", {c->request, 1});
  ASSERT_TRUE(w.ok());
  ASSERT_TRUE(assign_experts(*w, *c, {}).ok());
  const auto plans = plan_requests(*w, *c, 1);
  ASSERT_TRUE(plans.ok()) << plans.error().to_string();
  EXPECT_EQ(check_plans(*plans, 54), "");
  EXPECT_EQ(plans->flows.size(), 9U);
  // Every flow occurs; chains of images start with their patches.
  for (uint32_t f = 1; f < 9; ++f) EXPECT_GT(std::count(plans->flow_of.begin(), plans->flow_of.end(), f), 0);
  for (size_t r = 0; r < plans->requests(); ++r) {
    if (plans->flows[plans->flow_of[r]] != "chart-to-table-to-text") continue;
    EXPECT_EQ(plans->of(r)[0].prompt_tokens, 2048U);
    EXPECT_EQ(plans->of(r)[1].prompt_tokens, 128U + 150U);
  }
}

TEST(CategoryTable, IsTheBestWithinTheBudget) {
  // Against trying everything, on random tables.
  Random random(11);
  for (int round = 0; round < 40; ++round) {
    std::vector<CategorySpec> categories(4);
    for (size_t c = 0; c < 4; ++c) {
      categories[c].weight = 1 + static_cast<double>(random.below(4));
      for (uint64_t e = 0; e < 4; ++e) {
        if (random.below(4) != 0)
          categories[c].candidates.push_back(
              {fmt::format("{}", e), static_cast<double>(random.below(64)) / 64});
      }
      if (categories[c].candidates.empty()) categories[c].candidates.push_back({"0", 0.5});
    }
    const auto parameters = [](const std::string& name) { return static_cast<double>(1 << std::stoi(name)); };
    for (const double budget : {1.0, 3.0, 6.0, 9.0, 15.0}) {
      double best = -1;
      std::vector<size_t> now(4, 0);
      for (bool more = true; more;) {
        double used = 0;
        double gain = 0;
        double weights = 0;
        std::vector<std::string> chosen;
        for (size_t c = 0; c < 4; ++c) {
          const auto& candidate = categories[c].candidates[now[c]];
          if (std::find(chosen.begin(), chosen.end(), candidate.expert) == chosen.end())
            used += parameters(candidate.expert);
          chosen.push_back(candidate.expert);
          gain += categories[c].weight * candidate.quality;
          weights += categories[c].weight;
        }
        if (used <= budget) best = std::max(best, gain / weights);
        more = false;
        for (size_t c = 0; c < 4 && !more; ++c) {
          more = ++now[c] < categories[c].candidates.size();
          if (!more) now[c] = 0;
        }
      }
      const auto table = choose_category_table(categories, budget, parameters);
      ASSERT_EQ(table.ok(), best >= 0);
      if (!table.ok()) continue;
      EXPECT_DOUBLE_EQ(table->quality, best);
      EXPECT_LE(table->parameters_b, budget);
    }
  }
}

TEST(CategoryTable, TheShippedCompositionRoutesByIt) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  auto c = load_composition(context, "coe-two-step");
  ASSERT_TRUE(c.ok()) << c.error().to_string();
  Workload w = labelled({"math", "writing", "gardening"});
  for (Request& r : w.requests) r.expert.reset();
  const auto summary = assign_experts(w, *c, {});
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  const ExpertRoster roster = make_roster(*c);
  // 110 allow one of the large models and the 27B one, not both large ones.
  EXPECT_EQ(roster.experts[w.requests[0].expert->value].name, "qwen2-72b");
  EXPECT_EQ(roster.experts[w.requests[1].expert->value].name, "gemma-2-27b");
  EXPECT_EQ(w.requests[2].expert, roster.base);
  EXPECT_EQ(summary->fallbacks, 1);
  c->router.parameter_budget_b = 5;
  for (Request& r : w.requests) r.expert.reset();
  EXPECT_THAT(assign_experts(w, *c, {}).error().what, HasSubstr("no table keeps within 5 billion"));
}

}  // namespace
}  // namespace rdusim::runtime
