#include "report/study_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/format.h"

namespace rdusim::report {
namespace {

struct Good {
  double x = 0;
  double y = 0;
};

std::vector<Good> good_points(const StudySeries& series) {
  std::vector<Good> points;
  for (const auto& point : series.points) {
    if (point.y) points.push_back({point.x, *point.y});
  }
  return points;
}

// "12 % longer than", for a step to a neighbour: how much worse `y` is than `reference`, signed.
double worse_by(const StudyQuestion& q, double y, double reference) {
  if (reference <= 0 || y <= 0) return 0;
  return q.lower_is_better ? y / reference - 1 : reference / y - 1;
}

std::string signed_percent(double share) {
  return fmt::format("{}{}", share < 0 ? "-" : "+", format_percent(share < 0 ? -share : share));
}

// First failure beyond the points that run.
std::string failures(const StudyQuestion& q, const StudySeries& series) {
  for (const auto& point : series.points) {
    if (!point.y) return fmt::format(" {} does not run: {}.", q.x_format(point.x), point.error);
  }
  return "";
}

std::string prefix(const StudyQuestion& q, const StudySeries& series) {
  return q.series.size() > 1 ? series.name + ": " : "";
}

// Smallest point from which on all are within the tolerance of the best.
size_t flat_from(const StudyQuestion& q, const std::vector<Good>& points) {
  double best = points.front().y;
  for (const auto& point : points)
    best = q.lower_is_better ? std::min(best, point.y) : std::max(best, point.y);
  size_t from = points.size() - 1;
  while (from > 0 && worse_by(q, points[from - 1].y, best) <= q.tolerance) --from;
  return from;
}

std::string within_text(const StudyQuestion& q, const std::vector<Good>& points, size_t from) {
  std::string text = fmt::format("{}: from there on {} is within {} of the best that was tried ({} at {})",
                                 q.x_format(points[from].x), q.y_label, format_percent(q.tolerance),
                                 q.y_format(points[from].y), q.x_format(points[from].x));
  if (from == 0) return text + ". That is the least that was tried.";
  text += fmt::format("; the step below, {}, costs {}", q.x_format(points[from - 1].x),
                      signed_percent(worse_by(q, points[from - 1].y, points[from].y)));
  if (from + 1 == points.size()) return text + ". That is the most that was tried: more may help further.";
  return text + fmt::format(", the most that was tried, {}, changes {}.", q.x_format(points.back().x),
                            signed_percent(worse_by(q, points.back().y, points[from].y)));
}

StudyAnswer within(const StudyQuestion& q) {
  StudyAnswer answer;
  for (const auto& series : q.series) {
    const auto points = good_points(series);
    if (points.empty()) {
      answer.text += prefix(q, series) + "nothing runs." + failures(q, series) + " ";
      continue;
    }
    const size_t from = flat_from(q, points);
    answer.text += prefix(q, series) + within_text(q, points, from) + failures(q, series) + " ";
    answer.marks.emplace_back(points[from].x, prefix(q, series) + q.x_format(points[from].x));
  }
  return answer;
}

StudyAnswer meets(const StudyQuestion& q) {
  StudyAnswer answer;
  for (const auto& series : q.series) {
    const auto points = good_points(series);
    const auto met = std::find_if(points.begin(), points.end(), [&](const Good& point) {
      return q.lower_is_better ? point.y <= q.limit : point.y >= q.limit;
    });
    if (met == points.end()) {
      answer.text += fmt::format("{}no setting that was tried meets {} of {}.{} ", prefix(q, series),
                                 q.y_format(q.limit), q.y_label, failures(q, series));
      continue;
    }
    answer.text += fmt::format("{}{} is the least that was tried with {} of {} ({} there).{} ",
                               prefix(q, series), q.x_format(met->x), q.y_format(q.limit), q.y_label,
                               q.y_format(met->y), failures(q, series));
    answer.marks.emplace_back(met->x, prefix(q, series) + q.x_format(met->x));
  }
  return answer;
}

StudyAnswer runs(const StudyQuestion& q) {
  StudyAnswer answer;
  for (const auto& series : q.series) {
    const auto points = good_points(series);
    if (points.empty()) {
      answer.text += prefix(q, series) + "nothing runs." + failures(q, series) + " ";
      continue;
    }
    const bool all = points.size() == series.points.size();
    answer.text += fmt::format("{}{} run ({} {}){}{} ", prefix(q, series), q.x_format(points.back().x),
                               q.y_label, q.y_format(points.back().y),
                               all ? ", the most that was tried." : ".", failures(q, series));
    if (!all) answer.marks.emplace_back(points.back().x, series.name);
  }
  return answer;
}

StudyAnswer ratio(const StudyQuestion& q) {
  StudyAnswer answer;
  const auto first = good_points(q.series.front());
  for (size_t s = 1; s < q.series.size(); ++s) {
    double least = 0;
    double most = 0;
    double least_x = 0;
    double most_x = 0;
    for (const auto& point : good_points(q.series[s])) {
      const auto own =
          std::find_if(first.begin(), first.end(), [&](const Good& g) { return g.x == point.x; });
      if (own == first.end() || own->y <= 0) continue;
      const double times = point.y / own->y;
      if (least == 0 || times < least) {
        least = times;
        least_x = point.x;
      }
      if (times > most) {
        most = times;
        most_x = point.x;
      }
    }
    const auto& name = q.series[s].name;
    if (most == 0)
      answer.text += fmt::format("{} runs at no setting that {} runs at.", name, q.series.front().name);
    else
      answer.text += fmt::format("{}: {} is between {} (at {}) and {} (at {}) that of {}.", name, q.y_label,
                                 format_ratio(least), q.x_format(least_x), format_ratio(most),
                                 q.x_format(most_x), q.series.front().name);
    answer.text += failures(q, q.series[s]) + " ";
  }
  return answer;
}

}  // namespace

StudyAnswer answer_of(const StudyQuestion& question) {
  StudyAnswer answer;
  if (question.series.empty()) return answer;
  if (question.rule == AnswerRule::kWithin) answer = within(question);
  if (question.rule == AnswerRule::kMeets) answer = meets(question);
  if (question.rule == AnswerRule::kRuns) answer = runs(question);
  if (question.rule == AnswerRule::kRatio) answer = ratio(question);
  if (answer.text.ends_with(' ')) answer.text.pop_back();
  return answer;
}

std::string rule_text(const StudyQuestion& question) {
  switch (question.rule) {
    case AnswerRule::kWithin:
      return fmt::format("Rule: the least {} from which on {} stays within {} of the best that was tried.",
                         question.x_label, question.y_label, format_percent(question.tolerance));
    case AnswerRule::kMeets:
      return fmt::format("Rule: the least {} with {} {} {}.", question.x_label, question.y_label,
                         question.lower_is_better ? "at most" : "at least",
                         question.y_format(question.limit));
    case AnswerRule::kRuns:
      return fmt::format("Rule: the most {} that runs.", question.x_label);
    case AnswerRule::kRatio:
      return fmt::format("Rule: the {} of each line divided by that of the first.", question.y_label);
    case AnswerRule::kNone:
      break;
  }
  return "";
}

}  // namespace rdusim::report
