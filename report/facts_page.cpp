// The page of a result that has no page of its own: its numbers, and its lists as charts and tables.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "report/result_lists.h"
#include "report/result_page.h"

namespace rdusim::report {
namespace {

constexpr size_t kNamed = 8;   // numbers in the answer
constexpr size_t kCharts = 6;  // of one list
constexpr size_t kMostFacts = 400;
constexpr int kDeepest = 4;

struct Facts {
  std::vector<std::pair<std::string, std::string>> numbers;  // by name, readable
  std::vector<std::pair<std::string, const DocumentNode*>> lists;
};

void collect(const DocumentNode& node, const std::string& prefix, int depth, Facts& facts) {
  using Kind = DocumentNode::Kind;
  for (const auto& [name, member] : node.members) {
    const std::string full = prefix.empty() ? name : prefix + "." + name;
    if (prefix.empty() && (name == "manifest" || name == "schema_version")) continue;
    if (member.kind == Kind::kMap && depth < kDeepest) {
      collect(member, full, depth + 1, facts);
    } else if (is_list_of_rows(member)) {
      facts.lists.emplace_back(full, &member);
    } else if (member.kind != Kind::kList && member.kind != Kind::kNull && member.kind != Kind::kMap &&
               facts.numbers.size() < kMostFacts) {
      facts.numbers.emplace_back(full, readable(name, member.text));
    }
  }
}

// What was measured comes before what was asked for: numbers with the unit of a result in their names.
bool is_measured(const std::string& name) {
  for (const char* unit :
       {"_s", "_ns", "per_s", "percent", "cycles", "fraction_of_peak", "utilization", "ok"}) {
    if (name.ends_with(unit)) return true;
  }
  return false;
}

// The command's first words, up to the first option.
std::string title_of(const std::string& command) {
  const size_t option = command.find(" -");
  return option == std::string::npos ? command : command.substr(0, option);
}

}  // namespace

Result<PagePart> facts_part(const DocumentNode& root) {
  RDU_ASSIGN(const Manifest manifest, read_manifest(root));
  PagePart part;
  part.title = title_of(manifest.command);
  Facts facts;
  collect(root, "", 0, facts);
  part.answers.push_back({"What was asked?", manifest.command});
  auto named = facts.numbers;
  std::stable_partition(named.begin(), named.end(),
                        [](const auto& number) { return is_measured(number.first); });
  std::string said;
  for (size_t i = 0; i < named.size() && i < kNamed; ++i)
    said += fmt::format("{}{} {}", i > 0 ? ", " : "", named[i].first, named[i].second);
  for (const auto& [name, list] : facts.lists)
    said += fmt::format("{}{}: {} rows", said.empty() ? "" : "; ", name, list->items.size());
  if (said.empty()) said = "nothing: the result is empty";
  part.answers.push_back({"What is the answer?", said + "."});
  part.summary = fmt::format("{} numbers, {} list{}.", facts.numbers.size(), facts.lists.size(),
                             facts.lists.size() == 1 ? "" : "s");
  if (!facts.numbers.empty()) {
    Table table{{"name", "value"}, {}};
    for (const auto& [name, value] : facts.numbers) table.add({name, value});
    part.sections.push_back(
        {"Numbers", {table_figure("Every number of the result that stands alone.", table, "numbers.csv")}});
  }
  for (const auto& [name, list] : facts.lists) {
    const CsvTable table = list_table(*list);
    PageSection section{name, column_figures(table, kCharts)};
    section.figures.push_back(
        rows_figure(fmt::format("The {} rows of {}.", table.rows.size(), name), table, "rows.csv"));
    part.sections.push_back(std::move(section));
  }
  return part;
}

}  // namespace rdusim::report
