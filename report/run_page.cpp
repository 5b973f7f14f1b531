// The page of one simulated pass: how long, what bounds it, where on the chip.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/charts.h"
#include "report/floorplan_chart.h"
#include "report/format.h"
#include "report/result_page.h"
#include "report/roofline.h"
#include "report/sankey.h"
#include "report/why_figures.h"

namespace rdusim::report {
namespace {

constexpr size_t kDrawnSections = 30;   // bars
constexpr size_t kDrawnFloorplans = 6;  // those that take the most time
constexpr const char* kLaunching = "launching sections";
constexpr const char* kPcuRoof = "compute roof";
constexpr double kMore = 1.1;  // "10 % more" of a resource

double total_bytes(const RunView& run, const std::string& wire) {
  for (const auto& bytes : run.bytes) {
    if (bytes.wire == wire) return bytes.total();
  }
  return 0;
}

// Time by what bounds it, longest first; launches are a part of their own.
std::vector<NamedAmount> time_by_bound(const RunView& run) {
  std::map<std::string, double> times;
  for (const auto& section : run.sections) {
    times[bound_name(section.bound_by)] += section.time_s - section.launch_s;
    times[kLaunching] += section.launch_s;
  }
  std::vector<NamedAmount> parts;
  for (const auto& [name, time_s] : times) {
    if (time_s > 0) parts.push_back({name, time_s});
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.amount > b.amount; });
  return parts;
}

// What each roof alone would take, all sockets working.
std::vector<NamedAmount> ladder(const RunView& run) {
  if (!run.hardware) return {};
  const HardwareView& hardware = *run.hardware;
  std::vector<NamedAmount> rungs;
  const auto add = [&](const char* name, double amount, double rate) {
    if (rate > 0 && run.sockets > 0 && amount > 0) rungs.push_back({name, amount / (rate * run.sockets)});
  };
  add(kPcuRoof, run.flops_per_s * run.latency_s, hardware.flops_per_s);
  add("HBM roof", total_bytes(run, "hbm"), hardware.hbm_bytes_per_s);
  add("DDR roof", total_bytes(run, "ddr"), hardware.ddr_bytes_per_s);
  add("link roof", total_bytes(run, "link"), hardware.link_bytes_per_s);
  std::stable_sort(rungs.begin(), rungs.end(),
                   [](const auto& a, const auto& b) { return a.amount < b.amount; });
  return rungs;
}

// "HBM is in use for 73 % of the time"; of the rung that is the highest, or empty.
std::string busy_sentence(const RunView& run) {
  const auto rungs = ladder(run);
  if (rungs.empty()) return "";
  const std::string word =
      rungs.back().name == kPcuRoof ? "PCUs" : rungs.back().name.substr(0, rungs.back().name.find(' '));
  return fmt::format("Busy share: at its peak, {} alone would take {}, {} of the run.", word,
                     format_time(rungs.back().amount),
                     format_percent(run.latency_s > 0 ? rungs.back().amount / run.latency_s : 0));
}

std::string share_text(double part, double whole) {
  return format_percent(whole > 0 ? part / whole : 0);
}

std::string size_text(const RunView& run) {
  return fmt::format("{} of batch {}, context {}, {} socket{}", run.phase, format_amount(run.batch),
                     format_amount(run.context), format_amount(run.sockets), run.sockets == 1 ? "" : "s");
}

std::vector<const SectionView*> by_time(const RunView& run) {
  std::vector<const SectionView*> sections;
  for (const auto& section : run.sections) sections.push_back(&section);
  std::stable_sort(sections.begin(), sections.end(),
                   [](const auto* a, const auto* b) { return a->time_s > b->time_s; });
  return sections;
}

// What sim/accounting.cpp finds saturated while the section runs.
std::string saturation_text(const SectionView& section) {
  if (section.bound_by == "latency") return "nothing in it is saturated";
  if (section.bound_by.starts_with("unit "))
    return "its busiest stage, " + section.bound_by.substr(5) + ", works more than half of that";
  const std::string memory = bound_name(section.bound_by);
  return memory.substr(0, memory.find(' ')) + " is saturated while it runs";
}

// Upper bounds of what a remedy saves, largest first: a faster memory or link saves no more than it was in
// use for (all of it could be on the critical path), a faster stage no more than the sections that it bounds.
std::vector<NamedAmount> savings_of(const RunView& run) {
  constexpr double kSaved = 1 - 1 / kMore;
  std::vector<NamedAmount> savings;
  for (const auto& rung : ladder(run)) {
    if (rung.name != kPcuRoof)
      savings.push_back({"10 % more " + rung.name.substr(0, rung.name.find(' ')) + " bandwidth takes",
                         rung.amount * kSaved});
  }
  for (const auto& part : time_by_bound(run)) {
    if (part.name == kLaunching) savings.push_back({"launches for free take", part.amount});
    if (part.name.starts_with("PCUs of "))
      savings.push_back({"PCUs 10 % faster in " + part.name.substr(8) + " take", part.amount * kSaved});
  }
  std::stable_sort(savings.begin(), savings.end(),
                   [](const auto& a, const auto& b) { return a.amount > b.amount; });
  return savings;
}

// Why, without an explanation: what is busy, which says nothing of what waits for what.
std::string why_text(const RunView& run) {
  std::string why = busy_sentence(run);
  double launching_s = 0;
  for (const auto& section : run.sections) launching_s += section.launch_s;
  const auto sections = by_time(run);
  if (!sections.empty()) {
    why += fmt::format("{}Section {} takes {} of the time ({}); launches take {}.", why.empty() ? "" : " ",
                       sections.front()->name, share_text(sections.front()->time_s, run.latency_s),
                       saturation_text(*sections.front()), share_text(launching_s, run.latency_s));
  }
  return why;
}

std::string bound_text(const RunView& run) {
  std::string help;
  const auto savings = savings_of(run);
  for (size_t i = 0; i < savings.size() && i < 3; ++i) {
    help += fmt::format("{}{} at most {} off ({})", i > 0 ? "; " : "", savings[i].name,
                        share_text(savings[i].amount, run.latency_s), format_time(savings[i].amount));
  }
  return help.empty() ? ""
                      : help + ". (Upper bounds: what is saved may be less; rdusim explain has derivatives.)";
}

std::vector<Answer> run_answers(const RunView& run, const RunWhyView* explained) {
  std::vector<Answer> answers;
  answers.push_back(
      {"How long?",
       fmt::format("{} for {} ({}): {} tokens/s, {}/s.", format_time(run.latency_s), run.program,
                   size_text(run), format_number(run.tokens_per_s), format_flops(run.flops_per_s))});
  if (explained == nullptr) {
    if (const std::string why = why_text(run); !why.empty()) answers.push_back({"Why?", why});
    if (const std::string help = bound_text(run); !help.empty())
      answers.push_back({"What would help?", help});
    return answers;
  }
  answers.push_back({"Why?", path_sentence(*explained) + " " + busy_sentence(run)});
  const std::string help = derivative_sentence(explained->parameters, explained->latency_s);
  if (!help.empty())
    answers.push_back({"What would help?", help + " (Derivatives: true for small changes.)"});
  return answers;
}

Figure ladder_figure(const RunView& run) {
  const auto rungs = ladder(run);
  std::vector<PlainBar> bars;
  for (const auto& rung : rungs)
    bars.push_back({rung.name, rung.amount, 6, share_text(rung.amount, run.latency_s) + " of the run"});
  bars.push_back({"reached", run.latency_s, 2, ""});
  return {
      fmt::format("Busy share, the ladder of bounds: what each resource would take alone, at its peak (of "
                  "memories, less refresh). The highest, {}, is {} of the run's {}: no schedule on this "
                  "hardware is more than {} as fast. Shares of several resources overlap.",
                  rungs.back().name, share_text(rungs.back().amount, run.latency_s),
                  format_time(run.latency_s), format_ratio(run.latency_s / rungs.back().amount)),
      plain_bars("Bounds of the run", bars, format_time)};
}

Figure sections_figure(const RunView& run) {
  const auto sections = by_time(run);
  std::vector<StackedBar> bars;
  double drawn = 0;
  for (size_t i = 0; i < sections.size() && i < kDrawnSections; ++i) {
    bars.push_back({sections[i]->name, {sections[i]->time_s - sections[i]->launch_s, sections[i]->launch_s}});
    drawn += sections[i]->time_s;
  }
  const SectionView& first = *sections.front();
  std::string sentence = fmt::format("{} takes {} of the time ({}).", first.name,
                                     share_text(first.time_s, run.latency_s), saturation_text(first));
  if (sections.size() > kDrawnSections) {
    sentence += fmt::format(" The longest {} of {} sections are drawn: {} of the time.", kDrawnSections,
                            sections.size(), share_text(drawn, run.latency_s));
  }
  return {sentence,
          stacked_bars("Time by section", {"running", "being launched"}, bars, format_time, {3, 5})};
}

Figure unit_cycles_figure(const RunView& run) {
  StackedBar bar{"all units", {}};
  std::vector<std::string> names;
  double total = 0;
  double busy = 0;
  for (const auto& part : run.unit_cycles) {
    names.push_back(part.name);
    bar.parts.push_back(std::max(0.0, part.amount));
    total += part.amount;
    if (part.name == "busy") busy = part.amount;
  }
  for (double& part : bar.parts) part = total > 0 ? part / total : 0;
  return {
      fmt::format(
          "PCUs and PMUs work {} of the time; starved ones wait for tokens, blocked ones for room, idle ones "
          "are not in the running section.",
          share_text(busy, total)),
      stacked_bars("What the units do", names, {bar}, format_percent, {3, 5, 2, 1, 0})};
}

Figure roofline_figure(const RunView& run) {
  std::vector<RooflinePoint> points;
  double best = 0;
  std::string best_name;
  for (const auto& section : run.sections) {
    const double running_s = section.time_s - section.launch_s;
    if (section.hbm_bytes <= 0 || running_s <= 0 || section.runs <= 0) continue;
    points.push_back({section.name, section.flops / section.hbm_bytes,
                      section.flops * section.runs / running_s,
                      run.latency_s > 0 ? section.time_s / run.latency_s : 0});
    const double roof =
        std::min(run.hardware->flops_per_s, points.back().flops_per_byte * run.hardware->hbm_bytes_per_s);
    if (points.back().share < 0.01 || roof <= 0 || points.back().flops_per_s / roof <= best) continue;
    best = points.back().flops_per_s / roof;
    best_name = section.name;
  }
  const std::string sentence =
      best > 0 ? fmt::format(
                     "Of one socket: {} comes nearest to its roof, {} of it. Areas are shares of the time.",
                     best_name, format_percent(best))
               : std::string("Of one socket; no section with products reads HBM.");
  return {sentence,
          roofline("Roofline of the sections", run.hardware->flops_per_s,
                   {{"HBM", run.hardware->hbm_bytes_per_s}, {"DDR", run.hardware->ddr_bytes_per_s}}, points)};
}

Figure traffic_figure(const RunView& run) {
  std::vector<SankeyPlace> places;
  std::vector<SankeyFlow> flows;
  std::map<std::string, size_t> causes;
  const std::map<std::string, std::string> words = {
      {"sram", "SRAM writes"}, {"hbm", "HBM"}, {"ddr", "DDR"}, {"link", "other sockets"}};
  double most = 0;
  std::string most_text;
  for (size_t w = 0; w < run.bytes.size(); ++w) {
    const auto word = words.find(run.bytes[w].wire);
    places.push_back({word == words.end() ? run.bytes[w].wire : word->second, 0,
                      std::array<size_t, 4>{6, 3, 2, 5}[w % 4]});
  }
  for (size_t w = 0; w < run.bytes.size(); ++w) {
    for (const auto& cause : run.bytes[w].causes) {
      const auto [at, fresh] = causes.try_emplace(cause.name, places.size());
      if (fresh) places.push_back({cause.name, 1, 0});
      flows.push_back({w, at->second, cause.amount});
      if (run.bytes[w].wire == "hbm" && cause.amount > most) {
        most = cause.amount;
        most_text = fmt::format("{} {}", format_bytes(cause.amount), cause.name);
      }
    }
  }
  return {
      fmt::format(
          "What moves and why, all sockets: HBM carries {}, of which {} is the most; links between sockets "
          "carry {}.",
          format_bytes(total_bytes(run, "hbm")), most_text.empty() ? "nothing" : most_text,
          format_bytes(total_bytes(run, "link"))),
      sankey("Bytes by memory and cause", places, flows, format_bytes)};
}

Figure memory_figure(const RunView& run) {
  std::vector<StackedBar> bars;
  std::string sentence = "Each socket keeps";
  Table table{{"tier", "used", "of", "share"}, {}};
  for (const auto& tier : run.hardware->memory) {
    sentence += fmt::format("{} {} in {} ({})", table.rows.empty() ? "" : ",", format_bytes(tier.used_bytes),
                            tier.tier, share_text(tier.used_bytes, tier.capacity_bytes));
    table.add({tier.tier, format_bytes(tier.used_bytes), format_bytes(tier.capacity_bytes),
               share_text(tier.used_bytes, tier.capacity_bytes)});
  }
  return table_figure(sentence + ".", table, "memory.csv");
}

Figure sections_table(const RunView& run) {
  Table table{{"section", "launches", "time", "share", "launch cost", "bound by", "HBM", "PCU", "PMU"}, {}};
  for (const auto* section : by_time(run)) {
    table.add({section->name, format_amount(section->launches), format_time(section->time_s),
               format_percent(section->share), format_time(section->launch_s), section->bound_by,
               format_bandwidth(section->hbm_bytes_per_s), format_amount(section->pcus),
               format_amount(section->pmus)});
  }
  return table_figure(
      fmt::format(
          "All {} sections, longest first. Bound by: the memory or link that is busy for more than 90 % of a "
          "section's run, else the stage that works more than half of it, else latency. HBM: the rate of one "
          "socket meanwhile.",
          run.sections.size()),
      table, "sections.csv");
}

PageSection floorplan_section(const RunView& run) {
  PageSection page{"On the chip", {}};
  std::vector<std::string> drawn;
  for (const auto* section : by_time(run)) {
    if (drawn.size() == kDrawnFloorplans) break;
    if (std::find(drawn.begin(), drawn.end(), section->name) != drawn.end()) continue;
    const auto& plans = run.floorplan->sections;
    const auto plan =
        std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p.name == section->name; });
    if (plan == plans.end()) continue;
    drawn.push_back(section->name);
    const auto busiest = std::max_element(plan->units.begin(), plan->units.end(),
                                          [](const auto& a, const auto& b) { return a.level < b.level; });
    std::string sentence = fmt::format("Section {} ({} of the time) uses {} PCUs and {} PMUs", section->name,
                                       share_text(section->time_s, run.latency_s),
                                       format_amount(section->pcus), format_amount(section->pmus));
    if (busiest != plan->units.end())
      sentence += fmt::format("; {} is the busiest stage, {} of the section's time", busiest->name,
                              format_percent(busiest->level));
    sentence += fmt::format("; the fullest link carries {} of what it can, the mean of the used ones {}.",
                            format_percent(plan->busiest_link), format_percent(plan->mean_link));
    page.figures.push_back({sentence, floorplan_chart(*run.floorplan, *plan)});
  }
  return page;
}

}  // namespace

