// The page of a co-design study: the questions with their answers first, then a chart and a table for each.
#pragma once

#include <string>
#include <vector>

#include "report/page.h"
#include "report/study_answer.h"

namespace rdusim::report {

Page study_page(const std::string& title, const std::string& about,
                const std::vector<StudyQuestion>& questions);

// {questions: [{asks, answer, rule, series: [{name, points: [{x, y | error}]}]}]}
Json study_json(const std::vector<StudyQuestion>& questions);

}  // namespace rdusim::report
