#include "cli/launch_ahead.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "report/format.h"
#include "report/table.h"
#include "sim/launch_timing.h"

namespace rdusim::cli {
namespace {

// Launches of a section, and the head start of those that follow another section and those that follow
// itself.
struct SectionHeadStart {
  std::string name;
  int64_t room_bytes = 0;
  double fill_s = 0;  // of that room, at the rate of HBM
  std::optional<double> fresh_s;
  std::optional<double> again_s;
};

std::vector<SectionHeadStart> head_starts(const compiler::Explanation& explanation, const Program& program,
                                          const ChosenNode& chosen) {
  const sim::LaunchTiming timing = sim::launch_timing(program, chosen.node, chosen.stack);
  const ChipSpec& chip = chosen.node.chip;
  std::vector<SectionHeadStart> all;
  for (size_t s = 0; s < program.sections.size(); ++s) {
    SectionHeadStart section;
    section.name = program.sections[s].name;
    for (size_t i = 0; i < program.launches.size(); ++i) {
      if (program.launches[i].section.value != s || !program.launches[i].prefetch) continue;
      const bool fresh = i == 0 || program.launches[i - 1].section.value != s;
      (fresh ? section.fresh_s : section.again_s) =
          static_cast<double>(timing.head_start(fresh)) / chip.clock_hz;
    }
    if (!section.fresh_s && !section.again_s) continue;
    for (const compiler::AheadExplanation& a : explanation.ahead)
      section.room_bytes += a.section == section.name ? a.room_bytes : 0;
    section.fill_s = static_cast<double>(section.room_bytes) / chip.hbm.achieved_bytes_per_s();
    all.push_back(std::move(section));
  }
  return all;
}

}  // namespace

std::string ahead_text(const compiler::Explanation& explanation, const Program& program,
                       const ChosenNode& chosen) {
  if (explanation.ahead.empty()) return "";
  report::Table streams{{"section", "symbol", "a run", "room ahead", "waits for"}, {}};
  for (const compiler::AheadExplanation& a : explanation.ahead) {
    streams.add({a.section, a.symbol, report::format_bytes(static_cast<double>(a.bytes)),
                 report::format_bytes(static_cast<double>(a.room_bytes)), a.waits_for});
  }
  report::Table sections{
      {"section", "room ahead", "filled from HBM in", "head start, new program", "same program again"}, {}};
  const auto time = [](const std::optional<double>& s) { return s ? report::format_time(*s) : "–"; };
  for (const SectionHeadStart& s : head_starts(explanation, program, chosen)) {
    sections.add({s.name, report::format_bytes(static_cast<double>(s.room_bytes)),
                  report::format_time(s.fill_s), time(s.fresh_s), time(s.again_s)});
  }
  return "\nWhat is loaded while a section is launched\n" + report::table_text(streams) + "\n" +
         report::table_text(sections);
}

report::Json ahead_json(const compiler::Explanation& explanation, const Program& program,
                        const ChosenNode& chosen) {
  report::Json json;
  json["streams"] = report::Json::array();
  for (const compiler::AheadExplanation& a : explanation.ahead) {
    json["streams"].push_back({{"section", a.section},
                               {"symbol", a.symbol},
                               {"bytes", a.bytes},
                               {"room_bytes", a.room_bytes},
                               {"waits_for", a.waits_for}});
  }
  json["head_starts"] = report::Json::array();
  for (const SectionHeadStart& s : head_starts(explanation, program, chosen)) {
    report::Json one{{"section", s.name}, {"room_bytes", s.room_bytes}, {"fill_s", s.fill_s}};
    if (s.fresh_s) one["new_program_s"] = *s.fresh_s;
    if (s.again_s) one["again_s"] = *s.again_s;
    json["head_starts"].push_back(std::move(one));
  }
  return json;
}

}  // namespace rdusim::cli
