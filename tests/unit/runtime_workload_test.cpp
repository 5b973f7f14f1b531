// Readers of request files, the generator, and what bad rows are told.
#include "runtime/workload/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/workload/assign.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

const WorkloadOptions kOptions{{128, 20}, 1};

Workload parsed(const std::string& text) {
  auto w = parse_workload(text, "w", kOptions);
  EXPECT_TRUE(w.ok()) << w.error().to_string();
  return std::move(w).value();
}

Error failed(const std::string& text) {
  auto w = parse_workload(text, "w", kOptions);
  EXPECT_FALSE(w.ok()) << text;
  return w.ok() ? Error{} : w.take_error();
}

TEST(RuntimeWorkload, CsvWithDefaultsTextAndTenants) {
  const Workload w = parsed(
      "arrival_s,tenant,prompt_tokens,text,output_tokens,label,expert\n"
      "2.5,beta,7,,3,,e1\n"
      "0.5,acme,,\"nine by,te\",,math,\n"
      "1,beta,,,,,\n");
  EXPECT_EQ(w.format, "requests-csv");
  ASSERT_EQ(w.requests.size(), 3U);  // sorted by arrival
  EXPECT_EQ(w.requests[0].arrival, Picoseconds(500'000'000'000));
  EXPECT_EQ(w.requests[0].prompt_tokens, 3);  // ten bytes
  EXPECT_EQ(w.requests[0].output_tokens, 20);
  EXPECT_EQ(w.notes[0].label, "math");
  EXPECT_EQ(w.requests[1].prompt_tokens, 128);
  EXPECT_EQ(w.requests[2].prompt_tokens, 7);
  EXPECT_EQ(w.notes[2].expert, "e1");
  EXPECT_EQ(w.tenants[w.requests[2].tenant.value], "beta");
  EXPECT_EQ(w.requests[1].tenant, w.requests[2].tenant);
}

TEST(RuntimeWorkload, CsvErrors) {
  EXPECT_EQ(failed("arrival_s,prompt_tokens\n0,5\n1,x\n").where, "w:3:2");
  EXPECT_THAT(failed("arrival_s,prompt_tokens\n1,x\n").what,
              HasSubstr("prompt_tokens is not a whole number: 'x'"));
  EXPECT_THAT(failed("arrival_s,prompt_tokens\n1,0\n").what,
              HasSubstr("prompt_tokens must be between 1 and"));
  EXPECT_THAT(failed("arrival_s,output_tokens\n1,-4\n").what, HasSubstr("found -4"));
  EXPECT_THAT(failed("arrival_s\nsoon\n").what, HasSubstr("arrival_s is not a number: 'soon'"));
  EXPECT_THAT(failed("arrival_s\n-1\n").what, HasSubstr("arrival_s must be between 0 and 1e+06"));
  EXPECT_THAT(failed("arrival_s\nnan\n").what, HasSubstr("arrival_s must be between"));
  EXPECT_THAT(failed("arrival_s,output_token\n1,2\n").hint, HasSubstr("did you mean 'output_tokens'?"));
  EXPECT_THAT(failed("arrival_s\n").what, HasSubstr("no requests"));
  EXPECT_THAT(failed("when,what\n1,2\n").what, HasSubstr("no known request format begins with 'when,what'"));
  EXPECT_THAT(failed("when,what\n1,2\n").hint, HasSubstr("azure-llm-2023"));
}

TEST(RuntimeWorkload, JsonLines) {
  const Workload w = parsed(
      "{\"arrival_s\": 1, \"tenant\": \"t\", \"text\": \"12345678\", \"label\": \"code\"}\n\n"
      "{\"arrival_s\": 0.25, \"prompt_tokens\": 9, \"output_tokens\": 1, \"expert\": \"e\"}\n");
  EXPECT_EQ(w.format, "requests-jsonl");
  EXPECT_EQ(w.requests[0].prompt_tokens, 9);
  EXPECT_EQ(w.requests[1].prompt_tokens, 2);
  EXPECT_EQ(w.notes[1].text, "12345678");
  EXPECT_EQ(w.tenants[w.requests[1].tenant.value], "t");
}

TEST(RuntimeWorkload, JsonLinesErrors) {
  const std::string good = "{\"arrival_s\": 1}\n";
  EXPECT_EQ(failed(good + "{\"arrival_s\": 2, \"prompt_tokens\": 0}").where, "w:2:35");
  EXPECT_THAT(failed(good + "{\"arrival_s\": 2, \"promt_tokens\": 4}").hint,
              HasSubstr("did you mean 'prompt_tokens'?"));
  EXPECT_THAT(failed(good + "{\"prompt_tokens\": 4}").what, HasSubstr("arrival_s"));
  EXPECT_EQ(failed(good + good + "{\"arrival_s\": 2").where.substr(0, 4), "w:3:");
  EXPECT_THAT(failed(good + "{\"arrival_s\": \"now\"}").where, HasSubstr("w:2:"));
}

TEST(RuntimeWorkload, AzureLlm) {
  const Workload w = parsed(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n"
      "2023-11-16 23:59:59.9000000,374,44\n"
      "2023-11-17 00:00:00.1000001,396,109\n");
  EXPECT_EQ(w.format, "azure-llm-2023");
  EXPECT_EQ(w.requests[0].arrival.value, 0);
  EXPECT_EQ(w.requests[1].arrival.value, 200'000'100'000);  // 0.2 s and one tick of 100 ns
  EXPECT_EQ(w.requests[1].output_tokens, 109);
  EXPECT_TRUE(w.notes.empty());
  const std::string header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  EXPECT_EQ(failed(header + "2023-11-16 18:15:46,1,1\nyesterday,1,1\n").where, "w:3:1");
  EXPECT_THAT(failed(header + "2023-13-16 18:15:46,1,1\n").what, HasSubstr("TIMESTAMP is not a time"));
  EXPECT_THAT(failed(header + "2023-11-16 18:15:46,0,1\n").what, HasSubstr("ContextTokens must be between"));
  EXPECT_THAT(failed("TIMESTAMP,ContextToken,GeneratedTokens\n").hint, HasSubstr("ContextToken"));
}

TEST(RuntimeWorkload, AzureLeapYears) {
  const Workload w = parsed(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n"
      "2024-02-28 00:00:00,1,1\n2024-02-29 00:00:00,1,1\n2024-03-01 00:00:00,1,1\n");
  EXPECT_EQ(w.requests[2].arrival, Picoseconds(int64_t{2} * 86'400 * 1'000'000'000'000));
}

TEST(RuntimeWorkload, Mooncake) {
  const Workload w = parsed(
      "{\"timestamp\": 0, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0, 1, 2]}\n"
      "{\"timestamp\": 3052, \"input_length\": 10, \"output_length\": 1, \"hash_ids\": []}\n");
  EXPECT_EQ(w.format, "mooncake");
  EXPECT_EQ(w.requests[1].arrival, Picoseconds(3'052'000'000'000));
  EXPECT_EQ(w.notes[0].prefix_blocks, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_THAT(failed("{\"timestamp\": 0, \"input_length\": 0, \"output_length\": 5}").what,
              HasSubstr("input_length"));
  EXPECT_THAT(failed("{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 5, \"hash_ids\": 7}").what,
              HasSubstr("hash_ids is not a list"));
}

TEST(RuntimeWorkload, LabelledPrompts) {
  const Workload w = parsed("{\"label\": \"math\", \"text\": \"What is 2 + 2?\"}\n");
  EXPECT_EQ(w.format, "labelled-prompts");
  EXPECT_EQ(w.requests[0].prompt_tokens, 4);
  EXPECT_EQ(w.requests[0].output_tokens, 20);
}

TEST(RuntimeWorkload, TokensOfText) {
  EXPECT_EQ(approximate_tokens(""), 1);
  EXPECT_EQ(approximate_tokens("1234"), 1);
  EXPECT_EQ(approximate_tokens("12345"), 2);
}

TEST(RuntimeWorkload, SyntheticPoisson) {
  const auto w = load_workload(
      "synthetic:poisson,rate=4,n=20000,prompt=64,output=2,popularity=zipf:0.9,seed=5", kOptions);
  ASSERT_TRUE(w.ok()) << w.error().to_string();
  ASSERT_EQ(w->requests.size(), 20'000U);
  EXPECT_EQ(w->requests[0].prompt_tokens, 64);
  EXPECT_EQ(w->popularity->to_string(), "zipf:0.9");
  // Mean gap 0.25 s; its standard error is 0.25 / sqrt(20000): five of them.
  EXPECT_NEAR(seconds(w->requests.back().arrival) / 20'000, 0.25, 0.25 / 141 * 5);
  const auto again = load_workload(w->source, kOptions);
  EXPECT_EQ(again->requests.back().arrival, w->requests.back().arrival);
}

TEST(RuntimeWorkload, SyntheticOthersAndErrors) {
  const auto constant = load_workload("synthetic:constant,rate=2,n=3", kOptions);
  EXPECT_EQ(constant->requests[2].arrival, Picoseconds(1'000'000'000'000));
  EXPECT_EQ(constant->requests[2].output_tokens, 20);
  EXPECT_EQ(load_workload("synthetic:together,n=2", kOptions)->requests[1].arrival.value, 0);
  const auto what = [](const std::string& text) { return load_workload(text, kOptions).error().what; };
  EXPECT_THAT(what("synthetic:bursty"), HasSubstr("unknown arrival process 'bursty'"));
  EXPECT_THAT(what("synthetic:poisson,raet=2"), HasSubstr("unknown key 'raet', did you mean 'rate'?"));
  EXPECT_THAT(what("synthetic:poisson,n=0"), HasSubstr("n must be a number between 1 and"));
  EXPECT_THAT(what("synthetic:poisson,rate"), HasSubstr("expected key=value, found 'rate'"));
  EXPECT_THAT(what("synthetic:poisson,popularity=zipf:0"), HasSubstr("zipf exponent '0' is not in (0, 10]"));
  EXPECT_THAT(what("synthetic:poisson,popularity=fame"), HasSubstr("unknown popularity law 'fame'"));
  EXPECT_THAT(what("synthetic:poisson,rate=1e-6,n=100"), HasSubstr("arrival_s must be between"));
  EXPECT_EQ(load_workload("synthetic:poisson,n=0", kOptions).error().where, "synthetic:poisson,n=0:1:19");
  EXPECT_FALSE(load_workload("/nowhere/requests.csv", kOptions).ok());
}

TEST(RuntimePopularity, ZipfFrequencies) {
  ExpertDraw draw({PopularityLaw::Kind::kZipf, 1}, 4, 9);
  std::vector<int> count(4, 0);
  for (int i = 0; i < 100'000; ++i) ++count[draw.next().value];
  const double h = 1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4;
  for (size_t r = 0; r < 4; ++r) EXPECT_NEAR(count[r] / 1e5, 1 / (static_cast<double>(r + 1) * h), 0.01);
  ExpertDraw turns({PopularityLaw::Kind::kRoundRobin, 0}, 3, 1);
  for (const uint32_t want : {0U, 1U, 2U, 0U}) EXPECT_EQ(turns.next().value, want);
}

Composition two_experts() {
  Composition c;
  c.name = "two";
  c.experts = {{"a", "m", 1, {"math"}}, {"b", "m", 1, {}}};
  c.base_expert = "b";
  c.router.kind = "knn";
  return c;
}

TEST(RuntimeAssign, ByNameThenLabel) {
  Workload w = parsed("arrival_s,label,expert\n0,,b\n1,math,\n2,poems,\n");
  const auto summary = assign_experts(w, two_experts(), {});
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  EXPECT_EQ(w.requests[0].expert, ExpertId(1));
  EXPECT_EQ(w.requests[1].expert, ExpertId(0));
  EXPECT_EQ(w.requests[2].expert, ExpertId(1));  // no expert serves poems: the base expert
  EXPECT_EQ(summary->by_name, 1);
  EXPECT_EQ(summary->by_label, 2);
  EXPECT_EQ(summary->fallbacks, 1);
}

TEST(RuntimeAssign, PopularityBeatsLabels) {
  Workload w = parsed("arrival_s,label\n0,math\n1,math\n");
  AssignmentOptions options;
  options.popularity = PopularityLaw{PopularityLaw::Kind::kRoundRobin, 0};
  const auto summary = assign_experts(w, two_experts(), options);
  EXPECT_EQ(summary->by_popularity, 2);
  EXPECT_EQ(w.requests[1].expert, ExpertId(1));
}

TEST(RuntimeAssign, Errors) {
  Workload w = parsed("arrival_s,expert\n0,a\n1,bb\n");
  auto result = assign_experts(w, two_experts(), {});
  EXPECT_EQ(result.error().where, "w: request 1");
  EXPECT_THAT(result.error().what, HasSubstr("names expert 'bb', which two does not have"));
  w = parsed("arrival_s\n0\n");
  EXPECT_THAT(assign_experts(w, two_experts(), {}).error().what, HasSubstr("nothing says which expert"));
  w = parsed("arrival_s,text\n0,hello\n");
  Router router;
  router.classes = {{"stranger", {"math"}}};
  AssignmentOptions options;
  options.router = &router;
  EXPECT_THAT(assign_experts(w, two_experts(), options).error().what, HasSubstr("it knows expert stranger"));
  options.embeddings = Tensor(2, 2);
  router.classes = {{"a", {"math"}}};
  EXPECT_THAT(assign_experts(w, two_experts(), options).error().what,
              HasSubstr("1 requests but 2 embeddings"));
}

}  // namespace
}  // namespace rdusim::runtime
