// Documents: places, kinds, and each error message of the YAML and JSON readers and of the accessors, once.
#include "base/io/document.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/io/fields.h"

namespace rdusim {
namespace {

using Kind = DocumentNode::Kind;
using ::testing::HasSubstr;

DocumentNode yaml(std::string_view text) {
  auto result = read_yaml_text(text, "f.yaml");
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return result.ok() ? *result : DocumentNode{};
}

DocumentNode json(std::string_view text) {
  auto result = read_json_text(text, "f.json");
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return result.ok() ? *result : DocumentNode{};
}

std::string yaml_error(std::string_view text, const DocumentLimits& limits = {}) {
  const auto result = read_yaml_text(text, "f.yaml", limits);
  return result.ok() ? "no error" : result.error().to_string();
}

std::string json_error(std::string_view text, const DocumentLimits& limits = {}) {
  const auto result = read_json_text(text, "f.json", limits);
  return result.ok() ? "no error" : result.error().to_string();
}

TEST(Yaml, ScalarKindsFollowTheCoreSchema) {
  const DocumentNode root =
      yaml("[1, -2, 0x1F, 0o17, 1.5, 1e9, .5, true, null, ~, yes, '1', 1_000, -, 1e, .inf]");
  const std::vector<Kind> kinds = {Kind::kInteger, Kind::kInteger, Kind::kInteger, Kind::kInteger,
                                   Kind::kReal,    Kind::kReal,    Kind::kReal,    Kind::kBool,
                                   Kind::kNull,    Kind::kNull,    Kind::kString,  Kind::kString,
                                   Kind::kString,  Kind::kString,  Kind::kString,  Kind::kString};
  ASSERT_EQ(root.items.size(), kinds.size());
  for (size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(root.items[i].kind, kinds[i]) << i;
}

TEST(Yaml, EveryNodeKnowsItsPlace) {
  const DocumentNode root = yaml("a: 1\nb:\n  - x\n  - {c: 2}\n");
  EXPECT_EQ(root.where, "f.yaml:1:1");
  EXPECT_EQ(root.find("a")->where, "f.yaml:1:4");
  EXPECT_EQ(root.find("b")->items[0].where, "f.yaml:3:5");
  EXPECT_EQ(root.find("b")->items[1].find("c")->where, "f.yaml:4:9");
}

TEST(Json, EveryNodeKnowsItsPlace) {
  const DocumentNode root = json("{\"a\": 12,\n \"b\": [true,null, \"x\\\"y\", {\"c\":-2.5}, 7]}");
  EXPECT_EQ(root.where, "f.json:1:1");
  EXPECT_EQ(root.find("a")->where, "f.json:1:7");
  const DocumentNode& list = *root.find("b");
  EXPECT_EQ(list.where, "f.json:2:7");
  EXPECT_EQ(list.items[0].where, "f.json:2:8");
  EXPECT_EQ(list.items[1].where, "f.json:2:13");
  EXPECT_EQ(list.items[2].where, "f.json:2:19");
  EXPECT_EQ(list.items[2].text, "x\"y");
  EXPECT_EQ(list.items[3].find("c")->where, "f.json:2:32");
  EXPECT_EQ(list.items[4].where, "f.json:2:39");
}

TEST(Yaml, AliasesAreExpanded) {
  const DocumentNode root = yaml("a: &x {n: 1}\nb: *x\n");
  EXPECT_EQ(*root.find("b")->find("n")->as_integer(), 1);
}

TEST(Yaml, EmptyTextIsNull) {
  EXPECT_EQ(yaml("# nothing\n").kind, Kind::kNull);
}

TEST(Yaml, DuplicateKey) {
  EXPECT_THAT(yaml_error("a: 1\nb: 2\na: 3\n"), HasSubstr("f.yaml:3:1: error: duplicate key `a`"));
}

TEST(Json, DuplicateKey) {
  EXPECT_THAT(json_error("{\"a\": 1,\n  \"a\": 2}"), HasSubstr("f.json:2:3: error: duplicate key `a`"));
}

std::string repeat(int anchor, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += fmt::format("*a{},", anchor);
  return out;
}

TEST(Yaml, AliasBombStopsEarly) {
  std::string text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
  for (int i = 1; i <= 12; ++i) text += fmt::format("a{0}: &a{0} [{2}*a{1}]\n", i, i - 1, repeat(i - 1, 9));
  EXPECT_THAT(yaml_error(text), HasSubstr("more than 2000000 values after alias expansion"));
}

TEST(Yaml, DepthIsBounded) {
  EXPECT_THAT(yaml_error(std::string(65, '[') + std::string(65, ']')),
              HasSubstr("f.yaml:1:65: error: nested deeper"));
  EXPECT_EQ(yaml_error(std::string(64, '[') + std::string(64, ']')), "no error");
}

TEST(Yaml, DepthIsBoundedThroughAliases) {
  EXPECT_THAT(yaml_error("a: &a [[1]]\nb: [*a]\n", {.max_depth = 4}), HasSubstr("no error"));
  EXPECT_THAT(yaml_error("a: &a [[1]]\nb: [[*a]]\n", {.max_depth = 4}),
              HasSubstr("nested deeper than 4 levels"));
}

TEST(Json, DepthIsBounded) {
  EXPECT_THAT(json_error(std::string(100'000, '[')),
              HasSubstr("f.json:1:65: error: nested deeper than 64 levels"));
}

TEST(Json, NumberOfValuesIsBounded) {
  EXPECT_THAT(json_error("[1,2,3]", {.max_nodes = 3}), HasSubstr("f.json:1:6: error: more than 3 values"));
}

TEST(Yaml, OtherRejections) {
  EXPECT_THAT(yaml_error("a: 1\n---\nb: 2\n"), HasSubstr("a second document starts here"));
  EXPECT_THAT(yaml_error("a: &a [*a]\n"), HasSubstr("an alias lies inside the value that it names"));
  EXPECT_THAT(yaml_error("b: &b {x: 1}\na:\n  <<: *b\n"), HasSubstr("f.yaml:3:3: error: merge keys (<<)"));
  EXPECT_THAT(yaml_error("? [a]\n: 1\n"), HasSubstr("a map key must be a single value"));
  EXPECT_THAT(yaml_error("~: 1\n"), HasSubstr("a map key must be a single value"));
  EXPECT_THAT(yaml_error("a: [1, 2\n"), HasSubstr("not YAML: "));
  EXPECT_THAT(yaml_error("a: 1\n", {.max_bytes = 3}), HasSubstr("more than 3 bytes"));
}

TEST(Json, OtherRejections) {
  EXPECT_THAT(json_error("{\"a\": 1,}"), HasSubstr("f.json:1:9: error: not JSON: syntax error"));
  EXPECT_THAT(json_error(""), HasSubstr("not JSON: syntax error"));
  EXPECT_THAT(json_error("[1] x"), HasSubstr("f.json:1:5: error: not JSON"));
  EXPECT_THAT(json_error("[1e999]"), HasSubstr("not JSON: number overflow"));
  EXPECT_THAT(json_error("[]", {.max_bytes = 1}), HasSubstr("more than 1 bytes"));
}

TEST(Document, Integers) {
  const DocumentNode root =
      yaml("[7, -7, 1e9, 0x10, 0o17, 1.5, abc, 9223372036854775807, 9223372036854775808, 1e19, {}]");
  const auto error = [&](size_t i) { return root.items[i].as_integer().error().to_string(); };
  EXPECT_EQ(*root.items[0].as_integer(), 7);
  EXPECT_EQ(*root.items[1].as_integer(), -7);
  EXPECT_EQ(*root.items[2].as_integer(), 1'000'000'000);
  EXPECT_EQ(*root.items[3].as_integer(), 16);
  EXPECT_EQ(*root.items[4].as_integer(), 15);
  EXPECT_THAT(error(5), HasSubstr("expected an integer, found `1.5`"));
  EXPECT_THAT(error(6), HasSubstr("expected an integer, found the string `abc`"));
  EXPECT_EQ(*root.items[7].as_integer(), INT64_MAX);
  EXPECT_THAT(error(8), HasSubstr("integer `9223372036854775808` does not fit 64 bits"));
  EXPECT_THAT(error(9), HasSubstr("does not fit 64 bits"));
  EXPECT_THAT(error(10), HasSubstr("expected an integer, found a map"));
}

TEST(Document, Reals) {
  const DocumentNode root = yaml("[2, +1.5e-3, 0x10, 1e999, x, ~]");
  EXPECT_EQ(*root.items[0].as_real(), 2.0);
  EXPECT_EQ(*root.items[1].as_real(), 1.5e-3);
  EXPECT_EQ(*root.items[2].as_real(), 16.0);
  EXPECT_THAT(root.items[3].as_real().error().to_string(),
              HasSubstr("number `1e999` is beyond double precision"));
  EXPECT_THAT(root.items[4].as_real().error().to_string(),
              HasSubstr("expected a number, found the string `x`"));
  EXPECT_THAT(root.items[5].as_real().error().to_string(), HasSubstr("expected a number, found nothing"));
}

TEST(Document, BoolsAndStrings) {
  const DocumentNode root = yaml("[true, FALSE, yes, text, 5, [1, 2]]");
  EXPECT_TRUE(*root.items[0].as_bool());
  EXPECT_FALSE(*root.items[1].as_bool());
  EXPECT_THAT(root.items[2].as_bool().error().to_string(),
              HasSubstr("expected true or false, found the string `yes`"));
  EXPECT_EQ(*root.items[3].as_string(), "text");
  EXPECT_THAT(root.items[4].as_string().error().to_string(), HasSubstr("expected a string, found `5`"));
  EXPECT_THAT(root.items[5].as_string().error().to_string(),
              HasSubstr("expected a string, found a list of 2"));
}

TEST(Document, MissingKeySuggestsAndLists) {
  const DocumentNode root = yaml("a:\n  banks: 16\n  count: 2\n");
  const std::string text = root.find("a")->at("bank").error().to_string();
  EXPECT_THAT(text, HasSubstr("f.yaml:2:3: error: missing key `bank`"));
  EXPECT_THAT(text, HasSubstr("did you mean `banks`? known: banks, count"));
  EXPECT_THAT(root.find("a")->find("banks")->at("x").error().to_string(),
              HasSubstr("expected a map with the key `x`"));
}

TEST(Document, OverrideReplacesOneScalar) {
  DocumentNode root = yaml("hbm: {latency_ns: 5}\nstacks: [{name: a, step_s: 1}, {name: b, step_s: 2}]\n");
  ASSERT_TRUE(apply_override(root, "hbm.latency_ns", "7.5", "chip.hbm.latency_ns").ok());
  EXPECT_EQ(*root.find("hbm")->find("latency_ns")->as_real(), 7.5);
  EXPECT_EQ(root.find("hbm")->find("latency_ns")->where, "--set chip.hbm.latency_ns");
  ASSERT_TRUE(apply_override(root, "stacks.b.step_s", "9", "node.stacks.b.step_s").ok());
  EXPECT_EQ(*root.find("stacks")->items[1].find("step_s")->as_integer(), 9);
  ASSERT_TRUE(apply_override(root, "stacks.0.name", "12", "node.stacks.0.name").ok());
  EXPECT_EQ(*root.find("stacks")->items[0].find("name")->as_string(), "12") << "a text stays a text";
}

TEST(Document, OverrideErrors) {
  DocumentNode root = yaml("hbm: {latency_ns: 5, bandwidth_bytes_per_s: 1}\n");
  const auto error = [&](const std::string& path) {
    return apply_override(root, path.substr(5), "1", path).error().to_string();
  };
  EXPECT_THAT(error("chip.hbm.latncy_ns"),
              HasSubstr("--set chip.hbm.latncy_ns: error: no such configuration value"));
  EXPECT_THAT(error("chip.hbm.latncy_ns"), HasSubstr("did you mean `chip.hbm.latency_ns`?"));
  EXPECT_THAT(error("chip.hbm.bandwidth"), HasSubstr("did you mean `chip.hbm.bandwidth_bytes_per_s`?"));
  EXPECT_THAT(error("chip.hbm"), HasSubstr("expected a single value, found a map"));
  EXPECT_THAT(parse_override("abc").error().to_string(), HasSubstr("expected path=value"));
  EXPECT_EQ(parse_override("a.b=c=d")->value, "c=d");
}

TEST(Document, NearestIsNearOrNothing) {
  EXPECT_EQ(nearest("lru", {"lfu", "fifo"}), "lfu");
  EXPECT_EQ(nearest("bandwith_bytes_per_s", {"capacity_bytes", "bandwidth_bytes_per_s"}),
            "bandwidth_bytes_per_s");
  EXPECT_EQ(nearest("ocunt", {"count", "banks"}), "count");
  EXPECT_EQ(nearest("elephant", {"count", "banks"}), "");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Document, ErrorsStayOnOneLine) {
  const std::string text = yaml_error("\"a\\nb\": 1\n\"a\\nb\": 2\n");
  EXPECT_THAT(text, HasSubstr("duplicate key `a\\x0ab`"));
}

TEST(Document, UnknownExtension) {
  EXPECT_THAT(read_document("x.toml").error().to_string(), HasSubstr("known extensions: .yaml, .yml, .json"));
  EXPECT_THAT(read_document("/nowhere/x.yaml").error().to_string(), HasSubstr("cannot open: No such file"));
}

TEST(Document, DumpReadsBack) {
  const std::string text =
      R"({a: [1, 2.5, true, null, "yes\n\"q\"", "", "12", "- x"], "k: 1": {b: {}}, c: "é"})";
  const DocumentNode root = yaml(text);
  EXPECT_EQ(dump_yaml(yaml(dump_yaml(root))), dump_yaml(root));
  EXPECT_EQ(yaml(dump_yaml(root)).find("a")->items[4].text, "yes\n\"q\"");
}

}  // namespace
}  // namespace rdusim
