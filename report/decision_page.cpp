// Pages of what `rdusim diff`, `plan` and `cache replay` wrote.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/charts.h"
#include "report/format.h"
#include "report/result_lists.h"
#include "report/result_page.h"
#include "report/result_reader.h"
#include "report/why_figures.h"

namespace rdusim::report {

Result<PagePart> difference_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "What changed";
  const double a_s = reader.number(root, "a_s");
  const double b_s = reader.number(root, "b_s");
  const double change_s = reader.number(root, "change_s");
  const double left_s = reader.number(root, "unexplained_s");
  const std::string time = reader.text_or_empty(root, "time");
  part.summary = fmt::format("Two results of rdusim {}.", reader.text(root, "kind"));
  part.answers.push_back(
      {"How much?", fmt::format("{} goes from {} to {} ({}{}, {:+.1f} %).", time.empty() ? "The time" : time,
                                format_time(a_s), format_time(b_s), change_s > 0 ? "+" : "",
                                format_time(change_s), a_s > 0 ? 100 * change_s / a_s : 0)});
  const auto share = [&](double part_s) { return format_percent(change_s != 0 ? part_s / change_s : 0); };
  std::vector<PlainBar> bars;
  std::string why;
  for (const DocumentNode& item : reader.items(root, "explained")) {
    const std::string parameter = reader.text(item, "parameter");
    const std::string word = parameter_word(parameter);
    const double part_s = reader.number(item, "explained_s");
    const auto value = [&](const char* key) {
      return readable(parameter, fmt::format("{}", reader.number(item, key)));
    };
    why += fmt::format("{}{} from {} to {} explains {} ({} of the change)", why.empty() ? "" : "; ", word,
                       value("a"), value("b"), format_time(part_s), share(part_s));
    bars.push_back({word, std::abs(part_s), part_s < 0 ? size_t{4} : size_t{2}, share(part_s)});
  }
  bars.push_back({"left over", std::abs(left_s), 0, share(left_s)});
  why += fmt::format(
      "{}{} is left: parameters together, another mapping by the compiler, inputs that are no "
      "parameter of the hardware",
      why.empty() ? "" : "; ", format_time(left_s));
  part.answers.push_back({"Why?", why + "."});
  Table inputs{{"input", "first", "second"}, {}};
  std::string changed;
  for (const DocumentNode& item : reader.items(root, "inputs")) {
    inputs.add({reader.text(item, "name"), reader.text_or_empty(item, "a"), reader.text_or_empty(item, "b")});
    changed += (changed.empty() ? "" : ", ") + inputs.rows.back().front();
  }
  part.answers.push_back(
      {"What went in?", changed.empty() ? "The same inputs." : "Different: " + changed + "."});
  PageSection section{"What explains it", {}};
  if (std::any_of(bars.begin(), bars.end(), [](const auto& bar) { return bar.value > 0; })) {
    section.figures.push_back(
        {"Parts of the change, without their signs: the derivative of each parameter that "
         "differs times its change. Green parts save time.",
         plain_bars("Parts of the change", bars, format_time)});
  }
  if (!inputs.rows.empty())
    section.figures.push_back(table_figure("Inputs that differ.", inputs, "inputs.csv"));
  part.sections.push_back(std::move(section));
  const DocumentNode* results = root.find("results");
  if (results != nullptr && is_list_of_rows(*results)) {
    part.sections.push_back(
        {"Numbers that changed",
         {rows_figure("Every number of the results that differs.", list_table(*results), "results.csv")}});
  }
  RDU_CHECK_OK(reader.status());
  return part;
}

namespace {

// A row for each plan: nodes, dealing, a time for each clause, whether all are met.
Table plan_table(ResultReader& reader, const DocumentNode& root, const char* list, const char* first) {
  Table table{{first, "dealing"}, {}};
  for (const DocumentNode& item : reader.items(root, list)) {
    std::vector<std::string> cells{item.find("resource") != nullptr
                                       ? reader.text(item, "resource")
                                       : format_amount(reader.number(item, "nodes")),
                                   reader.text_or_empty(item, "dealing")};
    for (const DocumentNode& clause : reader.items(item, "clauses"))
      cells.push_back(format_time(reader.number(clause, "value_s")));
    cells.emplace_back(reader.flag(item, "met") ? "yes" : "no");
    while (table.header.size() + 1 < cells.size())
      table.header.push_back(fmt::format("clause {}", table.header.size() - 1));
    table.add(std::move(cells));
  }
  table.header.emplace_back("met");
  return table;
}

std::string first_clause(const Table& table, size_t row) {
  return table.rows[row].size() > 3 ? table.rows[row][2] : "no value";
}

}  // namespace

