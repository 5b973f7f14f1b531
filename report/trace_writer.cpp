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

// An arrow at a span: its number, and whether it starts, passes or ends there.
struct ArrowAt {
  uint64_t flow = 0;
  char phase = 't';
};

// Of each span, its arrows; an arrow passes its spans in order of their begin. One that touches a single span
// is none.
std::vector<std::vector<ArrowAt>> arrows_of(const std::vector<TraceSpan>& spans) {
  std::map<uint64_t, std::vector<size_t>> flows;
  for (size_t i = 0; i < spans.size(); ++i) {
    for (const uint64_t flow : spans[i].flows) flows[flow].push_back(i);
  }
  std::vector<std::vector<ArrowAt>> arrows(spans.size());
  for (auto& [flow, places] : flows) {
    if (places.size() < 2) continue;
    std::stable_sort(places.begin(), places.end(),
                     [&](size_t a, size_t b) { return spans[a].begin_ps < spans[b].begin_ps; });
    for (size_t i = 0; i < places.size(); ++i)
      arrows[places[i]].push_back({flow, i == 0 ? 's' : i + 1 < places.size() ? 't' : 'f'});
  }
  return arrows;
}

std::string details_json(const TraceSpan& span) {
  if (span.details.empty()) return "";
  std::string out = ",\"args\":{";
  for (size_t i = 0; i < span.details.size(); ++i) {
    out += fmt::format("{}{}:{}", i > 0 ? "," : "", quoted(span.details[i].first),
                       quoted(span.details[i].second));
  }
  return out + "}";
}

// Begin, the arrows at it, end. Two events, and no duration: a viewer that adds begin and duration in
// floating point, or cuts both to nanoseconds, gets another end than the begin of the span behind it.
void append_span(const TraceSpan& span, const Numbering::Place& place, const std::vector<ArrowAt>& arrows,
                 std::string& out) {
  const std::string where = fmt::format(R"("pid":{},"tid":{},"ts":)", place.process, place.thread);
  const std::string begin = microseconds(span.begin_ps);
  const std::string name = quoted(span.name);
  out += fmt::format("{{\"ph\":\"B\",\"name\":{},{}{}{}}},\n", name, where, begin, details_json(span));
  for (const ArrowAt& arrow : arrows) {
    out += fmt::format(R"({{"ph":"{}","bp":"e","cat":"flow","name":"flow","id":{},{}{}}},)"
                       "\n",
                       arrow.phase, arrow.flow, where, begin);
  }
  // The format does not ask for the name here, but some viewers close by it.
  out += fmt::format("{{\"ph\":\"E\",\"name\":{},{}{}}},\n", name, where,
                     microseconds(span.begin_ps + span.duration_ps));
}

// Spans that overlap on one track would be taken for one inside the other: they go to the first of "hbm",
// "hbm 2", "hbm 3" ... that is free.
void spread_overlaps(std::vector<TraceSpan>& spans) {
  std::map<std::pair<std::string, std::string>, std::vector<int64_t>> lanes;  // the end of each
  for (TraceSpan& span : spans) {
    std::vector<int64_t>& ends = lanes[{span.group, span.track}];
    const auto free =
        std::find_if(ends.begin(), ends.end(), [&](int64_t end) { return end <= span.begin_ps; });
    const auto lane = static_cast<size_t>(free - ends.begin());
    if (free == ends.end()) ends.push_back(0);
    ends[lane] = span.begin_ps + span.duration_ps;
    if (lane > 0) span.track += fmt::format(" {}", lane + 1);
  }
}

}  // namespace

std::string trace_text(Timeline timeline) {
  spread_overlaps(timeline.spans);
  const auto arrows = arrows_of(timeline.spans);
  std::string out = "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"sampling\":" +
                    quoted(timeline.sampling.empty() ? "every span" : timeline.sampling) +
                    "},\"traceEvents\":[\n";
  Numbering numbering;
  for (size_t i = 0; i < timeline.spans.size(); ++i) {
    const auto place = numbering.place(timeline.spans[i], out);
    append_span(timeline.spans[i], place, arrows[i], out);
  }
  if (out.ends_with(",\n")) out.erase(out.size() - 2, 1);
  return out + "]}\n";
}

}  // namespace rdusim::report
