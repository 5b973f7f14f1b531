// Answers of a design review, found in the points of a sweep by rules that the page states.
//
//   within   the smallest setting from which on the value stays within a share of the best that was tried:
//            where the curve has become flat
//   meets    the smallest setting whose value meets a limit
//   runs     the largest setting that runs at all, of each series
//   ratio    how the other series compare with the first, over the settings that all run
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/axis.h"

namespace rdusim::report {

struct StudyPoint {
  double x = 0;
  std::optional<double> y;  // absent: the point failed
  std::string error;        // why
};
struct StudySeries {
  std::string name;
  std::vector<StudyPoint> points;  // by x
};

enum class AnswerRule { kNone, kWithin, kMeets, kRuns, kRatio };

struct StudyQuestion {
  std::string asks;     // "How much HBM?"
  std::string x_label;  // "HBM of a socket"
  std::string y_label;  // "mean latency of a request"
  FormatNumber x_format;
  FormatNumber y_format;
  bool lower_is_better = true;
  bool x_logarithmic = false;
  bool y_logarithmic = false;
  AnswerRule rule = AnswerRule::kNone;
  double tolerance = 0.05;  // kWithin
  double limit = 0;         // kMeets
  double now = 0;           // the setting as it stands, marked on the chart; 0: none
  std::vector<StudySeries> series;
};

struct StudyAnswer {
  std::string text;
  std::vector<std::pair<double, std::string>> marks;  // settings to mark on the chart, with a word
};
StudyAnswer answer_of(const StudyQuestion& question);
// The rule in a sentence.
std::string rule_text(const StudyQuestion& question);

}  // namespace rdusim::report
