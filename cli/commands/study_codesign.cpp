// rdusim study codesign: the questions of a design review (study_spec.h), each swept and answered by its
// rule, as a page.
#include "cli/commands/commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/progress.h"
#include "cli/study_spec.h"
#include "cli/sweep_run.h"
#include "report/page.h"
#include "report/study_page.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string spec;
  std::string output;
  int workers = 0;  // 0: as many as there are processors
};

std::optional<double> number_of(const std::string& cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value)) return {};
  return value;
}

// The question's number at one point: the sum of the row's values, over the last one if the question has a
// divisor.
report::StudyPoint point_of(double x, const StudyValue& value, bool divided, const SweepRow& row) {
  report::StudyPoint point{x, {}, row.error};
  if (!row.error.empty()) return point;
  double sum = 0;
  double divisor = 1;
  for (size_t i = 0; i < row.values.size(); ++i) {
    const auto number = number_of(row.values[i]);
    if (!number) {
      // A node that ran out of memory answers null where others answer numbers.
      point.error = row.values[i] == "null" ? "the node ran out of memory" : "the result is no number";
      return point;
    }
    if (divided && i + 1 == row.values.size())
      divisor = *number;
    else
      sum += *number;
  }
  if (divisor <= 0) {
    point.error = "the divisor is 0";
    return point;
  }
  point.y = value.round_up ? std::ceil(sum / divisor) : sum / divisor;
  return point;
}

class StudyRun {
 public:
  StudyRun(Session& session, SweepPlace place, Progress& progress)
      : session_(session), place_(std::move(place)), progress_(progress) {}

  Result<report::StudyQuestion> answer(const StudyQuestionSpec& spec) {
    report::StudyQuestion question = question_of(spec);
    for (const auto& line : spec.series) {
      RDU_ASSIGN(SweepSpec sweep, sweep_of(spec, line));
      for (const auto& text : session_.sets) sweep.command.insert(sweep.command.end(), {"--set", text});
      RDU_ASSIGN(const SweepOutcome outcome, run_sweep(sweep, place_, [&](int64_t done, int64_t all) {
                   progress_.note(fmt::format("{} {}: {} of {}", spec.asks, line.name, done, all));
                 }));
      ran_ += outcome.ran;
      points_ += static_cast<int64_t>(outcome.rows.size());
      const bool divided = !spec.y.per.empty() || !line.per.empty();
      report::StudySeries series{line.name, {}};
      for (size_t i = 0; i < outcome.rows.size(); ++i)
        series.points.push_back(point_of(spec.x.values[i], spec.y, divided, outcome.rows[i]));
      question.series.push_back(std::move(series));
    }
    return question;
  }

  [[nodiscard]] std::string note() const {
    return fmt::format("{} of {} points were missing and ran\n", ran_, points_);
  }

 private:
  Session& session_;
  SweepPlace place_;
  Progress& progress_;
  int64_t ran_ = 0;
  int64_t points_ = 0;
};

Result<int> run(Session& session, const Options& options) {
  RDU_ASSIGN(const std::string path, find_config(session.config, "studies", options.spec));
  RDU_ASSIGN(const DocumentNode document, read_config(session.config, path));
  RDU_ASSIGN(const StudySpec spec, parse_study_spec(document));
  const std::string output = options.output.empty() ? "out/study-" + spec.name + ".html" : options.output;
  SweepPlace place = sweep_place(session, output, options.workers);

  Progress progress("study " + spec.name, session.quiet);
  StudyRun study(session, std::move(place), progress);
  std::vector<report::StudyQuestion> questions;
  for (const auto& question : spec.questions) {
    RDU_ASSIGN(report::StudyQuestion answered, study.answer(question));
    questions.push_back(std::move(answered));
  }
  const report::Page page = report::study_page(spec.title, spec.about, questions);
  RDU_CHECK_OK(write_file_atomically(output, report::page_html(page, session.manifest())));
  for (const auto& answer : page.answers)
    session.print(fmt::format("{}\n  {}\n", answer.question, answer.text));
  session.print(fmt::format("\n{}\n", output));
  session.note(study.note());
  RDU_CHECK_OK(session.write_json(report::study_json(questions)));
  return kExitOk;
}

}  // namespace

void add_study_codesign(CLI::App& study, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = study.add_subcommand("codesign", "the questions of a design review, answered as a page");
  command->add_option("SPEC", options->spec, "YAML file, or a name of configs/studies/")->required();
  command->add_option("-o,--output", options->output, "page (default out/study-<name>.html)")
      ->type_name("FILE");
  command->add_option("--workers", options->workers, "worker processes (default: one a processor)")
      ->check(CLI::Range(1, 1024));
  command->footer(
      "Each question varies one setting; its answer is found by the rule that the page names. Points are "
      "kept in\n"
      "FILE.points/ and run again only when the binary or the configuration has changed.\n"
      "\n"
      "Examples:\n"
      "  rdusim study codesign expert-switching      configs/studies/expert-switching.yaml\n"
      "  rdusim study codesign memory-tiers -o out/review.html\n"
      "  rdusim study codesign samba-long-context --json -");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
