#include "report/serving.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "report/result_page.h"

namespace rdusim::report {
namespace {

// Two requests on one node: the second finds its expert, the first switches.
runtime::NodeResult small_node(const std::string& name, double slower) {
  runtime::NodeResult node;
  node.node = name;
  node.requests = node.finished = 2;
  for (const char* name_of_expert : {"code", "idle"}) {
    runtime::ExpertResult& expert = node.experts.emplace_back();
    expert.name = name_of_expert;
    expert.model = "m";
    expert.weight_bytes = 100;
  }
  node.experts[0].requests = 2;
  node.experts[0].hits = node.experts[0].switches = 1;
  node.experts[0].copied_bytes = 100;
  for (uint32_t i = 0; i < 2; ++i) {
    runtime::RequestRecord record;
    record.request = RequestId(i);
    record.expert = ExpertId(0);
    record.hit = i == 1;
    record.routing = Picoseconds(1'000'000'000);
    record.switching = i == 0 ? picoseconds_from_seconds(0.04 * slower) : Picoseconds(0);
    record.prefill = picoseconds_from_seconds(0.01);
    record.decode = picoseconds_from_seconds(0.04);
    node.records.push_back(record);
  }
  node.timeline = {{ExpertId(0), Picoseconds(0), picoseconds_from_seconds(0.04), std::nullopt}};
  node.switches = 1;
  node.node_time = {0, 0.002, 0.04 * slower, 0.02, 0.08};
  node.split = {0, 0.001, 0.02 * slower, 0.01, 0.04};
  node.latency = {2, 0.07, 0.05, 0.09, 0.09, 0.09};
  node.time_to_first_token = node.latency;
  node.makespan_s = 0.15;
  node.expert_hit_rate = 0.5;
  node.bytes = {{"store", "hbm", 100}};
  return node;
}

TEST(ServingReport, TheSentencesStateWhatTheDataSay) {
  const NodeResults nodes{small_node("a", 1), small_node("b", 10)};
  EXPECT_EQ(serving_sentence(nodes), "a spends 71.0 ms on a request, b 251 ms.");
  // 40 of 142 ms; 400 of 502 ms.
  EXPECT_EQ(switching_sentence(nodes), "Switching experts is 28 % of the working time on a, 80 % on b.");
}

TEST(ServingReport, SpeedUpsCompareWithTheFirstNode) {
  const Table table = serving_speedup_table({small_node("a", 1), small_node("b", 10)});
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.rows[0], (std::vector<std::string>{"b", "3.54×", "1.00×", "10.0×"}));
}

TEST(ServingReport, JsonNamesAreTheContracts) {
  const auto node = nlohmann::json::parse(serving_json({small_node("a", 1)}).dump()).at("nodes").at("a");
  for (const char* key : {"requests", "failed", "latency", "ttft", "split", "expert_hit_rate", "bytes"})
    EXPECT_TRUE(node.contains(key)) << key;
  EXPECT_EQ(node["bytes"]["store_to_hbm"], 100);
  EXPECT_EQ(node["experts"].size(), 1U);  // those that were asked for
  EXPECT_EQ(node["records"][0]["switching_s"], 0.04);
}

TEST(ServingReport, OutOfMemoryHasNoLatencies) {
  runtime::NodeResult node;
  node.node = "small";
  node.status = runtime::NodeStatus::kOutOfMemory;
  node.reason = "out of memory: 150 experts take 2.022 TB";
  node.requests = 7;
  const auto json = nlohmann::json::parse(serving_json({node}).dump()).at("nodes").at("small");
  EXPECT_EQ(json["failed"], 7);
  EXPECT_TRUE(json["latency"]["mean_s"].is_null());
  EXPECT_TRUE(json["split"].is_null());
  EXPECT_EQ(serving_time_table({node}).rows[0][1], "out of memory");
  EXPECT_NE(serving_sentence({small_node("a", 1), node})
                .find("small runs out of memory: 150 experts take 2.022 TB"),
            std::string::npos);
}

TEST(ServingReport, RecordsHaveARowARequestAndNode) {
  EXPECT_EQ(serving_records({small_node("a", 1), small_node("b", 1)}).rows.size(), 4U);
}

TEST(ServingReport, TheTimelineJoinsARequestToItsCopyAndPasses) {
  const auto spans = serving_timeline({small_node("a", 1)}).spans;
  std::vector<std::string> touched;  // by the arrow of request 0
  const uint64_t arrow = uint64_t{1} << 40U;
  for (const auto& span : spans) {
    if (std::find(span.flows.begin(), span.flows.end(), arrow) != span.flows.end())
      touched.push_back(span.track + ": " + span.name);
  }
  EXPECT_EQ(touched,
            (std::vector<std::string>{"store to HBM: copy of code", "request 0: waits",
                                      "work: switch to code", "work: prefill code", "work: decode code"}));
  const auto switched = std::find_if(spans.begin(), spans.end(), [](const auto& s) {
    return s.track == "work" && s.name == "switch to code";
  });
  ASSERT_NE(switched, spans.end());
  EXPECT_EQ(switched->begin_ps, 1'000'000'000);
  EXPECT_EQ(switched->duration_ps, 40'000'000'000);
}

TEST(ServingReport, RequestsThatRunTogetherHaveTracksOfTheirOwn) {
  const auto spans = serving_timeline({small_node("a", 1)}).spans;  // both begin within the first's decode
  std::map<std::string, int64_t> end_of_track;
  for (const auto& span : spans) {
    if (!span.track.starts_with("work")) continue;
    EXPECT_GE(span.begin_ps, end_of_track[span.track]) << span.track << " " << span.name;
    end_of_track[span.track] = span.begin_ps + span.duration_ps;
  }
  EXPECT_EQ(end_of_track.size(), 2U);
}

TEST(ServingReport, OfManyRequestsEveryNthIsDrawnAndTheFileSaysSo) {
  auto node = small_node("a", 1);
  for (uint32_t i = 2; i < 3 * kTracedRequests; ++i) {
    node.records.push_back(node.records[1]);
    node.records.back().request = RequestId(i);
  }
  const auto timeline = serving_timeline({node});
  EXPECT_NE(timeline.sampling.find("one of every 3 of 6000 requests is drawn"), std::string::npos)
      << timeline.sampling;
  EXPECT_LT(timeline.spans.size(), 8 * kTracedRequests);
}

TEST(ServingReport, FlowsAndEnergyHaveTheirFigures) {
  auto json = serving_json({small_node("a", 1)});
  json["composition"] = "coe";
  auto& node = json["nodes"]["a"];
  const auto split = node["split"];
  const auto latency = node["latency"];
  node["flows"] = Json::array();
  node["flows"].push_back(
      {{"name", "draft"},
       {"requests", 2},
       {"split", split},
       {"latency", latency},
       {"steps", {{{"name", "check"}, {"invocations", 4}, {"split", split}, {"latency", latency}}}}});
  node["energy"] = {{"mean_w", 40.0}, {"by_cause_j", {{"decode", 3.0}, {"switching", 1.0}}}};
  const auto file = result_of_text("result.json", json_text(json));
  const auto page = result_page({*file});
  ASSERT_TRUE(page.ok()) << page.error().to_string();
  const auto html = page_html(*page, Manifest{});
  EXPECT_NE(html.find("the slowest, draft, takes 70.0 ms in the mean"), std::string::npos);
  EXPECT_NE(html.find("draft: check"), std::string::npos);
  EXPECT_NE(html.find("a spends 4.00 J (2.00 J a request, 40.0 W in the mean); decode is 75 % of it."),
            std::string::npos);
}

TEST(ServingReport, ThePageHasEveryFigure) {
  auto json = serving_json({small_node("a", 1), small_node("b", 10)});
  json["composition"] = "coe";
  const auto file = result_of_text("result.json", json_text(json));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const auto page = result_page({*file});
  ASSERT_TRUE(page.ok()) << page.error().to_string();
  const auto html = page_html(*page, Manifest{});
  for (const char* figure :
       {"Time of a node for one request", "Mean latency of a request",
        "Share of requests that end within a time", "Share of requests whose first token comes",
        "Share of switches that end", "Experts in HBM on a", "Experts in HBM on b", "HBM of a over time",
        "Bytes that moved on a", "How long?", "What would help?"}) {
    EXPECT_NE(html.find(figure), std::string::npos) << figure;
  }
}

}  // namespace
}  // namespace rdusim::report
