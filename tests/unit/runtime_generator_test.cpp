// Generated workloads: that their statistics are those asked for, and what hangs on what.
#include "runtime/workload/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/io/document.h"
#include "base/io/file.h"
#include "runtime/workload/assign.h"
#include "runtime/workload/sampling.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

const WorkloadOptions kOptions{{128, 20}, 1};

struct Moments {
  double mean = 0;
  double cv = 0;
};
Moments moments(const std::vector<double>& values) {
  double sum = 0;
  double squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, std::sqrt(squares / static_cast<double>(values.size())) / mean};
}

std::vector<double> gaps_s(const Workload& w) {
  std::vector<double> gaps;
  double last = 0;
  for (const Request& r : w.requests) {
    gaps.push_back(seconds(r.arrival) - last);
    last = seconds(r.arrival);
  }
  return gaps;
}

Workload generated(const WorkloadSpec& spec) {
  auto w = generate_workload(spec, "test", kOptions);
  EXPECT_TRUE(w.ok()) << w.error().to_string();
  return std::move(w).value();
}

// Tolerances below: four standard errors of the estimate at the sample's size, or more.
TEST(Sampling, MomentsOfTheLaws) {
  constexpr int kSamples = 100'000;
  Random random(1);
  std::vector<double> exponential;
  std::vector<double> gamma;
  std::vector<double> bursty;
  std::vector<double> lognormal;
  double normal_sum = 0;
  double normal_squares = 0;
  for (int i = 0; i < kSamples; ++i) {
    exponential.push_back(sample_exponential(random));
    gamma.push_back(sample_gamma(random, 4));
    bursty.push_back(sample_gamma(random, 0.25));
    lognormal.push_back(sample_lognormal(random, 50, 1));
    const double z = sample_normal(random);
    normal_sum += z;
    normal_squares += z * z;
  }
  EXPECT_NEAR(moments(exponential).mean, 1, 0.013);
  EXPECT_NEAR(moments(exponential).cv, 1, 0.02);
  EXPECT_NEAR(moments(gamma).mean, 1, 0.0065);
  EXPECT_NEAR(moments(gamma).cv, 0.5, 0.01);
  EXPECT_NEAR(moments(bursty).mean, 1, 0.026);
  EXPECT_NEAR(moments(bursty).cv, 2, 0.06);
  EXPECT_NEAR(moments(lognormal).mean, 50, 0.65);
  EXPECT_NEAR(moments(lognormal).cv, 1, 0.06);
  EXPECT_NEAR(normal_sum / kSamples, 0, 0.013);
  EXPECT_NEAR(normal_squares / kSamples, 1, 0.018);
}

TEST(Generator, RatesAndBursts) {
  WorkloadSpec spec;
  spec.requests = 50'000;
  spec.arrivals.rate_per_s = 8;
  EXPECT_NEAR(moments(gaps_s(generated(spec))).mean, 1.0 / 8, 0.0023);
  EXPECT_NEAR(moments(gaps_s(generated(spec))).cv, 1, 0.03);
  spec.arrivals.process = "gamma";
  spec.arrivals.gap_cv = 3;
  EXPECT_NEAR(moments(gaps_s(generated(spec))).mean, 1.0 / 8, 0.007);
  EXPECT_NEAR(moments(gaps_s(generated(spec))).cv, 3, 0.2);
  spec.arrivals.gap_cv = 0.25;
  EXPECT_NEAR(moments(gaps_s(generated(spec))).cv, 0.25, 0.01);
}

TEST(Generator, TheDayHasItsPeakItsTroughAndItsMean) {
  WorkloadSpec spec;
  spec.requests = 200'000;
  spec.arrivals.rate_per_s = 100;
  spec.arrivals.day_s = 240;  // hours of 10 s
  spec.arrivals.day_amplitude = 0.5;
  spec.arrivals.day_peak_s = 60;
  std::vector<double> by_hour(24, 0);
  const Workload w = generated(spec);
  constexpr double kDays = 8;
  for (const Request& r : w.requests) {
    const double time_s = seconds(r.arrival);
    if (time_s < kDays * 240) by_hour[static_cast<size_t>(std::fmod(time_s, 240) / 10)] += 1 / (kDays * 10);
  }
  // Peaks at 60 s: hours 5 and 6 have 100 × (1 + 0.5 cos(pi / 24)); the trough is half a day on.
  EXPECT_NEAR(by_hour[5], 149.6, 6);
  EXPECT_NEAR(by_hour[6], 149.6, 6);
  EXPECT_NEAR(by_hour[17], 50.4, 4);
  EXPECT_NEAR(by_hour[18], 50.4, 4);
  EXPECT_NEAR(by_hour[0], 100 * (1 + 0.5 * std::cos(5.5 * M_PI / 12)), 5);
  EXPECT_NEAR(seconds(w.requests.back().arrival), 2000, 20);
}

