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

Good best_of(const StudyQuestion& q, const std::vector<Good>& points) {
  Good best = points.front();
  for (const Good& point : points) {
    if (q.lower_is_better ? point.y < best.y : point.y > best.y) best = point;
  }
  return best;
}

// Smallest point from which on all are within the tolerance of the best.
size_t flat_from(const StudyQuestion& q, const std::vector<Good>& points) {
  const double best = best_of(q, points).y;
  size_t from = points.size() - 1;
  while (from > 0 && worse_by(q, points[from - 1].y, best) <= q.tolerance) --from;
  return from;
}

// "133 ms, 3 % worse than the best".
std::string against_best(const StudyQuestion& q, double y, double best) {
  const double worse = worse_by(q, y, best);
  constexpr double kSeen = 0.0005;
  if (worse < kSeen) return q.y_format(y) + ", the best";
  return fmt::format("{}, {} worse than the best", q.y_format(y), format_percent(worse));
}

std::string within_text(const StudyQuestion& q, const std::vector<Good>& points, size_t from) {
  const Good best = best_of(q, points);
  std::string text =
      fmt::format("{} ({}): from there on {} is within {} of the best that was tried, {} at {}.",
                  q.x_format(points[from].x), q.y_format(points[from].y), q.y_label,
                  format_percent(q.tolerance), q.y_format(best.y), q.x_format(best.x));
  if (from == 0) {
    text += " That is the least that was tried.";
  } else {
    text += fmt::format(" The step below, {}, gives {}.", q.x_format(points[from - 1].x),
                        against_best(q, points[from - 1].y, best.y));
    if (from + 1 == points.size()) text += " That is the most that was tried: more may help further.";
  }
  const auto now = std::find_if(points.begin(), points.end(), [&](const Good& p) { return p.x == q.now; });
  if (now != points.end())
    text += fmt::format(" As it stands, {}: {}.", q.x_format(now->x), against_best(q, now->y, best.y));
  return text;
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

// A setting at which both lines run, and the second over the first there.
struct Compared {
  double x = 0;
  double first = 0;
  double other = 0;
  double times = 0;
};

std::string at_text(const StudyQuestion& q, const Compared& c) {
  return fmt::format("{} at {} ({} against {})", format_ratio(c.times), q.x_format(c.x), q.y_format(c.other),
                     q.y_format(c.first));
}

std::string ratio_text(const StudyQuestion& q, const StudySeries& series,
                       const std::vector<Compared>& compared) {
  const auto less = [](const Compared& a, const Compared& b) { return a.times < b.times; };
  const auto least = std::min_element(compared.begin(), compared.end(), less);
  const auto most = std::max_element(compared.begin(), compared.end(), less);  // the first of equal ones
  std::string text = fmt::format("{}: {} is {}", series.name, q.y_label, at_text(q, *least));
  if (most->times > least->times) text += " and " + at_text(q, *most);
  text += fmt::format(" that of {}.", q.series.front().name);
  for (size_t i = 1; i < compared.size(); ++i) {
    if ((compared[i - 1].times < 1) == (compared[i].times < 1)) continue;
    return text + fmt::format(" They cross between {} and {}.", q.x_format(compared[i - 1].x),
                              q.x_format(compared[i].x));
  }
  return text;
}

StudyAnswer ratio(const StudyQuestion& q) {
  StudyAnswer answer;
  const auto first = good_points(q.series.front());
  for (size_t s = 1; s < q.series.size(); ++s) {
    std::vector<Compared> compared;
    for (const auto& point : good_points(q.series[s])) {
      const auto own =
          std::find_if(first.begin(), first.end(), [&](const Good& g) { return g.x == point.x; });
      if (own != first.end() && own->y > 0) compared.push_back({point.x, own->y, point.y, point.y / own->y});
    }
    answer.text += compared.empty() ? fmt::format("{} runs at no setting that {} runs at.", q.series[s].name,
                                                  q.series.front().name)
                                    : ratio_text(q, q.series[s], compared);
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
