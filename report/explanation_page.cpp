// The page part of what `rdusim explain --json` wrote: the critical path, what the result hangs on, and how
// far it is from what each resource alone allows.
#include <fmt/format.h>

#include <algorithm>

#include "report/charts.h"
#include "report/format.h"
#include "report/result_page.h"
#include "report/why_figures.h"

namespace rdusim::report {
namespace {

constexpr const char* kNotKnown = "Not known: the node is no simulated chip.";
constexpr const char* kFirstOrder = " (Derivatives: true for small changes.)";

std::string joined(const std::vector<std::string>& texts, size_t most) {
  std::string all;
  for (size_t i = 0; i < std::min(most, texts.size()); ++i) all += (i > 0 ? " " : "") + texts[i];
  return all;
}

std::string help_text(const std::vector<ParameterView>& parameters, double whole_s) {
  return parameters.empty() ? kNotKnown : derivative_sentence(parameters, whole_s) + kFirstOrder;
}

Figure times_figure(const std::string& title, const std::string& sentence,
                    const std::vector<NamedAmount>& times, double whole_s, size_t colour) {
  std::vector<PlainBar> bars;
  for (const auto& time : times) {
    bars.push_back({time.name, time.amount, colour, format_percent(whole_s > 0 ? time.amount / whole_s : 0)});
  }
  return {sentence, plain_bars(title, bars, format_time)};
}

}  // namespace

PagePart run_why_part(const RunWhyView& why) {
  PagePart part;
  part.title = "Why " + why.program + " takes its time";
  part.summary = fmt::format("At {} fidelity.", why.fidelity);
  part.answers = {{"How long?", fmt::format("{} for {}.", format_time(why.latency_s), why.program)},
                  {"Why?", path_sentence(why)},
                  {"What would help?", help_text(why.parameters, why.latency_s)}};
  PageSection path{"The critical path", critical_path_figures(why)};
  if (!why.bounds.empty()) {
    path.figures.push_back(times_figure("Bounds and what is reached",
                                        "Busy share: what each resource would take alone, at its peak, from "
                                        "the least to what the run reaches.",
                                        why.bounds, why.latency_s, 6));
  }
  path.figures.push_back(path_table(why));
  part.sections.push_back(std::move(path));
  part.sections.push_back({"What it hangs on", parameter_figures(why.parameters, why.latency_s, "run")});
  part.sections.push_back({"Stalls", stall_figures(why)});
  return part;
}

PagePart serving_why_part(const std::vector<NodeWhyView>& nodes) {
  PagePart part;
  part.title = "Why requests take their time";
  for (const auto& why : nodes) {
    part.answers.push_back({fmt::format("{}: why?", why.node), joined(why.sentences, 2)});
    part.answers.push_back(
        {fmt::format("{}: what would help?", why.node), help_text(why.parameters, why.mean_s)});
    PageSection section{why.node, {}};
    if (!why.causes.empty()) {
      const auto first = std::max_element(why.causes.begin(), why.causes.end(),
                                          [](const auto& a, const auto& b) { return a.amount < b.amount; });
      section.figures.push_back(times_figure(
          "Mean latency by cause on " + why.node,
          fmt::format("Of the mean latency of {}, {} is {}.", format_time(why.mean_s),
                      format_percent(why.mean_s > 0 ? first->amount / why.mean_s : 0), first->name),
          why.causes, why.mean_s, 3));
    }
    for (auto& figure : parameter_figures(why.parameters, why.mean_s, "mean latency"))
      section.figures.push_back(std::move(figure));
    part.sections.push_back(std::move(section));
  }
  return part;
}

Result<PagePart> explanation_part(const DocumentNode& root) {
  if (root.find("nodes") == nullptr) {
    RDU_ASSIGN(const RunWhyView why, read_run_why(root));
    return run_why_part(why);
  }
  RDU_ASSIGN(const auto nodes, read_serving_why(root));
  return serving_why_part(nodes);
}

}  // namespace rdusim::report