Result<PagePart> plan_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "How many nodes";
  const std::string objective = reader.text(root, "objective");
  const double nodes = reader.number_or_zero(root, "nodes");
  const Table tried = plan_table(reader, root, "tried", "nodes");
  const Table resources = plan_table(reader, root, "resources", "twice the");
  part.summary = fmt::format("Objective: {}.", objective);
  part.answers.push_back({"How many nodes?", nodes > 0
                                                 ? fmt::format("{} meet {}.", format_amount(nodes), objective)
                                                 : fmt::format("None of those tried meets {}.", objective)});
  std::string fewer;
  for (size_t i = 0; i < tried.rows.size(); ++i) {
    if (tried.rows[i].back() == "no")
      fewer = fmt::format("{} node{} reach {} only.", tried.rows[i].front(),
                          tried.rows[i].front() == "1" ? "" : "s", first_clause(tried, i));
  }
  if (!fewer.empty()) part.answers.push_back({"Why not fewer?", fewer});
  const std::string next = reader.text_or_empty(root, "buy_next");
  part.answers.push_back({"What would help?", next.empty() ? "None of the resources that were doubled."
                                                           : "Next: more " + next + "."});
  std::vector<PlainBar> bars;
  for (const DocumentNode& item : reader.items(root, "tried")) {
    const auto& clauses = reader.items(item, "clauses");
    if (clauses.empty()) continue;
    const double value_s = reader.number(clauses.front(), "value_s");
    bars.push_back({format_amount(reader.number(item, "nodes")) + " nodes", value_s,
                    reader.flag(item, "met") ? size_t{4} : size_t{2}, ""});
  }
  PageSection section{"What was tried", {}};
  if (!bars.empty()) {
    section.figures.push_back(
        {fmt::format("The first clause of \"{}\" by number of nodes; green ones meet all.", objective),
         plain_bars("First clause of the objective", bars, format_time)});
  }
  section.figures.push_back(table_figure("Every number of nodes that was tried.", tried, "tried.csv"));
  part.sections.push_back(std::move(section));
  if (!resources.rows.empty()) {
    part.sections.push_back(
        {"What to buy next",
         {table_figure("The same nodes with twice of one resource.", resources, "resources.csv")}});
  }
  RDU_CHECK_OK(reader.status());
  return part;
}

Result<PagePart> replay_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "Eviction policies on a trace";
  const DocumentNode* list = root.find("replays");
  struct Best {
    std::string policy;  // that can be had: belady knows the future
    double misses = 0;
    double optimum = 0;
  };
  std::map<double, Best> by_capacity;
  CsvTable table{"", {"policy", "capacity_bytes", "miss_ratio"}, {}};
  double requests = 0;
  for (const DocumentNode& item : reader.items(root, "replays")) {
    const std::string policy = reader.text(item, "policy");
    const double capacity = reader.number(item, "capacity_bytes");
    requests = reader.number(item, "requests");
    const double misses = requests > 0 ? reader.number(item, "misses") / requests : 0;
    Best& best = by_capacity[capacity];
    if (policy == "belady") best.optimum = misses;
    if (policy != "belady" && (best.policy.empty() || misses < best.misses)) {
      best.policy = policy;
      best.misses = misses;
    }
    table.rows.push_back({0, {policy, fmt::format("{}", capacity), fmt::format("{}", misses)}});
  }
  std::string answer;
  for (const auto& [capacity, best] : by_capacity) {
    if (best.policy.empty()) continue;
    answer += fmt::format("{}at {}, {} misses {}", answer.empty() ? "" : "; ", format_bytes(capacity),
                          best.policy, format_percent(best.misses));
    if (best.optimum > 0) answer += fmt::format(" (no policy less than {})", format_percent(best.optimum));
  }
  part.summary = fmt::format("{} requests.", format_amount(requests));
  part.answers.push_back({"Which policy misses least?", answer.empty() ? "No replay." : answer + "."});
  if (by_capacity.size() == 1) {  // nothing to draw over: a bar for each policy
    table.header = {"policy", "miss_ratio"};
    for (CsvRow& row : table.rows) row.cells.erase(row.cells.begin() + 1);
  }
  PageSection section{"Misses", column_figures(table, 1)};
  if (list != nullptr && is_list_of_rows(*list))
    section.figures.push_back(rows_figure("Every replay.", list_table(*list), "replays.csv"));
  part.sections.push_back(std::move(section));
  RDU_CHECK_OK(reader.status());
  return part;
}

}  // namespace rdusim::report
