// Composition files: what ships, and what bad ones are told.
#include "runtime/composition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

ConfigContext context() {
  ConfigContext c;
  c.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  return c;
}

Composition shipped(const std::string& name) {
  ConfigContext c = context();
  auto composition = load_composition(c, name);
  EXPECT_TRUE(composition.ok()) << composition.error().to_string();
  return std::move(composition).value();
}

TEST(RuntimeComposition, SambaCoeV03) {
  const Composition c = shipped("samba-coe-v0.3");
  EXPECT_EQ(c.experts.size(), 5U);
  EXPECT_EQ(c.base_expert, "causallm-34b-beta");
  const ExpertRoster roster = make_roster(c);
  EXPECT_EQ(roster.experts.size(), 5U);
  EXPECT_EQ(*roster.base, ExpertId(4));
  EXPECT_EQ(router_classes(c).size(), 4U);
  EXPECT_EQ(router_classes(c)[1].labels, std::vector<std::string>{"code"});
}

TEST(RuntimeComposition, EarlierOnesHaveFiveExpertsAndNoBase) {
  for (const char* name : {"samba-coe-v0.1", "samba-coe-v0.2"}) {
    const Composition c = shipped(name);
    EXPECT_EQ(c.experts.size(), 5U);
    EXPECT_FALSE(make_roster(c).base.has_value());
    size_t labels = 0;
    for (const RouterClass& k : router_classes(c)) labels += k.labels.size();
    EXPECT_EQ(labels, 9U);
  }
}

TEST(RuntimeComposition, OneHundredAndFiftyExpertsAndOverrides) {
  const ExpertRoster roster = make_roster(shipped("llama2-7b-x150"));
  EXPECT_EQ(roster.experts.size(), 150U);
  EXPECT_EQ(roster.models, std::vector<std::string>{"llama-2-7b"});
  EXPECT_EQ(roster.find("llama2-7b-149"), ExpertId(149));
  EXPECT_FALSE(roster.find("llama2-7b-150").has_value());
  ConfigContext c = context();
  c.overrides = {{"composition.experts.llama2-7b.count", "850"}, {"composition.batch", "8"}};
  const auto changed = load_composition(c, "llama2-7b-x150");
  ASSERT_TRUE(changed.ok()) << changed.error().to_string();
  EXPECT_EQ(make_roster(*changed).experts.size(), 850U);
  EXPECT_EQ(changed->batch, 8);
  EXPECT_TRUE(check_overrides_used(c).ok());
  EXPECT_EQ(c.files.size(), 1U);
}

TEST(RuntimeComposition, UnknownNameListsWhatThereIs) {
  ConfigContext c = context();
  EXPECT_THAT(load_composition(c, "samba-coe-v0.4").error().hint, HasSubstr("samba-coe-v0.3"));
}

constexpr const char* kGood = R"(name: n
description: d
experts:
  - name: a
    model: m
    labels: [x]
  - name: b
    model: m
base_expert: b
router:
  kind: knn
  runs: embed
  model: e
  knn:
    stored_vectors: 10
    dimensions: 4
    k: 3
    weighting: distance
    k_grid: [1, 3]
    max_detection_loss: 0.02
request: {prompt_tokens: 128, output_tokens: 20}
stack: s
batch: 8
)";

Error error_after(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const auto document = read_yaml_text(text, "c.yaml");
  EXPECT_TRUE(document.ok());
  auto composition = parse_composition(*document);
  EXPECT_FALSE(composition.ok()) << from << " -> " << to;
  return composition.ok() ? Error{} : composition.take_error();
}

TEST(RuntimeComposition, ErrorsSayWhereAndWhat) {
  const auto document = read_yaml_text(kGood, "c.yaml");
  ASSERT_TRUE(parse_composition(*document).ok());
  EXPECT_EQ(error_after("batch: 8", "batch: 0").where, "c.yaml:23:8");
  EXPECT_THAT(error_after("batch: 8", "batch: 0").what, HasSubstr("batch must be between 1 and 4096"));
  EXPECT_THAT(error_after("batch: 8", "bach: 8").hint, HasSubstr("batch"));
  EXPECT_THAT(error_after("stack: s\n", "").what, HasSubstr("missing key `stack`"));
  EXPECT_THAT(error_after("prompt_tokens: 128", "prompt_tokens: many").what, HasSubstr("prompt_tokens"));
  EXPECT_THAT(error_after("kind: knn", "kind: tree").hint, HasSubstr("popularity"));
  EXPECT_THAT(error_after("base_expert: b", "base_expert: z").what,
              HasSubstr("base_expert z is not one of the experts"));
  EXPECT_THAT(error_after("- name: b", "- name: a").what, HasSubstr("two experts are called a"));
  EXPECT_THAT(error_after("    model: m\nbase", "    model: m\n    labels: [x]\nbase").what,
              HasSubstr("label x is served by two experts"));
  EXPECT_THAT(error_after("    model: m\nbase", "    model: m\n    count: 2\nbase").what,
              HasSubstr("base_expert b is replicated"));
  EXPECT_THAT(error_after("labels: [x]", "labels: [x]\n    count: 2").what,
              HasSubstr("replicas cannot share labels"));
  EXPECT_THAT(error_after("    labels: [x]\n", "").what, HasSubstr("kind: knn needs experts with labels"));
  EXPECT_THAT(error_after("weighting: distance", "weighting: heavy").hint, HasSubstr("similarity"));
  EXPECT_THAT(error_after("k_grid: [1, 3]", "k_grid: []").what, HasSubstr("k_grid is empty"));
  EXPECT_THAT(error_after("runs: embed", "runs: generate").what, HasSubstr("needs output_tokens"));
  EXPECT_THAT(error_after("runs: embed", "runs: none").what, HasSubstr("a model is named but runs: none"));
  EXPECT_THAT(error_after("  model: e\n", "").what, HasSubstr("runs: embed needs a model"));
  EXPECT_THAT(error_after("model: e", "model: e\n  output_tokens: 3").what,
              HasSubstr("runs: embed has no output_tokens"));
  EXPECT_THAT(error_after("model: e", "model: e\n  popularity: uniform").what,
              HasSubstr("kind: knn has no popularity"));
  EXPECT_THAT(error_after("kind: knn", "kind: trace").what, HasSubstr("kind: trace has no knn block"));
  EXPECT_THAT(error_after("name: a", "name: \"\"").what, HasSubstr("name is empty"));
  EXPECT_THAT(error_after("model: m", "model: \"\"").what, HasSubstr("names no model"));
}

TEST(RuntimeComposition, SchemaAndTableComeFromTheFields) {
  const auto schema = read_json_text(composition_json_schema(), "schema");
  ASSERT_TRUE(schema.ok()) << schema.error().to_string();
  EXPECT_NE(schema->find("properties")->find("experts"), nullptr);
  EXPECT_THAT(composition_docs_table(), HasSubstr("router.knn.k_grid"));
}

TEST(RuntimeComposition, Weightings) {
  EXPECT_EQ(*parse_weighting("distance"), VoteWeighting::kDistance);
  EXPECT_THAT(parse_weighting("heavy").error().what, HasSubstr("unknown vote weighting 'heavy'"));
}

}  // namespace
}  // namespace rdusim::runtime
