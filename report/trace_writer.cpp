#include "report/trace_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace rdusim::report {
namespace {

// 12345678 ps -> "12.345678", without a detour over floating point.
std::string microseconds(int64_t picoseconds) {
  return fmt::format("{}.{:06}", picoseconds / 1'000'000, picoseconds % 1'000'000);
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Numbers of groups and tracks, given out in order of appearance.
class Numbering {
 public:
  struct Place {
    size_t process = 0;
    size_t thread = 0;
  };

  Place place(const TraceSpan& span, std::string& out) {
    const auto [group, new_group] = groups_.try_emplace(span.group, groups_.size() + 1);
    if (new_group) announce(out, "process_name", group->second, 0, span.group);
    const auto [track, new_track] = tracks_.try_emplace({span.group, span.track}, tracks_.size() + 1);
    if (new_track) announce(out, "thread_name", group->second, track->second, span.track);
    return {group->second, track->second};
  }

 private:
  static void announce(std::string& out, const char* what, size_t process, size_t thread,
                       const std::string& name) {
    out += fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}},)"
                       "\n",
                       what, process, thread, quoted(name));
    const char* order = thread == 0 ? "process_sort_index" : "thread_sort_index";
    out += fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"sort_index":{}}}}},)"
                       "\n",
                       order, process, thread, thread == 0 ? process : thread);
  }

  std::map<std::string, size_t> groups_;
  std::map<std::pair<std::string, std::string>, size_t> tracks_;
};

// Where an arrow touches a span: at the span's begin, which the viewer takes as inside of it.
struct FlowPoint {
  int64_t at_ps = 0;
  Numbering::Place place;
};

void append_arrows(std::map<uint64_t, std::vector<FlowPoint>>& flows, std::string& out) {
  for (auto& [number, points] : flows) {
    if (points.size() < 2) continue;
    std::stable_sort(points.begin(), points.end(),
                     [](const auto& a, const auto& b) { return a.at_ps < b.at_ps; });
    for (size_t i = 0; i < points.size(); ++i) {
      const char* phase = i == 0 ? "s" : i + 1 < points.size() ? "t" : "f";
      out += fmt::format(
          R"({{"ph":"{}","bp":"e","cat":"flow","name":"flow","id":{},"pid":{},"tid":{},"ts":{}}},)"
          "\n",
          phase, number, points[i].place.process, points[i].place.thread, microseconds(points[i].at_ps));
    }
  }
}

}  // namespace

std::string trace_text(const Timeline& timeline) {
  std::string out = "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"sampling\":" +
                    quoted(timeline.sampling.empty() ? "every span" : timeline.sampling) +
                    "},\"traceEvents\":[\n";
  Numbering numbering;
  std::map<uint64_t, std::vector<FlowPoint>> flows;
  for (const auto& span : timeline.spans) {
    const auto place = numbering.place(span, out);
    for (const uint64_t flow : span.flows) flows[flow].push_back({span.begin_ps, place});
    out +=
        fmt::format(R"({{"ph":"X","name":{},"pid":{},"tid":{},"ts":{},"dur":{})", quoted(span.name),
                    place.process, place.thread, microseconds(span.begin_ps), microseconds(span.duration_ps));
    if (!span.details.empty()) {
      out += ",\"args\":{";
      for (size_t i = 0; i < span.details.size(); ++i) {
        out += fmt::format("{}{}:{}", i > 0 ? "," : "", quoted(span.details[i].first),
                           quoted(span.details[i].second));
      }
      out += "}";
    }
    out += "},\n";
  }
  append_arrows(flows, out);
  if (out.ends_with(",\n")) out.erase(out.size() - 2, 1);
  return out + "]}\n";
}

}  // namespace rdusim::report
