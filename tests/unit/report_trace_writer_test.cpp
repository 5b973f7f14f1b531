#include "report/trace_writer.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/trace_check.h"

namespace rdusim::report {
namespace {

Timeline two_groups() {
  return {{{"socket 0", "hbm", "weights", 0, 12'345'678, {}},
           {"requests", "request 3", "switch \"a\"", 1'000'001, 5, {{"expert", "code"}}},
           {"socket 0", "unit wo", "firing", 7, 1, {}}}};
}

TEST(TraceWriter, SpansKeepPicosecondsAsMicroseconds) {
  const auto text = trace_text(two_groups());
  EXPECT_NE(text.find("\"ph\":\"B\",\"name\":\"weights\",\"pid\":1,\"tid\":1,\"ts\":0.000000"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\"ph\":\"E\",\"name\":\"weights\",\"pid\":1,\"tid\":1,\"ts\":12.345678"),
            std::string::npos);
  EXPECT_NE(text.find("\"ts\":1.000006"), std::string::npos);
}

TEST(TraceWriter, GroupsAreProcessesAndTracksAreThreads) {
  const auto json = nlohmann::json::parse(trace_text(two_groups()));
  std::vector<std::string> processes;
  std::vector<std::string> threads;
  int spans = 0;
  for (const auto& event : json["traceEvents"]) {
    if (event["ph"] == "E") continue;
    if (event["name"] == "process_name") processes.push_back(event["args"]["name"]);
    if (event["name"] == "thread_name") threads.push_back(event["args"]["name"]);
    if (event["ph"] == "B") ++spans;
  }
  EXPECT_EQ(processes, (std::vector<std::string>{"socket 0", "requests"}));
  EXPECT_EQ(threads, (std::vector<std::string>{"hbm", "request 3", "unit wo"}));
  EXPECT_EQ(spans, 3);
}

TEST(TraceWriter, ArrowsJoinTheSpansOfOneFlowInOrderOfTheirBegin) {
  Timeline timeline = two_groups();
  timeline.spans[0].flows = {7, 8};
  timeline.spans[1].flows = {7};
  timeline.spans[2].flows = {7};
  const auto json = nlohmann::json::parse(trace_text(timeline));
  std::map<double, std::string> phases;
  for (const auto& event : json["traceEvents"]) {
    if (!event.contains("id")) continue;
    EXPECT_EQ(event["id"], 7);  // 8 touches one span only: no arrow
    phases[event["ts"]] = event["ph"];
  }
  EXPECT_EQ(phases, (std::map<double, std::string>{{0, "s"}, {0.000007, "t"}, {1.000001, "f"}}));
  EXPECT_EQ(test::trace_problems(json), std::vector<std::string>());
}

TEST(TraceWriter, SpansThatOverlapGetTracksOfTheirOwn) {
  Timeline timeline;
  timeline.spans = {{"socket 0", "hbm", "a", 0, 10, {}, {1}},
                    {"socket 0", "hbm", "b", 5, 10, {}, {1}},
                    {"socket 0", "hbm", "c", 10, 10, {}, {}},
                    {"socket 0", "hbm", "d", 12, 1, {}, {}}};
  const auto json = nlohmann::json::parse(trace_text(timeline));
  EXPECT_EQ(test::trace_problems(json), std::vector<std::string>());
  std::vector<std::string> threads;
  for (const auto& event : json["traceEvents"]) {
    if (event["ph"] == "M" && event["name"] == "thread_name") threads.push_back(event["args"]["name"]);
  }
  EXPECT_EQ(threads, (std::vector<std::string>{"hbm", "hbm 2", "hbm 3"}));
}

// The check itself finds what a viewer would trip over.
TEST(TraceWriter, TheCheckSeesBrokenFiles) {
  const auto good = nlohmann::json::parse(trace_text(two_groups()));
  const auto broken = [&](auto change) {
    auto json = good;
    change(json["traceEvents"]);
    return test::trace_problems(json).size();
  };
  const auto last = good["traceEvents"].size() - 1;
  EXPECT_EQ(broken([](auto&) {}), 0U);
  EXPECT_GT(broken([&](auto& events) { events.erase(last); }), 0U);         // no end
  EXPECT_GT(broken([&](auto& events) { events[last]["ts"] = -1.0; }), 0U);  // ends before it begins
  EXPECT_GT(broken([&](auto& events) { events[last]["tid"] = 99; }), 0U);   // a track without a name
  EXPECT_GT(broken([&](auto& events) {
              events.push_back({{"ph", "s"}, {"id", 1}, {"bp", "e"}, {"pid", 1}, {"tid", 1}, {"ts", 99.0}});
            }),
            0U);  // an arrow outside of every span, which goes nowhere
}

TEST(TraceWriter, TheFileSaysWhatWasLeftOut) {
  Timeline timeline = two_groups();
  EXPECT_EQ(nlohmann::json::parse(trace_text(timeline))["otherData"]["sampling"], "every span");
  timeline.sampling = "every 3rd";
  EXPECT_EQ(nlohmann::json::parse(trace_text(timeline))["otherData"]["sampling"], "every 3rd");
}

TEST(TraceWriter, NoSpansIsStillValidJson) {
  EXPECT_TRUE(nlohmann::json::parse(trace_text({}))["traceEvents"].empty());
}

}  // namespace
}  // namespace rdusim::report