std::string bound_name(const std::string& bound_by) {
  if (bound_by == "hbm") return "HBM bandwidth";
  if (bound_by == "ddr") return "DDR bandwidth";
  if (bound_by == "link") return "link bandwidth";
  if (bound_by == "latency") return "no single resource";
  if (bound_by.starts_with("unit ")) return "PCUs of " + bound_by.substr(5);
  return bound_by;
}

PagePart run_part(const RunView& run, const RunWhyView* why) {
  PagePart part;
  part.title = run.program;
  part.answers = run_answers(run, why);
  part.summary = fmt::format("One {} on {}, at {} fidelity.", size_text(run),
                             run.hardware ? run.hardware->node : std::string("a node"), run.fidelity);
  PageSection time{"Where the time goes", {}};
  if (why != nullptr) time.figures = critical_path_figures(*why);
  if (run.hardware && !ladder(run).empty()) time.figures.push_back(ladder_figure(run));
  if (!run.sections.empty()) {
    time.figures.push_back(sections_figure(run));
    if (run.hardware) time.figures.push_back(roofline_figure(run));
  }
  if (!run.unit_cycles.empty()) time.figures.push_back(unit_cycles_figure(run));
  part.sections.push_back(std::move(time));
  if (why != nullptr) {
    part.sections.push_back({"What it hangs on", parameter_figures(why->parameters, why->latency_s, "run")});
  }
  PageSection memory{"Memory", {}};
  if (!run.bytes.empty()) memory.figures.push_back(traffic_figure(run));
  if (run.hardware) memory.figures.push_back(memory_figure(run));
  part.sections.push_back(std::move(memory));
  if (run.floorplan) part.sections.push_back(floorplan_section(run));
  if (!run.sections.empty()) part.sections.push_back({"Sections", {sections_table(run)}});
  if (why != nullptr) {
    PageSection path{"The critical path", {path_table(*why)}};
    for (auto& figure : stall_figures(*why)) path.figures.push_back(std::move(figure));
    part.sections.push_back(std::move(path));
  }
  return part;
}

