// The page part of what `rdusim explain --json` wrote: the critical path, what the result hangs on, and how
// far it is from what each resource alone allows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/charts.h"
#include "report/format.h"
#include "report/result_page.h"
#include "report/result_reader.h"

namespace rdusim::report {
namespace {

constexpr size_t kDrawnParameters = 12;

struct Parameter {
  std::string name;
  std::string unit;
  double value = 0;
  double elasticity = 0;
  double gain_s = 0;  // of 10 % in the better direction
};

std::vector<std::string> read_texts(ResultReader& reader, const DocumentNode& owner, const char* key) {
  std::vector<std::string> texts;
  for (const DocumentNode& item : reader.items(owner, key)) texts.push_back(item.text);
  return texts;
}

std::vector<NamedAmount> read_times(ResultReader& reader, const DocumentNode& owner, const char* list,
                                    const char* name) {
  std::vector<NamedAmount> times;
  for (const DocumentNode& item : reader.items(owner, list))
    times.push_back({reader.text(item, name), reader.number(item, "time_s")});
  return times;
}

std::vector<Parameter> read_parameters(ResultReader& reader, const DocumentNode& owner) {
  std::vector<Parameter> parameters;
  for (const DocumentNode& item : reader.items(owner, "parameters")) {
    parameters.push_back({reader.text(item, "name"), reader.text(item, "unit"), reader.number(item, "value"),
                          reader.number(item, "elasticity"), reader.number(item, "gain_of_10_percent_s")});
  }
  std::stable_sort(parameters.begin(), parameters.end(),
                   [](const auto& a, const auto& b) { return a.gain_s > b.gain_s; });
  return parameters;
}

std::string share_text(double part, double whole) {
  return format_percent(whole > 0 ? part / whole : 0);
}

std::string joined(const std::vector<std::string>& texts, size_t most) {
  std::string all;
  for (size_t i = 0; i < std::min(most, texts.size()); ++i) all += (i > 0 ? " " : "") + texts[i];
  return all;
}

std::string help_text(const std::vector<Parameter>& parameters, double whole_s) {
  if (parameters.empty()) return "Not known: the node is no simulated chip.";
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(3, parameters.size()); ++i) {
    text += fmt::format("{}10 % better {} saves {} ({})", i > 0 ? "; " : "", parameters[i].name,
                        format_time(parameters[i].gain_s), share_text(parameters[i].gain_s, whole_s));
  }
  return text + ". (Derivatives along the critical path: true for small changes.)";
}

std::vector<Figure> parameter_figures(const std::vector<Parameter>& parameters, double whole_s,
                                      const std::string& of_what) {
  if (parameters.empty()) return {};
  std::vector<PlainBar> bars;
  Table table{{"parameter", "value", "unit", "elasticity", "10 % saves"}, {}};
  for (const auto& p : parameters) {
    if (bars.size() < kDrawnParameters) bars.push_back({p.name, p.gain_s, 4, share_text(p.gain_s, whole_s)});
    table.add(
        {p.name, format_number(p.value), p.unit, fmt::format("{:.4f}", p.elasticity), format_time(p.gain_s)});
  }
  return {{fmt::format("What 10 % of each hardware parameter saves of the {}: {} comes first with {}.",
                       of_what, parameters.front().name, format_time(parameters.front().gain_s)),
           plain_bars("What 10 % more saves", bars, format_time)},
          table_figure(
              "Elasticity is d ln T / d ln p: the relative change of time for a small one of the parameter.",
              table, "parameters.csv")};
}

Figure times_figure(const std::string& title, const std::string& sentence,
                    const std::vector<NamedAmount>& times, double whole_s, size_t colour) {
  std::vector<PlainBar> bars;
  for (const auto& time : times)
    bars.push_back({time.name, time.amount, colour, share_text(time.amount, whole_s)});
  return {sentence, plain_bars(title, bars, format_time)};
}

Figure path_figure(ResultReader& reader, const DocumentNode& root) {
  Table table{{"section", "unit", "step", "resource", "time", "share"}, {}};
  for (const DocumentNode& item : reader.items(root, "path")) {
    table.add({reader.text(item, "section"), reader.text_or_empty(item, "unit"), reader.text(item, "step"),
               reader.text(item, "resource"), format_time(reader.number(item, "time_s")),
               format_percent(reader.number(item, "share"))});
  }
  return table_figure(
      "The critical path in order: each step waited for the one before; its times add up to the run's.",
      table, "critical-path.csv");
}

Result<PagePart> explained_run(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  const std::string program = reader.text(root, "program");
  const double latency_s = reader.number(root, "latency_s");
  const std::string bottleneck = reader.text(root, "bottleneck");
  const auto resources = read_times(reader, root, "resources", "resource");
  const auto bounds = read_times(reader, root, "bounds", "name");
  const auto parameters = read_parameters(reader, root);
  const auto stalls = read_texts(reader, root, "stalls");
  part.title = "Why " + program + " takes its time";
  part.summary = fmt::format("At {} fidelity.", reader.text(root, "fidelity"));
  part.answers = {{"How long?", fmt::format("{} for {}.", format_time(latency_s), program)},
                  {"Why?", joined(read_texts(reader, root, "sentences"), 3)},
                  {"What would help?", help_text(parameters, latency_s)}};
  PageSection why{"The critical path", {}};
  if (!resources.empty()) {
    why.figures.push_back(
        times_figure("Critical path by resource",
                     fmt::format("The critical path spends {} of the time on {}.",
                                 share_text(resources.front().amount, latency_s), bottleneck),
                     resources, latency_s, 3));
  }
  if (!bounds.empty()) {
    why.figures.push_back(
        times_figure("Bounds and what is reached",
                     "What each resource alone would take, from the least to what the run reaches.", bounds,
                     latency_s, 6));
  }
  why.figures.push_back(path_figure(reader, root));
  part.sections.push_back(std::move(why));
  part.sections.push_back({"What it hangs on", parameter_figures(parameters, latency_s, "run")});
  if (!stalls.empty()) {
    Table table{{"who waits most, and for what"}, {}};
    for (const auto& stall : stalls) table.add({stall});
    part.sections.push_back(
        {"Stalls", {table_figure("Units that wait longest while their section runs.", table, "stalls.csv")}});
  }
  RDU_CHECK_OK(reader.status());
  return part;
}

Result<PagePart> explained_serving(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "Why requests take their time";
  for (const auto& [name, node] : reader.members(root, "nodes")) {
    const double mean_s = reader.number(node, "mean_s");
    const auto parameters = read_parameters(reader, node);
    part.answers.push_back({fmt::format("{}: why?", name), joined(read_texts(reader, node, "sentences"), 2)});
    part.answers.push_back({fmt::format("{}: what would help?", name), help_text(parameters, mean_s)});
    PageSection section{name, {}};
    std::vector<NamedAmount> causes;
    for (const auto& [cause, time] : reader.members(node, "mean_causes")) {
      std::string word = cause;
      if (word.ends_with("_s")) word.resize(word.size() - 2);
      causes.push_back({word, reader.as_number(time)});
    }
    if (!causes.empty()) {
      const auto first = std::max_element(causes.begin(), causes.end(),
                                          [](const auto& a, const auto& b) { return a.amount < b.amount; });
      section.figures.push_back(
          times_figure("Mean latency by cause on " + name,
                       fmt::format("Of the mean latency of {}, {} is {}.", format_time(mean_s),
                                   share_text(first->amount, mean_s), first->name),
                       causes, mean_s, 3));
    }
    for (auto& figure : parameter_figures(parameters, mean_s, "mean latency"))
      section.figures.push_back(std::move(figure));
    part.sections.push_back(std::move(section));
  }
  RDU_CHECK_OK(reader.status());
  return part;
}

}  // namespace

Result<PagePart> explanation_part(const DocumentNode& root) {
  return root.find("nodes") == nullptr ? explained_run(root) : explained_serving(root);
}

}  // namespace rdusim::report
