#include "report/why_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "report/charts.h"
#include "report/format.h"

namespace rdusim::report {
namespace {

constexpr size_t kDrawnParameters = 12;
constexpr double kShown = 0.0005;  // of the time: smaller bars are in the table only

struct Word {
  std::string_view key;
  std::string_view word;
};
constexpr std::array<Word, 10> kResources = {{{"hbm", "HBM"},
                                              {"ddr", "DDR"},
                                              {"link", "links between sockets"},
                                              {"rdn", "on-chip network"},
                                              {"pmu", "reads of operands from PMUs"},
                                              {"pcu", "PCUs"},
                                              {"agcu", "AGCU ports"},
                                              {"launch", "launches"},
                                              {"rounding", "rounding to cycles"},
                                              {"several", "several"}}};
// base/arch/hardware_parameter.def.
constexpr std::array<Word, 18> kParameters = {
    {{"chip.clock_hz", "clock"},
     {"pcu rate", "work a cycle of PCUs"},
     {"pcu latency", "latency of PCUs"},
     {"chip.pmu.port_bytes_per_cycle", "PMU port width"},
     {"chip.rdn.link_bytes_per_cycle", "RDN link width"},
     {"chip.rdn.hop_latency_cycles", "RDN hop latency"},
     {"chip.hbm.bandwidth_bytes_per_s", "HBM bandwidth"},
     {"chip.hbm.latency_ns", "HBM latency"},
     {"chip.ddr.bandwidth_bytes_per_s", "DDR bandwidth"},
     {"chip.ddr.latency_ns", "DDR latency"},
     {"chip.agcu.port_bytes_per_cycle", "AGCU port width"},
     {"node.link.bandwidth_bytes_per_s", "link bandwidth"},
     {"node.link.latency_ns", "link latency"},
     {"stack launch time", "launch time"},
     {"chip.dma.bandwidth_bytes_per_s", "copy bandwidth, DDR to HBM"},
     {"chip.dma.setup_s", "set-up of a copy"},
     {"stack step time", "host time of a pass"},
     {"stack request time", "host time of a request"}}};

template <size_t N>
std::string word_of(const std::array<Word, N>& words, const std::string& key) {
  const auto word = std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.key == key; });
  return word == words.end() ? key : std::string(word->word);
}

std::string share_text(double part, double whole) {
  return format_percent(whole > 0 ? part / whole : 0);
}

}  // namespace

std::string resource_word(const std::string& resource) {
  return word_of(kResources, resource);
}

std::string parameter_word(const std::string& parameter) {
  return word_of(kParameters, parameter);
}

std::string path_sentence(const RunWhyView& why) {
  if (why.resources.empty()) return "";
  std::string text;
  for (size_t i = 0; i < why.resources.size() && i < 3; ++i) {
    const NamedAmount& r = why.resources[i];
    if (i > 0 && r.amount < 0.005 * why.latency_s) break;
    text +=
        fmt::format("{}{}{} on {}", i == 0 ? "The critical path spends " : ", ",
                    share_text(r.amount, why.latency_s), i == 0 ? " of the time" : "", resource_word(r.name));
  }
  const auto longest = std::max_element(why.path.begin(), why.path.end(),
                                        [](const auto& a, const auto& b) { return a.time_s < b.time_s; });
  if (longest != why.path.end()) {
    std::string step = longest->step;
    std::replace(step.begin(), step.end(), '_', ' ');  // the result's name for it is one word
    text += fmt::format("; its longest step is {}{}{} in section {} ({})", step,
                        longest->unit.empty() ? "" : " of ", longest->unit, longest->section,
                        share_text(longest->time_s, why.latency_s));
  }
  return text + ".";
}

std::string derivative_sentence(const std::vector<ParameterView>& parameters, double whole_s) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(3, parameters.size()); ++i) {
    const ParameterView& p = parameters[i];
    if (i > 0 && p.gain_s < 0.0005 * whole_s) break;
    text += fmt::format("{}10 % {} {} {}{} ({})", i > 0 ? "; " : "", p.elasticity < 0 ? "more" : "less",
                        parameter_word(p.name), i > 0 ? "" : "saves ", format_time(p.gain_s),
                        share_text(p.gain_s, whole_s));
  }
  return text.empty() ? "" : text + ".";
}

std::vector<Figure> critical_path_figures(const RunWhyView& why) {
  if (why.resources.empty()) return {};
  std::vector<PlainBar> bars;
  for (const auto& r : why.resources) {
    if (r.amount >= kShown * why.latency_s)
      bars.push_back({resource_word(r.name), r.amount, 3, share_text(r.amount, why.latency_s)});
  }
  const NamedAmount& first = why.resources.front();
  return {{fmt::format("Share of the critical path, the chain of steps of which each waited for the one "
                       "before: {} has {}. These shares add up to the run; what is busy beside the path does "
                       "not count.",
                       resource_word(first.name), share_text(first.amount, why.latency_s)),
           plain_bars("Critical path by resource", bars, format_time)}};
}

Figure path_table(const RunWhyView& why) {
  Table table{{"section", "unit", "step", "resource", "time", "share"}, {}};
  for (const auto& step : why.path) {
    table.add({step.section, step.unit, step.step, step.resource, format_time(step.time_s),
               share_text(step.time_s, why.latency_s)});
  }
  return table_figure(
      "The critical path in order: each step waited for the one before; its times add up to the run's.",
      table, "critical-path.csv");
}

std::vector<Figure> parameter_figures(const std::vector<ParameterView>& parameters, double whole_s,
                                      const std::string& of_what) {
  if (parameters.empty()) return {};
  std::vector<PlainBar> bars;
  Table table{{"parameter", "value", "unit", "elasticity", "10 % saves"}, {}};
  for (const auto& p : parameters) {
    if (bars.size() < kDrawnParameters && p.gain_s > 0)
      bars.push_back({parameter_word(p.name), p.gain_s, 4, share_text(p.gain_s, whole_s)});
    table.add(
        {p.name, format_number(p.value), p.unit, fmt::format("{:.4f}", p.elasticity), format_time(p.gain_s)});
  }
  return {
      {fmt::format(
           "What 10 % of each hardware parameter saves of the {}, to first order: {} comes first with "
           "{}.",
           of_what, parameter_word(parameters.front().name), format_time(parameters.front().gain_s)),
       plain_bars("What 10 % saves", bars, format_time)},
      table_figure("Elasticity is d ln T / d ln p: -0.7 says that 1 % more of the parameter takes 0.7 % off.",
                   table, "parameters.csv")};
}

std::vector<Figure> stall_figures(const RunWhyView& why) {
  if (why.stalls.empty()) return {};
  Table table{{"who waits most, and for what"}, {}};
  for (const auto& stall : why.stalls) table.add({stall});
  return {table_figure("Units that wait longest while their section runs.", table, "stalls.csv")};
}

}  // namespace rdusim::report
