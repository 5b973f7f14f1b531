#include "report/result_page.h"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace rdusim::report {
namespace {

// What tells results apart: members that only one command writes.
struct OtherKind {
  const char* member;
  const char* and_member;
  Result<PagePart> (*part)(const DocumentNode& root);
};
constexpr OtherKind kOtherKinds[] = {
    {"kind", "bottleneck", explanation_part},
    {"kind", "nodes", explanation_part},
    {"kind", "change_s", difference_part},
    {"rows", "fitted_parameters", validation_part},
    {"points", "geometric_mean_error_percent", points_part},
    {"points", "rms_left_out_percent", calibration_part},
    {"workloads", "largest", crosscheck_part},
    {"objective", "tried", plan_part},
    {"replays", "replays", replay_part},
};

bool has(const ResultFile& file, const char* member) {
  return file.root.find(member) != nullptr;
}

bool is_run(const ResultFile& file) {
  return has(file, "sections") && has(file, "program") && has(file, "latency_s");
}
bool is_serving(const ResultFile& file) {
  return has(file, "nodes") && has(file, "composition");
}

Result<PagePart> other_part(const ResultFile& file) {
  for (const OtherKind& kind : kOtherKinds) {
    if (has(file, kind.member) && has(file, kind.and_member)) return kind.part(file.root);
  }
  if (has(file, "manifest")) return facts_part(file.root);
  return Error{ErrorCode::kInvalidInput, file.name, "no result of rdusim: it has no manifest",
               "give what a command wrote with --json, or the CSV of a sweep"};
}

Result<PagePart> part_of_run(const ResultFile& file, const RunView& run) {
  if (file.why == nullptr) return run_part(run, nullptr);
  RDU_ASSIGN(const RunWhyView why, read_run_why(*file.why));
  return run_part(run, &why);
}

Result<PagePart> part_of_serving(const ResultFile& file, const ServingView& serving) {
  std::vector<NodeWhyView> why;
  if (file.why != nullptr) {
    RDU_ASSIGN(why, read_serving_why(*file.why));
  }
  return serving_part(serving, why);
}

// Headings and answers carry the part's name when there are several.
void append(Page& page, PagePart part, bool several) {
  const std::string name = part.title;
  for (auto& answer : part.answers) {
    if (several) answer.question = fmt::format("{}: {}", name, answer.question);
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

namespace {

// What one file adds to the page; runs and servings are kept for what stands beside each other.
struct Collected {
  std::vector<PagePart> parts;
  std::vector<RunView> runs;
  std::vector<NamedServing> servings;
};

Status collect(const ResultFile& file, Collected& all) {
  if (file.is_table) {
    all.parts.push_back(sweep_part(file.name, file.table));
  } else if (is_serving(file)) {
    RDU_ASSIGN(ServingView serving, read_serving(file.root));
    RDU_ASSIGN(PagePart part, part_of_serving(file, serving));
    all.parts.push_back(std::move(part));
    all.servings.push_back({file.name, std::move(serving)});
  } else if (is_run(file)) {
    RDU_ASSIGN(RunView run, read_run(file.root));
    RDU_ASSIGN(PagePart part, part_of_run(file, run));
    all.parts.push_back(std::move(part));
    all.runs.push_back(std::move(run));
  } else {
    RDU_ASSIGN(PagePart part, other_part(file));
    all.parts.push_back(std::move(part));
  }
  return {};
}

// Parts of one title carry their file's name.
void tell_apart(const std::vector<ResultFile>& files, std::vector<PagePart>& parts) {
  std::map<std::string, int> titles;
  for (const auto& part : parts) ++titles[part.title];
  for (size_t i = 0; i < parts.size(); ++i) {
    if (titles[parts[i].title] > 1) parts[i].title += fmt::format(" ({})", files[i].name);
  }
}

}  // namespace

Result<Page> result_page(const std::vector<ResultFile>& files) {
  Page page;
  Collected all;
  for (const auto& file : files) RDU_CHECK_OK(collect(file, all));
  tell_apart(files, all.parts);
  if (all.runs.size() > 1) {
    page.sections.push_back(compare_runs(all.runs));
    page.answers.push_back({"Which is faster?", page.sections.back().figures.front().sentence});
  }
  if (all.servings.size() > 1) {
    page.sections.push_back(compare_servings(all.servings));
    page.answers.push_back({"Which serves faster?", page.sections.back().figures.front().sentence});
  }
  for (auto& part : all.parts) append(page, std::move(part), files.size() > 1);
  return page;
}

}  // namespace rdusim::report
