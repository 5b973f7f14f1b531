// The page of a switching study: what each way of serving waits for, the bound, and how it goes along each
// axis.
#pragma once

#include <string>
#include <vector>

#include "report/page.h"
#include "runtime/result.h"

namespace rdusim::cli {

struct StudyPoint {
  std::string node;
  int64_t experts = 0;
  std::string popularity;
  std::string eviction;
  int64_t batch = 0;
};

// What a run of the study says.
struct StudyRun {
  StudyPoint point;
  std::string variant;  // the first of a point is the one that gains are measured against
  runtime::LatencySplit split;
  double bound_s = 0;  // of the point: no way of serving switches for less
};

report::Page study_page(const std::string& composition, const std::vector<StudyRun>& runs,
                        std::string table_html);

}  // namespace rdusim::cli
