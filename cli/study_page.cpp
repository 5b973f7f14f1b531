#include "cli/study_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "report/charts.h"
#include "report/format.h"

namespace rdusim::cli {
namespace {

using Runs = std::vector<const StudyRun*>;

std::string name_of(const StudyPoint& p) {
  return fmt::format("{} experts on {}, {}, {}, batch {}", p.experts, p.node, p.popularity, p.eviction,
                     p.batch);
}

// Runs of one point, in the order of the study.
std::vector<Runs> by_point(const std::vector<StudyRun>& runs) {
  std::vector<Runs> points;
  for (const StudyRun& run : runs) {
    if (points.empty() || name_of(points.back().front()->point) != name_of(run.point)) points.emplace_back();
    points.back().push_back(&run);
  }
  return points;
}

const StudyRun& best_of(const Runs& runs) {
  return **std::min_element(runs.begin(), runs.end(), [](const StudyRun* a, const StudyRun* b) {
    return a->split.switching_s < b->split.switching_s;
  });
}

// "3.10 times (3.05 to 3.14)"
std::string gain_text(const Spread& gain) {
  if (gain.mean <= 0) return "no end of times";
  if (gain.least == gain.most) return report::format_ratio(gain.mean);
  return fmt::format("{} ({} to {})", report::format_ratio(gain.mean), report::format_ratio(gain.least),
                     report::format_ratio(gain.most));
}

report::Figure switching_figure(const Runs& runs) {
  std::vector<report::StackedBar> bars;
  for (const StudyRun* run : runs) bars.push_back({run->variant, {run->split.switching_s}});
  bars.push_back({"bound", {runs.front()->bound_s}});
  const StudyRun& best = best_of(runs);
  const StudyRun& alone = *runs.front();
  return {fmt::format("{}: {} switches for {} a request, {} for {}: {} less. The bound is {}.",
                      name_of(best.point), alone.variant, report::format_time(alone.split.switching_s),
                      best.variant, report::format_time(best.split.switching_s), gain_text(best.gain),
                      report::format_time(alone.bound_s)),
          report::stacked_bars("Mean switching time of a request", {"switching"}, bars, report::format_time)};
}

report::Figure waiting_figure(const Runs& runs) {
  std::vector<report::StackedBar> bars;
  for (const StudyRun* run : runs) {
    const auto& s = run->split;
    bars.push_back({run->variant, {s.queueing_s, s.routing_s, s.switching_s, s.prefill_s}});
  }
  return {
      "What a user waits for until the first token: a shorter switch is worth nothing where it makes the "
      "queue "
      "longer.",
      report::stacked_bars("Mean time to first token", {"queueing", "routing", "switching", "prefill"}, bars,
                           report::format_time)};
}

// Along one axis: the first variant and the best one at each point that differs from the first in it only.
void add_axis(report::PageSection& section, const std::vector<Runs>& points, const std::string& axis,
              const std::function<std::string(const StudyPoint&)>& value,
              const std::function<std::string(const StudyPoint&)>& rest) {
  std::vector<report::StackedBar> bars;
  const StudyPoint& first = points.front().front()->point;
  for (const Runs& runs : points) {
    const StudyPoint& p = runs.front()->point;
    if (rest(p) != rest(first)) continue;
    bars.push_back({value(p) + " " + runs.front()->variant, {runs.front()->split.switching_s}});
    bars.push_back({value(p) + " best", {best_of(runs).split.switching_s}});
  }
  if (bars.size() <= 2) return;
  section.figures.push_back(
      {fmt::format("By {}, all else as in the first point.", axis),
       report::stacked_bars("Mean switching time by " + axis, {"switching"}, bars, report::format_time)});
}

}  // namespace

report::Page study_page(const std::string& composition, const std::vector<StudyRun>& runs,
                        std::string table_html) {
  report::Page page;
  page.title = "Switching experts of " + composition;
  const auto points = by_point(runs);
  if (points.empty()) return page;
  page.summary = switching_figure(points.front()).sentence;
  report::PageSection axes{"Along the axes", {}};
  using P = const StudyPoint&;
  const auto key = [](P p, int without) {
    return fmt::format("{}|{}|{}|{}|{}", without == 0 ? "" : p.node, without == 1 ? 0 : p.experts,
                       without == 2 ? "" : p.popularity, without == 3 ? "" : p.eviction,
                       without == 4 ? 0 : p.batch);
  };
  add_axis(
      axes, points, "node", [](P p) { return p.node; }, [&](P p) { return key(p, 0); });
  add_axis(
      axes, points, "number of experts", [](P p) { return fmt::to_string(p.experts); },
      [&](P p) { return key(p, 1); });
  add_axis(
      axes, points, "popularity", [](P p) { return p.popularity; }, [&](P p) { return key(p, 2); });
  add_axis(
      axes, points, "eviction policy", [](P p) { return p.eviction; }, [&](P p) { return key(p, 3); });
  add_axis(
      axes, points, "batch", [](P p) { return fmt::format("batch {}", p.batch); },
      [&](P p) { return key(p, 4); });
  constexpr size_t kMostPoints = 12;  // drawn one by one; the table has all
  for (size_t i = 0; i < std::min(points.size(), kMostPoints); ++i) {
    page.sections.push_back(
        {name_of(points[i].front()->point), {switching_figure(points[i]), waiting_figure(points[i])}});
  }
  if (!axes.figures.empty()) page.sections.insert(page.sections.begin(), std::move(axes));
  page.sections.push_back({"All runs", {{"One row a run.", std::move(table_html)}}});
  return page;
}

}  // namespace rdusim::cli
