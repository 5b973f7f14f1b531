#include "report/trace_writer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace rdusim::report {
namespace {

Timeline two_groups() {
  return {{{"socket 0", "hbm", "weights", 0, 12'345'678, {}},
           {"requests", "request 3", "switch \"a\"", 1'000'001, 5, {{"expert", "code"}}},
           {"socket 0", "unit wo", "firing", 7, 1, {}}}};
}

TEST(TraceWriter, SpansKeepPicosecondsAsMicroseconds) {
  const auto text = trace_text(two_groups());
  EXPECT_NE(text.find("\"ts\":0.000000,\"dur\":12.345678"), std::string::npos);
  EXPECT_NE(text.find("\"ts\":1.000001,\"dur\":0.000005"), std::string::npos);
}

TEST(TraceWriter, GroupsAreProcessesAndTracksAreThreads) {
  const auto json = nlohmann::json::parse(trace_text(two_groups()));
  std::vector<std::string> processes;
  std::vector<std::string> threads;
  int spans = 0;
  for (const auto& event : json["traceEvents"]) {
    if (event["name"] == "process_name") processes.push_back(event["args"]["name"]);
    if (event["name"] == "thread_name") threads.push_back(event["args"]["name"]);
    if (event["ph"] == "X") ++spans;
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
  std::vector<std::string> phases;
  std::vector<double> times;
  for (const auto& event : json["traceEvents"]) {
    if (!event.contains("id")) continue;
    EXPECT_EQ(event["id"], 7);  // 8 touches one span only: no arrow
    phases.push_back(event["ph"]);
    times.push_back(event["ts"]);
  }
  EXPECT_EQ(phases, (std::vector<std::string>{"s", "t", "f"}));
  EXPECT_EQ(times, (std::vector<double>{0, 0.000007, 1.000001}));
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
