// A co-design study: questions of a design review, each a sweep of one setting over one rdusim command, and
// the rule that finds the answer in it (report/study_answer.h). See configs/studies/.
//
//   questions:
//     - asks: How much HBM?
//       command: serve llama2-7b-x150 --requests synthetic:together,n=300,popularity=zipf:0.9
//       x: {label: HBM of a socket, unit: bytes, set: chip.hbm.capacity_bytes, values: [16e9, 32e9, 64e9]}
//       y: {label: time of a request, unit: s, sum: [nodes.{node}.node_time.switching_s], per:
//       nodes.{node}.finished} series: [{name: SN40L, node: sn40l-8}] answer: within
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/io/fields.h"
#include "base/result.h"
#include "cli/sweep_spec.h"
#include "report/study_answer.h"

namespace rdusim::cli {

struct StudyAxis {
  std::string label;
  std::string unit;  // s, bytes, bytes/s, count
  std::string set;   // path of an override, or
  std::string option;
  std::vector<double> values;  // ascending
  double now = 0;              // one of the values: the setting as it stands; 0: not said
  bool logarithmic = false;
};
// A number of the JSON result, or a sum of several, over another one, times a factor.
struct StudyValue {
  std::string label;
  std::string unit;
  std::vector<std::string> sum;
  std::string per;  // empty: 1
  bool round_up = false;
  bool higher_is_better = false;
  bool logarithmic = false;
};
struct StudyLine {
  std::string name;
  std::string node;              // --node NODE, and {node} in paths
  std::string arguments;         // more of the command line
  std::vector<std::string> sum;  // in place of the value's
  std::string per;
};
struct StudyQuestionSpec {
  std::string asks;
  std::string command;
  StudyAxis x;
  StudyValue y;
  std::vector<StudyLine> series;
  std::string answer = "within";
  double tolerance = 0.05;
  double limit = 0;
};
struct StudySpec {
  std::string name;
  std::string title;
  std::string about;
  std::vector<StudyQuestionSpec> questions;
};
const Fields<StudySpec>& study_fields();

// Besides what the fields check: commands that a sweep runs, paths where there is a value.
Result<StudySpec> parse_study_spec(const DocumentNode& document);

// The sweep of one line of a question: its columns are the terms of the sum, then the divisor if there is
// one.
Result<SweepSpec> sweep_of(const StudyQuestionSpec& question, const StudyLine& line);

// Without points.
report::StudyQuestion question_of(const StudyQuestionSpec& spec);

}  // namespace rdusim::cli
