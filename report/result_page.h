// Pages of result files: what `rdusim report` writes, and `serve --html`.
#pragma once

#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/io/file.h"
#include "report/page.h"
#include "report/result_view.h"

namespace rdusim::report {

// One file that was read: JSON of simulate, serve or explain, or the CSV of a sweep.
struct ResultFile {
  std::string name;  // for headings and errors
  DocumentNode root;
  CsvTable table;  // when is_table
  bool is_table = false;
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
PagePart run_part(const RunView& run);
PagePart serving_part(const ServingView& serving);
// Of what `rdusim explain --json` wrote: {"kind": "simulate" or "serve", "parameters" or "nodes", ...}.
Result<PagePart> explanation_part(const DocumentNode& root);
// Axes are the first columns that together tell all rows apart; every other numeric column is drawn over the
// last axis that has three numbers or more, a line for each value of the others.
PagePart sweep_part(const std::string& name, const CsvTable& table);
// Latencies of several runs beside each other.
PageSection compare_runs(const std::vector<RunView>& runs);

// "HBM bandwidth" for "hbm", "stage wo" for "unit wo".
std::string bound_name(const std::string& bound_by);

}  // namespace rdusim::report
