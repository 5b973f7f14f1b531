// The page of a switching study: what each way of serving waits for, the bound, and how it goes along each
// axis.
#pragma once

#include <string>
#include <vector>

#include "cli/switching_study.h"
#include "report/page.h"

namespace rdusim::cli {

report::Page study_page(const std::string& composition, const std::vector<StudyRun>& runs,
                        std::string table_html);

}  // namespace rdusim::cli
