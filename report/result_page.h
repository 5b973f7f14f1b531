// Pages of result files: what `rdusim report` writes, and `serve --html`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/io/file.h"
#include "report/page.h"
#include "report/result_view.h"

namespace rdusim::report {

// One file that was read: the JSON of a command, or the CSV of a sweep.
struct ResultFile {
  std::string name;  // for headings and errors
  DocumentNode root;
  CsvTable table;  // when is_table
  bool is_table = false;
  // Of a result of simulate or serve: what explain says of it, where that is known.
  std::shared_ptr<const DocumentNode> why{};
};

// Reads JSON by content and *.csv as a table. Fails with file:line:col.
Result<ResultFile> read_result_file(const std::string& path);
// The text of a JSON result that was not written to a file.
Result<ResultFile> result_of_text(const std::string& name, const std::string& json);

// Fails when a file is no result that a page is known for, or lacks what a result has.
Result<Page> result_page(const std::vector<ResultFile>& files);

// --- the parts, each with its answers and sections; more than one result stands under headings of its own

struct PagePart {
  std::string title;
  std::string summary;
  std::vector<Answer> answers;
  std::vector<PageSection> sections;
};
// `why`: what explains it, or null.
PagePart run_part(const RunView& run, const RunWhyView* why);
PagePart serving_part(const ServingView& serving, const std::vector<NodeWhyView>& why);
// Of what `rdusim explain --json` wrote: {"kind": "simulate" or "serve", "parameters" or "nodes", ...}.
Result<PagePart> explanation_part(const DocumentNode& root);
// Axes are the first columns that together tell all rows apart; every other numeric column is drawn over the
// last axis that has three numbers or more, a line for each value of the others.
PagePart sweep_part(const std::string& name, const CsvTable& table);
// Its charts alone, at most so many; bars by row where there is no axis.
std::vector<Figure> column_figures(const CsvTable& table, size_t most);
// Of the other commands.
Result<PagePart> validation_part(const DocumentNode& root);
Result<PagePart> points_part(const DocumentNode& root);
Result<PagePart> calibration_part(const DocumentNode& root);
Result<PagePart> crosscheck_part(const DocumentNode& root);
Result<PagePart> difference_part(const DocumentNode& root);
Result<PagePart> plan_part(const DocumentNode& root);
Result<PagePart> replay_part(const DocumentNode& root);
// Whatever else carries a manifest: its numbers, and its lists as charts and tables.
Result<PagePart> facts_part(const DocumentNode& root);
// Latencies of several runs beside each other.
PageSection compare_runs(const std::vector<RunView>& runs);
// The nodes of several serve results, by the file that each stands in.
struct NamedServing {
  std::string name;
  ServingView serving;
};
PageSection compare_servings(const std::vector<NamedServing>& servings);

// "HBM bandwidth" for "hbm", "stage wo" for "unit wo".
std::string bound_name(const std::string& bound_by);

}  // namespace rdusim::report
