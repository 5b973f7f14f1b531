// Fields: one description gives parser, errors, dump, schema and docs table; each is asserted on a small
// struct.
#include "base/io/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace rdusim {
namespace {

using ::testing::HasSubstr;

struct Link {
  double rate = 0;
};
struct Cache {
  std::string policy;
  int64_t capacity_bytes = 0;
  double share = 0.5;
  bool pinned = false;
  Link link;
  std::vector<Link> links;
  std::vector<int64_t> sizes;
  std::vector<double> weights;
  std::vector<std::string> names;
  DocumentNode extra;
};

const Fields<Link>& link_fields() {
  static const auto fields =
      Fields<Link>("link", "a wire").real("rate", &Link::rate, {1, 100}, "bytes/s", "how fast");
  return fields;
}

const Fields<Cache>& cache_fields() {
  static const auto fields =
      Fields<Cache>("cache", "experts kept in HBM")
          .tag("kind", "cache", "what this is")
          .text("policy", &Cache::policy, "what to evict")
          .choices({"lru", "lfu"})
          .integer("capacity_bytes", &Cache::capacity_bytes, {1, 1000}, "bytes", "HBM set aside")
          .real("share", &Cache::share, {0, 1}, "", "of what is left")
          .optional()
          .boolean("pinned", &Cache::pinned, "never evicted")
          .optional()
          .nested("link", &Cache::link, link_fields())
          .list("links", &Cache::links, link_fields())
          .optional()
          .integers("sizes", &Cache::sizes, {0, 9}, "", "a list")
          .optional()
          .reals("weights", &Cache::weights, {}, "", "a list")
          .optional()
          .texts("names", &Cache::names, "a list")
          .optional()
          .document("extra", &Cache::extra, "anything")
          .optional()
          .check([](const Cache& cache) -> std::string {
            return cache.capacity_bytes == 13 ? "thirteen bytes bring bad luck" : "";
          });
  return fields;
}

constexpr std::string_view kMinimal = "kind: cache\npolicy: lru\ncapacity_bytes: 8\nlink: {rate: 2}\n";

Result<Cache> parse(const std::string& text) {
  RDU_ASSIGN(const DocumentNode root, read_yaml_text(text, "c.yaml"));
  return cache_fields().parse(root);
}

std::string error_of(const std::string& text) {
  const auto result = parse(text);
  return result.ok() ? "no error" : result.error().to_string();
}

std::string with(const std::string& line) {
  return std::string(kMinimal) + line + "\n";
}

TEST(Fields, OptionalFieldsKeepTheirDefaults) {
  const auto cache = parse(std::string(kMinimal));
  ASSERT_TRUE(cache.ok()) << cache.error().to_string();
  EXPECT_EQ(cache->share, 0.5);
  EXPECT_EQ(cache->link.rate, 2);
  EXPECT_TRUE(cache->links.empty());
}

TEST(Fields, DumpParsesBack) {
  const auto cache =
      parse(with("share: 0.25\npinned: true\nlinks: [{rate: 3}, {rate: 4.5}]\nsizes: [1, 2]\n"
                 "weights: [1e-3]\nnames: [a, \"1\"]\nextra: {x: [1, y]}"));
  ASSERT_TRUE(cache.ok()) << cache.error().to_string();
  const std::string dump = cache_fields().dump(*cache);
  const auto again = parse(dump);
  ASSERT_TRUE(again.ok()) << again.error().to_string() << dump;
  EXPECT_EQ(cache_fields().dump(*again), dump);
  EXPECT_EQ(again->links[1].rate, 4.5);
  EXPECT_EQ(again->names, (std::vector<std::string>{"a", "1"}));
  EXPECT_EQ(again->extra.find("x")->items[1].text, "y");
  EXPECT_TRUE(again->pinned);
}

TEST(Fields, UnknownKeySuggests) {
  const std::string text = error_of(with("sizez: []"));
  EXPECT_THAT(text, HasSubstr("c.yaml:5:8: error: unknown key `sizez` in cache"));
  EXPECT_THAT(text, HasSubstr("did you mean `sizes`? known: kind, policy, capacity_bytes"));
}

TEST(Fields, MissingKeySaysWhatItIs) {
  EXPECT_THAT(
      error_of("kind: cache\npolicy: lru\nlink: {rate: 2}\n"),
      HasSubstr("c.yaml:1:1: error: missing key `capacity_bytes` in cache\n  hint: it is: HBM set aside"));
  EXPECT_THAT(error_of("kind: cache\npolicy: lru\ncapacity_bytes: 8\nlink: {}\n"),
              HasSubstr("c.yaml:4:7: error: missing key `rate` in link"));
}

TEST(Fields, WrongTypes) {
  const auto with_capacity = [](const std::string& value) {
    return error_of("kind: cache\npolicy: lru\ncapacity_bytes: " + value + "\nlink: {rate: 2}\n");
  };
  EXPECT_THAT(with_capacity("8 GB"),
              HasSubstr("c.yaml:3:17: error: capacity_bytes: expected an integer, found the "
                        "string `8 GB`"));
  EXPECT_THAT(error_of(with("pinned: 1")), HasSubstr("pinned: expected true or false, found `1`"));
  EXPECT_THAT(error_of(with("sizes: 3")), HasSubstr("sizes: expected a list, found `3`"));
  EXPECT_THAT(error_of(with("links: [1]")), HasSubstr("expected link as a map, found `1`"));
  EXPECT_THAT(error_of("[1]"), HasSubstr("expected cache as a map, found a list of 1"));
}

TEST(Fields, Ranges) {
  EXPECT_THAT(error_of("kind: cache\npolicy: lru\ncapacity_bytes: 0\nlink: {rate: 2}\n"),
              HasSubstr("c.yaml:3:17: error: capacity_bytes must be between 1 and 1000 bytes, found 0"));
  EXPECT_THAT(error_of(with("share: 1.5")), HasSubstr("share must be between 0 and 1, found 1.5"));
  EXPECT_THAT(error_of(with("sizes: [1, 10]")),
              HasSubstr("c.yaml:5:12: error: sizes must be between 0 and 9"));
  EXPECT_THAT(error_of(with("share: .nan")), HasSubstr("share: expected a number"));
}

TEST(Fields, ChoicesTagsAndChecks) {
  EXPECT_THAT(error_of("kind: cache\npolicy: lra\ncapacity_bytes: 8\nlink: {rate: 2}\n"),
              HasSubstr("policy: unknown choice `lra`\n  hint: did you mean `lru`? known: lru, lfu"));
  EXPECT_THAT(error_of("kind: cash\npolicy: lru\ncapacity_bytes: 8\nlink: {rate: 2}\n"),
              HasSubstr("kind: unknown choice `cash`"));
  EXPECT_THAT(error_of("kind: cache\npolicy: lru\ncapacity_bytes: 13\nlink: {rate: 2}\n"),
              HasSubstr("c.yaml:1:1: error: thirteen bytes bring bad luck"));
}

TEST(Fields, SchemaSaysWhatTheParserAsks) {
  const auto schema = nlohmann::json::parse(cache_fields().json_schema());
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"], (nlohmann::json{"kind", "policy", "capacity_bytes", "link"}));
  EXPECT_EQ(schema["properties"]["capacity_bytes"]["maximum"], 1000);
  EXPECT_EQ(schema["properties"]["capacity_bytes"]["description"], "HBM set aside (bytes)");
  EXPECT_EQ(schema["properties"]["policy"]["enum"], (nlohmann::json{"lru", "lfu"}));
  EXPECT_EQ(schema["properties"]["kind"]["const"], "cache");
  EXPECT_EQ(schema["properties"]["links"]["items"]["properties"]["rate"]["minimum"], 1.0);
  EXPECT_FALSE(schema["properties"]["weights"]["items"].contains("minimum"));
}

TEST(Fields, DocsTableHasARowAKey) {
  const std::string table = cache_fields().docs_table();
  EXPECT_THAT(table,
              HasSubstr("| `capacity_bytes` | integer | bytes | 1 … 1000 | required | HBM set aside |"));
  EXPECT_THAT(table, HasSubstr("| `share` | number |  | 0 … 1 | 0.5 | of what is left |"));
  EXPECT_THAT(table, HasSubstr("| `link.rate` | number | bytes/s | 1 … 100 | required | how fast |"));
  EXPECT_THAT(table, HasSubstr("| `links[].rate` |"));
}

}  // namespace
}  // namespace rdusim
