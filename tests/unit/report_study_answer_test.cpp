#include "report/study_answer.h"

#include <gtest/gtest.h>

#include "report/format.h"

namespace rdusim::report {
namespace {

StudyQuestion question(AnswerRule rule, std::vector<StudySeries> series) {
  StudyQuestion q;
  q.asks = "How much?";
  q.x_label = "x";
  q.y_label = "time";
  q.x_format = q.y_format = format_number;
  q.rule = rule;
  q.series = std::move(series);
  return q;
}

StudySeries line(const std::string& name, const std::vector<double>& ys) {
  StudySeries series{name, {}};
  for (size_t i = 0; i < ys.size(); ++i) series.points.push_back({static_cast<double>(i + 1), ys[i], ""});
  return series;
}

TEST(StudyAnswer, WithinIsWhereTheCurveBecomesFlat) {
  const auto answer = answer_of(question(AnswerRule::kWithin, {line("a", {10, 4, 2.08, 2.02, 2})}));
  ASSERT_EQ(answer.marks.size(), 1U);
  EXPECT_EQ(answer.marks[0].first, 3);  // 2.08 is 4 % more than 2; 4 is 100 % more
  EXPECT_NE(answer.text.find("The step below, 2.00, gives 4.00, 100 % worse than the best."),
            std::string::npos)
      << answer.text;
  EXPECT_NE(answer.text.find("within 5 % of the best that was tried, 2.00 at 5.00."), std::string::npos)
      << answer.text;
}

TEST(StudyAnswer, WithinJudgesTheSettingAsItStands) {
  auto q = question(AnswerRule::kWithin, {line("a", {10, 4, 2.08, 2.02, 2})});
  q.now = 2;
  EXPECT_NE(answer_of(q).text.find("As it stands, 2.00: 4.00, 100 % worse than the best."), std::string::npos)
      << answer_of(q).text;
  q.now = 5;
  EXPECT_NE(answer_of(q).text.find("As it stands, 5.00: 2.00, the best."), std::string::npos);
}

TEST(StudyAnswer, WithinIsNotFooledByADipBeforeARise) {
  // Setting 2 is as good as the best, but 3 is not: flat from 4 on only.
  const auto answer = answer_of(question(AnswerRule::kWithin, {line("a", {10, 2, 3, 2, 2})}));
  EXPECT_EQ(answer.marks.at(0).first, 4);
}

TEST(StudyAnswer, WithinSaysWhenTheRangeEndsTooSoon) {
  const auto falling = answer_of(question(AnswerRule::kWithin, {line("a", {10, 8, 6})}));
  EXPECT_NE(falling.text.find("more may help further"), std::string::npos) << falling.text;
  const auto flat = answer_of(question(AnswerRule::kWithin, {line("a", {10, 10, 10})}));
  EXPECT_NE(flat.text.find("the least that was tried"), std::string::npos) << flat.text;
}

TEST(StudyAnswer, WithinOfAThroughputLooksForTheHighest) {
  auto q = question(AnswerRule::kWithin, {line("a", {1, 5, 9.8, 10})});
  q.lower_is_better = false;
  EXPECT_EQ(answer_of(q).marks.at(0).first, 3);
}

TEST(StudyAnswer, MeetsIsTheLeastSettingWithinTheLimit) {
  auto q = question(AnswerRule::kMeets, {line("a", {10, 6, 5, 4}), line("b", {10, 9, 8, 7})});
  q.limit = 5;
  const auto answer = answer_of(q);
  ASSERT_EQ(answer.marks.size(), 1U);
  EXPECT_EQ(answer.marks[0].first, 3);
  EXPECT_NE(answer.text.find("b: no setting"), std::string::npos) << answer.text;
}

TEST(StudyAnswer, RunsIsTheMostThatRunsAndWhyTheNextDoesNot) {
  StudySeries a = line("a", {1, 2, 3});
  a.points[2].y.reset();
  a.points[2].error = "the node ran out of memory";
  const auto answer = answer_of(question(AnswerRule::kRuns, {a}));
  EXPECT_EQ(answer.marks.at(0).first, 2);
  EXPECT_NE(answer.text.find("3.00 does not run: the node ran out of memory"), std::string::npos)
      << answer.text;
}

TEST(StudyAnswer, RatioComparesWhereBothRun) {
  StudySeries b = line("b", {20, 30, 90});
  b.points[2].y.reset();
  const auto answer = answer_of(question(AnswerRule::kRatio, {line("a", {10, 10, 10}), b}));
  EXPECT_NE(
      answer.text.find("2.00× at 1.00 (20.0 against 10.0) and 3.00× at 2.00 (30.0 against 10.0) that of a."),
      std::string::npos)
      << answer.text;
}

TEST(StudyAnswer, RatioSaysWhereLinesCross) {
  const auto answer =
      answer_of(question(AnswerRule::kRatio, {line("a", {10, 10, 10}), line("b", {5, 8, 20})}));
  EXPECT_NE(answer.text.find("They cross between 2.00 and 3.00."), std::string::npos) << answer.text;
}

TEST(StudyAnswer, NothingRunsIsSaid) {
  StudySeries a = line("a", {1, 2});
  for (auto& point : a.points) {
    point.y.reset();
    point.error = "why";
  }
  for (const auto rule : {AnswerRule::kWithin, AnswerRule::kRuns})
    EXPECT_NE(answer_of(question(rule, {a})).text.find("nothing runs"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::report
