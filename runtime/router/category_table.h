// Two-step routing: a text classifier finds the prompt's category, a table the category's expert. The table
// is chosen offline: the experts of highest weighted quality whose parameters together stay within a budget,
// since what is chosen must be kept. (Composition of Experts, arXiv 2412.01868: a mixed integer program
// there, a branch and bound over categories here; exact.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/fields.h"
#include "base/result.h"

namespace rdusim::runtime {

struct CategoryCandidate {
  std::string expert;
  double quality = 0;  // judged win rate, or any other score
};

struct CategorySpec {
  std::string name;
  double weight = 1;  // share of the requests
  std::vector<CategoryCandidate> candidates;
};

struct CategoryTable {
  std::vector<uint32_t> choice;  // by category: which of its candidates
  double quality = 0;            // weighted mean
  double parameters_b = 0;       // of the distinct experts chosen, 10^9
};

const Fields<CategorySpec>& category_fields();

// `parameters_b(expert)`: 10^9 parameters. Fails when no table fits the budget. Ties: the fewer parameters,
// then the earlier candidates.
Result<CategoryTable> choose_category_table(const std::vector<CategorySpec>& categories, double budget_b,
                                            const std::function<double(const std::string&)>& parameters_b);

}  // namespace rdusim::runtime