TEST(Generator, EqualSeedsGiveEqualRequests) {
  WorkloadSpec spec;
  spec.requests = 2000;
  spec.prompt = {300, 1, 1, 4096};
  spec.output = {100, 1, 1, 1024};
  spec.sessions = {4, 10, 0.5, 8192};
  const Workload a = generated(spec);
  const Workload b = generated(spec);
  spec.seed = 2;
  const Workload c = generated(spec);
  bool differs = false;
  for (size_t i = 0; i < a.requests.size(); ++i) {
    ASSERT_EQ(a.requests[i].arrival, b.requests[i].arrival);
    ASSERT_EQ(a.requests[i].prompt_tokens, b.requests[i].prompt_tokens);
    ASSERT_EQ(a.follows[i].previous, b.follows[i].previous);
    differs = differs || a.requests[i].arrival != c.requests[i].arrival;
  }
  EXPECT_TRUE(differs);
}

TEST(Generator, TurnsCarryTheConversation) {
  WorkloadSpec spec;
  spec.requests = 30'000;
  spec.prompt = {300, 0.5, 1, 4096};
  spec.output = {100, 0.5, 1, 1024};
  spec.sessions = {4, 20, 1, 100'000};
  const Workload w = generated(spec);
  ASSERT_EQ(w.follows.size(), w.requests.size());
  std::vector<double> thinks_s;
  int64_t conversations = 0;
  for (size_t i = 0; i < w.requests.size(); ++i) {
    const Follow& f = w.follows[i];
    ASSERT_GE(w.requests[i].arrival, w.requests[i == 0 ? 0 : i - 1].arrival);
    if (f.previous == Follow::kNone) {
      ++conversations;
      ASSERT_EQ(f.shared_prefix_tokens, 0U);
      continue;
    }
    ASSERT_LT(f.previous, i);
    const Request& before = w.requests[f.previous];
    ASSERT_EQ(w.follows[f.previous].session, f.session);
    ASSERT_EQ(f.shared_prefix_tokens, before.prompt_tokens + before.output_tokens);
    ASSERT_GT(w.requests[i].prompt_tokens, f.shared_prefix_tokens);
    thinks_s.push_back(seconds(f.think));
  }
  EXPECT_NEAR(30'000.0 / static_cast<double>(conversations), 4, 0.2);
  EXPECT_NEAR(moments(thinks_s).mean, 20, 0.6);
}

TEST(Generator, NoPromptExceedsTheContext) {
  WorkloadSpec spec;
  spec.requests = 5000;
  spec.prompt = {300, 1, 1, 1000};
  spec.output = {100, 1, 1, 500};
  spec.sessions = {50, 1, 1, 2048};
  int64_t later_turns = 0;
  const Workload w = generated(spec);
  for (size_t i = 0; i < w.requests.size(); ++i) {
    ASSERT_LE(w.requests[i].prompt_tokens + w.requests[i].output_tokens, 2048);
    later_turns += w.follows[i].shared_prefix_tokens > 0 ? 1 : 0;
  }
  EXPECT_GT(later_turns, 2500);
}

TEST(Generator, AClosedLoopHasOneRequestAClientAtATime) {
  WorkloadSpec spec;
  spec.requests = 1000;
  spec.loop = "closed";
  spec.clients = 7;
  spec.sessions.mean_think_s = 2;
  const Workload w = generated(spec);
  EXPECT_TRUE(w.closed_loop);
  std::vector<bool> followed(w.requests.size());
  int64_t firsts = 0;
  for (size_t i = 0; i < w.requests.size(); ++i) {
    if (w.follows[i].previous == Follow::kNone) {
      ++firsts;
      continue;
    }
    ASSERT_FALSE(followed[w.follows[i].previous]);  // nobody is followed twice
    followed[w.follows[i].previous] = true;
    ASSERT_EQ(w.requests[i].prompt_tokens, 128);
  }
  EXPECT_EQ(firsts, 7);
}

TEST(Generator, TenantsByShare) {
  WorkloadSpec spec;
  spec.requests = 20'000;
  spec.tenants = {{"a", 3}, {"b", 1}};
  const Workload w = generated(spec);
  double of_a = 0;
  for (const Request& r : w.requests) of_a += r.tenant == TenantId(0) ? 1 : 0;
  EXPECT_NEAR(of_a / 20'000, 0.75, 0.0125);
}

TEST(Generator, AStayingConversationKeepsItsExpert) {
  Composition c;
  c.experts = {{"e", "m", 50, {}}};
  c.router.kind = "trace";
  for (const double stay : {1.0, 0.5}) {
    WorkloadSpec spec;
    spec.requests = 20'000;
    spec.sessions = {5, 1, stay, 1'000'000};
    spec.popularity = "uniform";
    Workload w = generated(spec);
    ASSERT_TRUE(assign_experts(w, c, {}).ok());
    double later = 0;
    double kept = 0;
    for (size_t i = 0; i < w.requests.size(); ++i) {
      if (w.follows[i].previous == Follow::kNone) continue;
      ++later;
      kept += w.requests[i].expert == w.requests[w.follows[i].previous].expert ? 1 : 0;
    }
    EXPECT_NEAR(kept / later, stay + (1 - stay) / 50, 0.016) << stay;
  }
}

TEST(Popularity, TheZipfExponentIsTheOneAskedFor) {
  // Slope of log count over log rank by least squares, the first 30 ranks of 100.
  for (const double exponent : {0.6, 0.9, 1.2}) {
    ExpertDraw draw({PopularityLaw::Kind::kZipf, exponent}, 100, 3);
    std::vector<double> count(100, 0);
    for (int i = 0; i < 300'000; ++i) ++count[draw.next().value];
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    constexpr int kRanks = 30;
    for (int r = 0; r < kRanks; ++r) {
      const double x = std::log(r + 1);
      const double y = std::log(count[static_cast<size_t>(r)]);
      sx += x, sy += y, sxx += x * x, sxy += x * y;
    }
    EXPECT_NEAR((kRanks * sxy - sx * sy) / (kRanks * sxx - sx * sx), -exponent, 0.02);
  }
}

TEST(Popularity, PhasesRedrawAndDriftSwaps) {
  const auto most_popular = [](ExpertDraw& draw, int draws) {
    std::vector<int> count(40, 0);
    for (int i = 0; i < draws; ++i) ++count[draw.next().value];
    return std::max_element(count.begin(), count.end()) - count.begin();
  };
  PopularityLaw law{PopularityLaw::Kind::kZipf, 1.2};
  law.phase_requests = 2000;
  ExpertDraw phases(law, 40, 5);
  EXPECT_EQ(most_popular(phases, 2000), 0);
  std::vector<std::ptrdiff_t> tops;
  for (int p = 0; p < 6; ++p) tops.push_back(most_popular(phases, 2000));
  EXPECT_NE(std::count(tops.begin(), tops.end(), tops[0]), 6);
  // Drift leaves most in place for a while: after ten swaps at most twenty of forty ranks have changed.
  law.phase_requests = 0;
  law.drift_requests = 10;
  ExpertDraw drift(law, 40, 5);
  ExpertDraw steady({PopularityLaw::Kind::kZipf, 1.2}, 40, 5);
  int equal = 0;
  for (int i = 0; i < 100; ++i) equal += drift.next() == steady.next() ? 1 : 0;
  EXPECT_GT(equal, 40);
  EXPECT_LT(equal, 100);
}

TEST(Popularity, TextForms) {
  for (const char* text :
       {"uniform", "round-robin", "zipf:0.9", "zipf:1.2+phases:4000", "zipf:0.9+phases:10+drift:3"}) {
    const auto law = parse_popularity(text);
    ASSERT_TRUE(law.ok()) << text;
    EXPECT_EQ(law->to_string(), text);
  }
  EXPECT_EQ(parse_popularity("zipf:1e+0")->exponent, 1);
  EXPECT_THAT(parse_popularity("zipf:0.9+phases:0").error().what,
              HasSubstr("phases needs a number of requests"));
  EXPECT_THAT(parse_popularity("zipf:0.9+drift:5+trend:2").error().what,
              HasSubstr("unknown change of ranks 'trend'"));
  EXPECT_THAT(parse_popularity("zipf:0+drift:5").error().what, HasSubstr("zipf exponent '0'"));
}

TEST(WorkloadSpecFile, ShippedOnesGenerate) {
  for (const char* name : {"chat-day", "closed-32"}) {
    const std::string path = std::string(RDUSIM_SOURCE_DIR) + "/configs/workloads/" + name + ".yaml";
    const auto w = load_workload(path, kOptions);
    ASSERT_TRUE(w.ok()) << w.error().to_string();
    EXPECT_TRUE(w->popularity.has_value());
    EXPECT_FALSE(w->follows.empty());
  }
}

TEST(WorkloadSpecFile, DumpReadsBackAndBadOnesAreTold) {
  const auto parse = [](const std::string& text) {
    const auto root = read_yaml_text(text, "w.yaml");
    EXPECT_TRUE(root.ok());
    return parse_workload_spec(*root);
  };
  WorkloadSpec spec;
  spec.name = "n";
  spec.tenants = {{"a", 2}};
  spec.popularity = "zipf:0.9";
  const auto again = parse(dump_workload_spec(spec));
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(dump_workload_spec(*again), dump_workload_spec(spec));
  EXPECT_THAT(parse("name: n\nrequests: 5\nrate: 3\n").error().to_string(), HasSubstr("rate"));
  EXPECT_THAT(parse("name: n\nrequests: 0\n").error().where, HasSubstr("w.yaml:2"));
  EXPECT_THAT(parse("name: n\nrequests: 5\narrivals: {process: poisson, gap_cv: 2}\n").error().what,
              HasSubstr("process poisson has no gap_cv"));
  EXPECT_THAT(parse("name: n\nrequests: 5\narrivals: {process: poisson, day_s: 9}\n").error().what,
              HasSubstr("day_s and day_amplitude go together"));
  EXPECT_THAT(parse("name: n\nrequests: 5\npopularity: zopf\n").error().what,
              HasSubstr("unknown popularity law"));
  EXPECT_THAT(parse("name: n\nrequests: 5\ntenants: [{name: a}, {name: a}]\n").error().what,
              HasSubstr("named twice"));
  EXPECT_THAT(parse("name: n\nrequests: 5\nprompt: {min_tokens: 9, max_tokens: 3}\n").error().what,
              HasSubstr("min_tokens is above max_tokens"));
}

TEST(Prefixes, BlocksOfTracesAndOfConversations) {
  const auto mooncake = parse_workload(
      "{\"timestamp\": 0, \"input_length\": 1030, \"output_length\": 5, \"hash_ids\": [4, 9, 12]}\n", "w",
      kOptions);
  ASSERT_TRUE(mooncake.ok());
  std::vector<uint64_t> keys{77};
  prefix_block_keys(*mooncake, 0, keys);
  EXPECT_EQ(keys, (std::vector<uint64_t>{4, 9, 12}));

  WorkloadSpec spec;
  spec.requests = 200;
  spec.prompt = {600, 0, 1, 1000};
  spec.output = {100, 0, 1, 500};
  spec.sessions = {6, 1, 1, 100'000};
  const Workload w = generated(spec);
  for (size_t i = 0; i < w.requests.size(); ++i) {
    prefix_block_keys(w, i, keys);
    EXPECT_EQ(static_cast<int64_t>(keys.size()), w.requests[i].prompt_tokens / kPrefixBlockTokens);
    if (w.follows[i].previous == Follow::kNone) continue;
    std::vector<uint64_t> before;
    prefix_block_keys(w, w.follows[i].previous, before);
    ASSERT_LE(before.size(), keys.size());
    EXPECT_TRUE(std::equal(before.begin(), before.end(), keys.begin()));
  }
}

TEST(AzureFunctions, FunctionsAreModelsInOrderOfPopularity) {
  const auto w = parse_workload(
      "app,func,end_timestamp,duration\n"
      "a,f,3.5,1.5\n"
      "b,g,1.0,0.5\n"
      "b,g,4.0,0.5\n"
      "a,g,5.0,0.25\n",
      "w", kOptions);
  ASSERT_TRUE(w.ok()) << w.error().to_string();
  EXPECT_EQ(w->format, "azure-functions-2021");
  // Starts: b/g 0.5, a/f 2, b/g 3.5, a/g 4.75; arrivals from the first.
  EXPECT_EQ(w->requests[1].arrival, Picoseconds(1'500'000'000'000));
  EXPECT_EQ(w->functions, (std::vector<uint32_t>{0, 1, 0, 2}));
  EXPECT_EQ(w->tenants, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(w->requests[3].prompt_tokens, 128);
  Composition c;
  c.experts = {{"e", "m", 2, {}}};
  c.router.kind = "trace";
  Workload served = *w;
  const auto summary = assign_experts(served, c, {});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->by_function, 4);
  EXPECT_EQ(served.requests[3].expert, ExpertId(0));  // three functions on two experts
  const auto bad = parse_workload("app,func,end_timestamp,duration\na,f,x,1\n", "w", kOptions);
  EXPECT_EQ(bad.error().where, "w:2:3");
}

TEST(Synthetic, TheShortFormKnowsTheGenerator) {
  const auto w =
      load_workload("synthetic:gamma,n=50,cv=3,rate=2,turns=4,think=5,stay=0.5,popularity=zipf:1", kOptions);
  ASSERT_TRUE(w.ok()) << w.error().to_string();
  EXPECT_EQ(w->follows.size(), 50U);
  EXPECT_EQ(w->session_stay, 0.5);
  EXPECT_TRUE(load_workload("synthetic:closed,n=50,clients=5,think=2", kOptions)->closed_loop);
  EXPECT_THAT(load_workload("synthetic:poisson,cv=3", kOptions).error().what, HasSubstr("has no gap_cv"));
  EXPECT_THAT(load_workload("synthetic:poisson,client=3", kOptions).error().what,
              HasSubstr("did you mean 'clients'"));
}

}  // namespace
}  // namespace rdusim::runtime
