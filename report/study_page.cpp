#include "report/study_page.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "report/lines.h"

namespace rdusim::report {
namespace {

Figure chart_of(const StudyQuestion& question, const StudyAnswer& answer) {
  LineChart chart{question.asks,
                  question.x_label,
                  question.y_label,
                  question.x_format,
                  question.y_format,
                  {},
                  {},
                  question.x_logarithmic,
                  question.y_logarithmic};
  for (const auto& series : question.series) {
    LineSeries line{series.name, {}};
    for (const auto& point : series.points) {
      if (point.y) line.points.push_back({point.x, *point.y});
    }
    chart.series.push_back(std::move(line));
  }
  for (const auto& [x, word] : answer.marks) {
    const bool one_answer = question.rule == AnswerRule::kWithin || question.rule == AnswerRule::kMeets;
    chart.marks.push_back({x, one_answer ? "answer: " + word : word});
  }
  if (question.now > 0)
    chart.marks.push_back({question.now, "as it stands: " + question.x_format(question.now)});
  return {fmt::format("{} {}", answer.text, rule_text(question)), line_chart(chart)};
}

// A row a setting, a column a series.
Table table_of(const StudyQuestion& question) {
  Table table{{question.x_label}, {}};
  std::map<double, std::vector<std::string>> rows;
  for (size_t s = 0; s < question.series.size(); ++s) {
    table.header.push_back(question.series[s].name);
    for (const auto& point : question.series[s].points) {
      auto& row = rows[point.x];
      row.resize(question.series.size(), "–");
      row[s] = point.y ? question.y_format(*point.y) : "does not run";
    }
  }
  for (auto& [x, cells] : rows) {
    cells.insert(cells.begin(), question.x_format(x));
    table.add(std::move(cells));
  }
  return table;
}

}  // namespace

Page study_page(const std::string& title, const std::string& about,
                const std::vector<StudyQuestion>& questions) {
  Page page;
  page.title = title;
  page.summary = about;
  for (size_t i = 0; i < questions.size(); ++i) {
    const StudyQuestion& question = questions[i];
    const StudyAnswer answer = answer_of(question);
    if (!answer.text.empty()) page.answers.push_back({question.asks, answer.text});
    page.sections.push_back(
        {question.asks,
         {chart_of(question, answer),
          table_figure(fmt::format("As numbers: {} by {}.", question.y_label, question.x_label),
                       table_of(question), fmt::format("question-{}.csv", i + 1))}});
  }
  return page;
}

Json study_json(const std::vector<StudyQuestion>& questions) {
  Json json;
  json["questions"] = Json::array();
  for (const auto& question : questions) {
    Json one;
    one["asks"] = question.asks;
    one["answer"] = answer_of(question).text;
    one["rule"] = rule_text(question);
    one["x"] = question.x_label;
    one["y"] = question.y_label;
    one["series"] = Json::array();
    for (const auto& series : question.series) {
      Json points = Json::array();
      for (const auto& point : series.points) {
        if (point.y)
          points.push_back({{"x", point.x}, {"y", *point.y}});
        else
          points.push_back({{"x", point.x}, {"error", point.error}});
      }
      one["series"].push_back({{"name", series.name}, {"points", std::move(points)}});
    }
    json["questions"].push_back(std::move(one));
  }
  return json;
}

}  // namespace rdusim::report
