#include "cli/study_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/format.h"

namespace rdusim::cli {
namespace {

constexpr size_t kMostPoints = 2000;  // of a study: it is meant to take a minute

const std::vector<std::string>& units() {
  static const std::vector<std::string> all{"s", "bytes", "bytes/s", "count", "share"};
  return all;
}

report::FormatNumber format_of(const std::string& unit) {
  if (unit == "s") return report::format_time;
  if (unit == "bytes") return report::format_bytes;
  if (unit == "bytes/s") return report::format_bandwidth;
  if (unit == "share") return report::format_percent;
  return report::format_amount;
}

const Fields<StudyAxis>& axis_fields() {
  static const auto fields =
      Fields<StudyAxis>("x", "the setting that varies")
          .text("label", &StudyAxis::label, "what it is, for people")
          .text("unit", &StudyAxis::unit, "how it is printed")
          .choices(units())
          .text("set", &StudyAxis::set, "path of an override, such as chip.hbm.capacity_bytes")
          .optional()
          .text("option", &StudyAxis::option, "option of the command, such as --context")
          .optional()
          .reals("values", &StudyAxis::values, {1e-12, 1e18}, "", "ascending")
          .real("now", &StudyAxis::now, {0, 1e18}, "", "the value that stands today; 0: not said")
          .optional()
          .boolean("logarithmic", &StudyAxis::logarithmic, "scale of the axis")
          .optional()
          .check([](const StudyAxis& axis) -> std::string {
            if (axis.set.empty() == axis.option.empty()) return "x has either set or option";
            if (!axis.option.empty() && !axis.option.starts_with("--")) return "an option starts with --";
            if (axis.values.size() < 2) return "values are two or more";
            if (std::adjacent_find(axis.values.begin(), axis.values.end(), std::greater_equal<>()) !=
                axis.values.end())
              return "values ascend";
            if (axis.now != 0 &&
                std::find(axis.values.begin(), axis.values.end(), axis.now) == axis.values.end())
              return "now is one of the values";
            return "";
          });
  return fields;
}

const Fields<StudyValue>& value_fields() {
  static const auto fields =
      Fields<StudyValue>("y", "what is measured")
          .text("label", &StudyValue::label, "what it is, for people")
          .text("unit", &StudyValue::unit, "how it is printed")
          .choices(units())
          .texts("sum", &StudyValue::sum,
                 "keys in the JSON result, joined by dots; {node} is the line's node")
          .text("per", &StudyValue::per, "the sum is divided by this number of the result")
          .optional()
          .boolean("round_up", &StudyValue::round_up, "to whole numbers")
          .optional()
          .boolean("higher_is_better", &StudyValue::higher_is_better, "as throughput is; latency is not")
          .optional()
          .boolean("logarithmic", &StudyValue::logarithmic, "scale of the axis")
          .optional();
  return fields;
}

const Fields<StudyLine>& line_fields() {
  static const auto fields = Fields<StudyLine>("line", "one line of the chart")
                                 .text("name", &StudyLine::name, "for the legend")
                                 .text("node", &StudyLine::node, "--node of its runs, and {node} in the keys")
                                 .optional()
                                 .text("arguments", &StudyLine::arguments, "more of its command line")
                                 .optional()
                                 .texts("sum", &StudyLine::sum, "in place of y.sum")
                                 .optional()
                                 .text("per", &StudyLine::per, "in place of y.per")
                                 .optional();
  return fields;
}

const Fields<StudyQuestionSpec>& question_fields() {
  static const auto fields =
      Fields<StudyQuestionSpec>("question", "one question of a design review")
          .text("asks", &StudyQuestionSpec::asks, "the question")
          .text("command", &StudyQuestionSpec::command, "simulate or serve with its options, without rdusim")
          .nested("x", &StudyQuestionSpec::x, axis_fields())
          .nested("y", &StudyQuestionSpec::y, value_fields())
          .list("series", &StudyQuestionSpec::series, line_fields())
          .text("answer", &StudyQuestionSpec::answer, "rule that finds the answer")
          .choices({"none", "within", "meets", "runs", "ratio"})
          .optional()
          .real("tolerance", &StudyQuestionSpec::tolerance, {0, 1}, "",
                "of the rule within: share of the best")
          .optional()
          .real("limit", &StudyQuestionSpec::limit, {-1e18, 1e18}, "", "of the rule meets, in y's unit")
          .optional()
          .check([](const StudyQuestionSpec& q) -> std::string {
            if (q.series.empty()) return "a question has a line or more";
            if (q.answer == "ratio" && q.series.size() < 2) return "a ratio needs two lines";
            return "";
          });
  return fields;
}

// Keys of a path, {node} replaced by the line's node (whose name may hold dots).
std::vector<std::string> keys_of(const std::string& path, const std::string& node) {
  auto keys = split_words(path, '.');
  for (auto& key : keys) {
    if (key == "{node}") key = node;
  }
  return keys;
}

report::AnswerRule rule_of(const std::string& name) {
  if (name == "within") return report::AnswerRule::kWithin;
  if (name == "meets") return report::AnswerRule::kMeets;
  if (name == "runs") return report::AnswerRule::kRuns;
  return name == "ratio" ? report::AnswerRule::kRatio : report::AnswerRule::kNone;
}

}  // namespace

const Fields<StudySpec>& study_fields() {
  static const auto fields =
      Fields<StudySpec>("study", "a co-design study: questions and how their answers are found")
          .text("name", &StudySpec::name, "of the study, and of its files")
          .text("title", &StudySpec::title, "of its page")
          .text("about", &StudySpec::about, "what is held fixed, in a sentence or two")
          .list("questions", &StudySpec::questions, question_fields())
          .check([](const StudySpec& spec) -> std::string {
            const bool plain =
                !spec.name.empty() &&
                spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
            if (!plain) return "a study's name is of small letters, digits and -";
            if (spec.questions.empty()) return "there are no questions";
            return "";
          });
  return fields;
}

Result<SweepSpec> sweep_of(const StudyQuestionSpec& question, const StudyLine& line) {
  SweepSpec sweep;
  sweep.name = question.asks;
  sweep.command = split_words(question.command, ' ');
  if (sweep.command.empty() || (sweep.command[0] != "simulate" && sweep.command[0] != "serve")) {
    return Error{ErrorCode::kInvalidInput, "question " + question.asks, "a study runs simulate or serve",
                 "for example command: simulate llama-2-7b --phase decode"};
  }
  if (!line.node.empty()) sweep.command.insert(sweep.command.end(), {"--node", line.node});
  const auto more = split_words(line.arguments, ' ');
  sweep.command.insert(sweep.command.end(), more.begin(), more.end());
  std::vector<std::string> values;
  for (const double value : question.x.values) values.push_back(fmt::format("{}", value));
  sweep.axes.push_back({"x", question.x.set, question.x.option, std::move(values)});
  for (const auto& path : line.sum.empty() ? question.y.sum : line.sum)
    sweep.columns.push_back({path, keys_of(path, line.node)});
  const std::string& per = line.per.empty() ? question.y.per : line.per;
  if (!per.empty()) sweep.columns.push_back({per, keys_of(per, line.node)});
  for (const auto& column : sweep.columns) {
    if (!column.path.empty()) continue;
    return Error{ErrorCode::kInvalidInput, "question " + question.asks, "a path without keys",
                 "for example sum: [latency_s]"};
  }
  return sweep;
}

Result<StudySpec> parse_study_spec(const DocumentNode& document) {
  RDU_ASSIGN(StudySpec spec, study_fields().parse(document));
  size_t points = 0;
  for (const auto& question : spec.questions) {
    for (const auto& line : question.series) {
      RDU_ASSIGN(const SweepSpec sweep, sweep_of(question, line));
      if (sweep.columns.empty()) {
        return Error{ErrorCode::kInvalidInput, "question " + question.asks, "y sums nothing",
                     "for example sum: [latency_s]"};
      }
      points += question.x.values.size();
    }
  }
  if (points <= kMostPoints) return spec;
  return Error{ErrorCode::kOutOfRange, document.where,
               fmt::format("{} points, at most {}", points, kMostPoints),
               "a grid of this size is a sweep (rdusim sweep)"};
}

report::StudyQuestion question_of(const StudyQuestionSpec& spec) {
  report::StudyQuestion question;
  question.asks = spec.asks;
  question.x_label = spec.x.label;
  question.y_label = spec.y.label;
  question.x_format = format_of(spec.x.unit);
  question.y_format = format_of(spec.y.unit);
  question.lower_is_better = !spec.y.higher_is_better;
  question.x_logarithmic = spec.x.logarithmic;
  question.y_logarithmic = spec.y.logarithmic;
  question.rule = rule_of(spec.answer);
  question.tolerance = spec.tolerance;
  question.limit = spec.limit;
  question.now = spec.x.now;
  return question;
}

}  // namespace rdusim::cli
