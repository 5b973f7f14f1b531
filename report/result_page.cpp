#include "report/result_page.h"

#include <fmt/format.h>

#include <utility>

namespace rdusim::report {
namespace {

enum class Kind { kRun, kServing, kExplanation, kSweep, kUnknown };

Kind kind_of(const ResultFile& file) {
  if (file.is_table) return Kind::kSweep;
  if (file.root.find("kind") != nullptr &&
      (file.root.find("bottleneck") != nullptr || file.root.find("nodes") != nullptr))
    return Kind::kExplanation;
  if (file.root.find("nodes") != nullptr && file.root.find("composition") != nullptr) return Kind::kServing;
  if (file.root.find("sections") != nullptr && file.root.find("program") != nullptr) return Kind::kRun;
  return Kind::kUnknown;
}

// Headings and answers carry the part's name when there are several.
void append(Page& page, PagePart part, bool several) {
  const std::string name = part.title;
  for (auto& answer : part.answers) {
    if (several) answer.question = fmt::format("{} {}", name, answer.question);
    page.answers.push_back(std::move(answer));
  }
  for (auto& section : part.sections) {
    if (several) section.heading = fmt::format("{}: {}", name, section.heading);
    if (!section.figures.empty()) page.sections.push_back(std::move(section));
  }
  page.title = several ? std::string("Results of rdusim") : name;
  if (!page.summary.empty()) page.summary += " ";
  page.summary += several ? fmt::format("{}: {}", name, part.summary) : part.summary;
}

}  // namespace

Result<ResultFile> result_of_text(const std::string& name, const std::string& json) {
  ResultFile file;
  file.name = name;
  RDU_ASSIGN(file.root, read_json_text(json, name));
  return file;
}

Result<ResultFile> read_result_file(const std::string& path) {
  constexpr int64_t kMostBytes = 64 << 20;
  RDU_ASSIGN(const std::string text, read_text_file(path, kMostBytes));
  if (!path.ends_with(".csv") && !path.ends_with(".csv.gz")) return result_of_text(path, text);
  ResultFile file;
  file.name = path;
  file.is_table = true;
  RDU_ASSIGN(file.table, parse_csv(text, path));
  return file;
}

Result<Page> result_page(const std::vector<ResultFile>& files) {
  Page page;
  std::vector<RunView> runs;
  std::vector<PagePart> parts;
  for (const auto& file : files) {
    switch (kind_of(file)) {
      case Kind::kRun: {
        RDU_ASSIGN(RunView run, read_run(file.root));
        parts.push_back(run_part(run));
        runs.push_back(std::move(run));
        break;
      }
      case Kind::kServing: {
        RDU_ASSIGN(const ServingView serving, read_serving(file.root));
        parts.push_back(serving_part(serving));
        break;
      }
      case Kind::kExplanation: {
        RDU_ASSIGN(PagePart part, explanation_part(file.root));
        parts.push_back(std::move(part));
        break;
      }
      case Kind::kSweep:
        parts.push_back(sweep_part(file.name, file.table));
        break;
      case Kind::kUnknown:
        return Error{ErrorCode::kInvalidInput, file.name, "no result that a page is known for",
                     "give what simulate, serve or explain wrote with --json, or the CSV of a sweep"};
    }
  }
  for (auto& part : parts) append(page, std::move(part), files.size() > 1);
  if (runs.size() > 1) page.sections.insert(page.sections.begin(), compare_runs(runs));
  return page;
}

}  // namespace rdusim::report
