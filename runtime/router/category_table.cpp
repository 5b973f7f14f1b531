#include "runtime/router/category_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace rdusim::runtime {
namespace {

constexpr size_t kMostCategories = 64;

struct Search {
  struct Option {
    uint32_t expert;  // number among the distinct ones
    double gain;      // weight × quality
  };
  std::vector<std::vector<Option>> options;  // by category
  std::vector<double> parameters_b;          // by expert
  std::vector<double> best_rest;             // the most that categories [c, end) can add
  double budget_b;

  std::vector<uint32_t> uses{};  // by expert, of the categories decided so far
  std::vector<uint32_t> now{};
  std::vector<uint32_t> best{};
  double best_gain = -1;
  double best_b = 0;

  void descend(size_t c, double gain, double used_b) {
    if (best_gain >= 0 && gain + best_rest[c] < best_gain) return;
    if (c == options.size()) {
      if (gain > best_gain || (gain == best_gain && used_b < best_b)) {
        best = now;
        best_gain = gain;
        best_b = used_b;
      }
      return;
    }
    for (uint32_t o = 0; o < options[c].size(); ++o) {
      const Option& option = options[c][o];
      const double more_b = uses[option.expert] == 0 ? parameters_b[option.expert] : 0;
      if (used_b + more_b > budget_b) continue;
      ++uses[option.expert];
      now.push_back(o);
      descend(c + 1, gain + option.gain, used_b + more_b);
      now.pop_back();
      --uses[option.expert];
    }
  }
};

}  // namespace

const Fields<CategorySpec>& category_fields() {
  static const auto candidates =
      Fields<CategoryCandidate>("candidate", "an expert that could serve the category")
          .text("expert", &CategoryCandidate::expert, "its name")
          .real("quality", &CategoryCandidate::quality, {0, 1}, "", "judged win rate");
  static const auto fields =
      Fields<CategorySpec>("category", "a kind of prompt that the classifier tells apart")
          .text("name", &CategorySpec::name, "unique")
          .real("weight", &CategorySpec::weight, {0, 1e9}, "", "share of the requests")
          .optional()
          .list("candidates", &CategorySpec::candidates, candidates);
  return fields;
}

Result<CategoryTable> choose_category_table(const std::vector<CategorySpec>& categories, double budget_b,
                                            const std::function<double(const std::string&)>& parameters_b) {
  const auto wrong = [](ErrorCode code, std::string what, std::string hint) {
    return Error{code, "category table", std::move(what), std::move(hint)};
  };
  if (categories.empty() || categories.size() > kMostCategories)
    return wrong(ErrorCode::kOutOfRange,
                 fmt::format("{} categories; 1 to {} can be chosen for", categories.size(), kMostCategories),
                 "");
  Search search;
  search.budget_b = budget_b;
  std::map<std::string, uint32_t> numbers;
  double weights = 0;
  for (const CategorySpec& category : categories) {
    if (category.candidates.empty())
      return wrong(ErrorCode::kInvalidInput, fmt::format("category {} has no candidates", category.name),
                   "name an expert");
    auto& options = search.options.emplace_back();
    weights += category.weight;
    for (const CategoryCandidate& candidate : category.candidates) {
      const auto [number, is_new] =
          numbers.try_emplace(candidate.expert, static_cast<uint32_t>(numbers.size()));
      if (is_new) search.parameters_b.push_back(parameters_b(candidate.expert));
      options.push_back({number->second, category.weight * candidate.quality});
    }
  }
  search.uses.assign(numbers.size(), 0);
  search.best_rest.assign(categories.size() + 1, 0);
  for (size_t c = categories.size(); c-- > 0;) {
    double most = 0;
    for (const auto& option : search.options[c]) most = std::max(most, option.gain);
    search.best_rest[c] = search.best_rest[c + 1] + most;
  }
  search.descend(0, 0, 0);
  if (search.best_gain < 0) {
    return wrong(ErrorCode::kCapacity, fmt::format("no table keeps within {} billion parameters", budget_b),
                 "raise parameter_budget_b, or give every category a small candidate");
  }
  return CategoryTable{search.best, weights > 0 ? search.best_gain / weights : 0, search.best_b};
}

}  // namespace rdusim::runtime
