// What a viewer of the Trace Event format (JSON) trips over: the format's rules for begin and end events, for
// names of processes and threads, and for flow events that bind to the slice around them.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace rdusim::test {

// Of the format's document "Trace Event Format" (Google, 2016): Duration Events, Metadata Events, Flow
// Events.
class TraceCheck {
 public:
  using Json = nlohmann::json;

  std::vector<std::string> run(const Json& file) {
    if (!file.is_object() || !file["traceEvents"].is_array()) return {"no traceEvents"};
    if (!file["otherData"]["sampling"].is_string()) problem("no sampling rule", Json());
    for (const Json& event : file["traceEvents"]) {
      if (event.value("ph", "") == "M") metadata(event);
    }
    for (const Json& event : file["traceEvents"]) {
      if (event.value("ph", "") != "M") timed(event);
    }
    for (const auto& [track, open] : open_) {
      if (!open.empty()) problem("a span never ends", open.back());
    }
    for (auto& [id, points] : flows_) flow(id, points);
    return problems_;
  }

 private:
  using Track = std::pair<int64_t, int64_t>;

  void problem(const std::string& what, const Json& event) {
    if (problems_.size() < 10) problems_.push_back(what + ": " + event.dump());
  }

  void metadata(const Json& event) {
    const Track track{event.value("pid", int64_t{-1}), event.value("tid", int64_t{-1})};
    if (event["name"] == "process_name") processes_[track.first] = event["args"]["name"];
    if (event["name"] == "thread_name" && !threads_.emplace(track, event["args"]["name"]).second)
      problem("a thread with two names", event);
  }

  void timed(const Json& event) {
    if (!event.contains("ts") || !event["ts"].is_number() || event["ts"].get<double>() < 0)
      return problem("no time", event);
    const Track track{event.value("pid", int64_t{-1}), event.value("tid", int64_t{-1})};
    if (!processes_.contains(track.first) || !threads_.contains(track))
      problem("a track without a name", event);
    const auto ps = std::llround(event["ts"].get<double>() * 1e6);
    if (last_.contains(track) && ps < last_[track]) problem("time goes back on a track", event);
    last_[track] = ps;
    std::vector<Json>& open = open_[track];
    const std::string phase = event.value("ph", "");
    if (phase == "B") {
      if (event.value("name", "").empty()) problem("a span without a name", event);
      if (!open.empty()) problem("a span inside another", event);  // we draw none
      open.push_back(event);
    } else if (phase == "E") {
      if (open.empty()) return problem("an end without a begin", event);
      open.pop_back();
    } else if (phase == "s" || phase == "t" || phase == "f") {
      if (open.empty()) problem("an arrow outside of every span", event);
      if (event.value("bp", "") != "e") problem("an arrow that binds to the next span", event);
      flows_[event.value("id", uint64_t{0})].emplace_back(ps, phase);
    } else {
      problem("an unknown phase", event);
    }
  }

  void flow(uint64_t id, std::vector<std::pair<int64_t, std::string>>& points) {
    std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) {
      const auto rank = [](const std::string& phase) { return phase == "s" ? 0 : phase == "t" ? 1 : 2; };
      return std::pair(a.first, rank(a.second)) < std::pair(b.first, rank(b.second));
    });
    std::string phases;
    for (const auto& point : points) phases += point.second;
    if (points.size() < 2 || phases != "s" + std::string(points.size() - 2, 't') + "f")
      problem(fmt::format("arrow {} is {}", id, phases), Json());
  }

  std::vector<std::string> problems_;
  std::map<int64_t, std::string> processes_;
  std::map<Track, std::string> threads_;
  std::map<Track, int64_t> last_;
  std::map<Track, std::vector<Json>> open_;
  std::map<uint64_t, std::vector<std::pair<int64_t, std::string>>> flows_;
};

inline std::vector<std::string> trace_problems(const nlohmann::json& file) {
  return TraceCheck().run(file);
}

}  // namespace rdusim::test