PageSection compare_runs(const std::vector<RunView>& runs) {
  std::vector<PlainBar> bars;
  Table table{{"program", "node", "fidelity", "latency", "tokens/s", "highest roof", "busy share"}, {}};
  for (const auto& run : runs) {
    const auto rungs = ladder(run);
    const std::string roof = rungs.empty() ? "–" : rungs.back().name;
    const std::string busy = rungs.empty() ? "–" : share_text(rungs.back().amount, run.latency_s);
    bars.push_back({run.program, run.latency_s, 3, rungs.empty() ? "" : fmt::format("{} {}", roof, busy)});
    table.add({run.program, run.hardware ? run.hardware->node : "–", run.fidelity, format_time(run.latency_s),
               format_number(run.tokens_per_s), roof, busy});
  }
  const auto [least, most] = std::minmax_element(
      runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.latency_s < b.latency_s; });
  const std::string sentence =
      fmt::format("The fastest, {}, takes {}; the slowest, {}, {}: {} as long.", least->program,
                  format_time(least->latency_s), most->program, format_time(most->latency_s),
                  format_ratio(least->latency_s > 0 ? most->latency_s / least->latency_s : 0));
  return {"The runs beside each other",
          {{sentence, plain_bars("Latency of the runs", bars, format_time)},
           table_figure("The same as numbers.", table, "runs.csv")}};
}

}  // namespace rdusim::report
