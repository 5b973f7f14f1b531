#include "report/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "report/format.h"

namespace rdusim::report {

namespace {

double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

std::vector<ResourceRow> resource_rows(const CriticalPath& path) {
  const StepCycles sum = step_cycles(path);
  std::vector<ResourceRow> rows;
  for (size_t k = 0; k < kStepKinds; ++k) {
    const std::string resource(step_record(static_cast<StepKind>(k)).resource);
    auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.resource == resource; });
    if (row == rows.end()) row = rows.insert(row, {resource, 0, 0, 0});
    row->cycles += sum.cycles[k];
  }
  std::erase_if(rows, [](const ResourceRow& r) { return r.cycles == 0; });
  for (ResourceRow& r : rows) {
    r.time_s = static_cast<double>(r.cycles) / path.result.clock_hz;
    r.share = share_of(static_cast<double>(r.cycles), static_cast<double>(path.result.cycles));
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.cycles > b.cycles; });
  return rows;
}

// The path's rows in order; beyond kPathRows the smallest are put together by section.
std::vector<PathRow> path_rows(const CriticalPath& path) {
  std::vector<PathRow> rows;
  const auto add = [&](const std::string& section, const std::string& unit, StepKind kind, int64_t cycles) {
    if (cycles == 0) return;
    const StepRecord& record = step_record(kind);
    rows.push_back({section, unit, std::string(record.name), std::string(record.resource), cycles, 0, 0});
  };
  for (const SectionPath& s : path.sections) {
    for (const PathPart& part : s.launch_parts)
      add(s.section, part.unit, part.kind, s.launches * part.cycles);
    for (const PathPart& part : s.parts) add(s.section, part.unit, part.kind, s.runs * part.cycles);
  }
  if (rows.size() > kPathRows) {
    std::vector<int64_t> sizes;
    for (const PathRow& r : rows) sizes.push_back(std::abs(r.cycles));
    const size_t kept = kPathRows > path.sections.size() ? kPathRows - path.sections.size() : 0;
    std::nth_element(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(kept), sizes.end(),
                     std::greater<>());
    const int64_t least = sizes[kept];
    std::map<std::string, int64_t> others;
    for (const PathRow& r : rows) {
      if (std::abs(r.cycles) <= least) others[r.section] += r.cycles;
    }
    std::erase_if(rows, [&](const PathRow& r) { return std::abs(r.cycles) <= least; });
    for (const auto& [section, cycles] : others)
      rows.push_back({section, "", "others", "several", cycles, 0, 0});
  }
  for (PathRow& r : rows) {
    r.time_s = static_cast<double>(r.cycles) / path.result.clock_hz;
    r.share = share_of(static_cast<double>(r.cycles), static_cast<double>(path.result.cycles));
  }
  return rows;
}

double bytes_on(const RunResult& result, Wire wire) {
  const auto& causes = result.bytes[static_cast<size_t>(wire)];
  return static_cast<double>(std::accumulate(causes.begin(), causes.end(), int64_t{0}));
}

std::vector<BoundRow> bound_rows(const Program& program, const CriticalPath& path, const NodeSpec& node) {
  const RunResult& result = path.result;
  const ChipSpec& chip = node.chip;
  const auto sockets = static_cast<double>(result.sockets);
  std::vector<BoundRow> rows = {
      {"compute roof", static_cast<double>(program.flops) / (sockets * chip.peak_flops()), 0},
      {"HBM roof", bytes_on(result, Wire::kHbm) / (sockets * chip.hbm.achieved_bytes_per_s()), 0},
      {"DDR roof", bytes_on(result, Wire::kDdr) / (sockets * chip.ddr.achieved_bytes_per_s()), 0},
      {"link roof", bytes_on(result, Wire::kLink) / (sockets * node.link.bandwidth_bytes_per_s), 0}};
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.time_s < b.time_s; });
  rows.push_back({"reached", result.latency_s(), 0});
  for (BoundRow& r : rows) r.share_of_reached = share_of(r.time_s, result.latency_s());
  return rows;
}

std::string path_sentence(const Explanation& e) {
  std::string text = fmt::format("{} takes {}", e.program, format_time(e.latency_s));
  for (size_t i = 0; i < e.resources.size() && i < 3; ++i) {
    const ResourceRow& r = e.resources[i];
    text += fmt::format("{} {} ({}) on {}", i == 0 ? ": the critical path spends" : ",",
                        format_time(r.time_s), format_percent(r.share), r.resource);
  }
  return text + ".";
}

std::string bound_sentence(const Explanation& e) {
  const BoundRow& highest = e.bounds[e.bounds.size() - 2];
  return fmt::format("The highest roof is the {} of {}: {} of what is reached.", highest.name,
                     format_time(highest.time_s), format_percent(highest.share_of_reached));
}

std::string place_sentence(const Explanation& e) {
  const auto row = std::max_element(e.path.begin(), e.path.end(),
                                    [](const auto& a, const auto& b) { return a.cycles < b.cycles; });
  return fmt::format("The longest part of it: {}{}{} in section {}, {} ({}).", row->step,
                     row->unit.empty() ? "" : " of ", row->unit, row->section, format_time(row->time_s),
                     format_percent(row->share));
}

// Who waits most: PCUs x cycles of a unit in all runs, and what the section's path spends its time on.
std::vector<std::string> stall_sentences(const CriticalPath& path) {
  constexpr size_t kMost = 5;
  struct Stall {
    double pcu_s;
    std::string text;
  };
  std::vector<Stall> stalls;
  for (size_t s = 0; s < path.result.sections.size(); ++s) {
    const SectionResult& section = path.result.sections[s];
    const SectionPath& steps = path.sections[s];
    const auto longest = std::max_element(steps.parts.begin(), steps.parts.end(),
                                          [](const auto& a, const auto& b) { return a.cycles < b.cycles; });
    if (longest == steps.parts.end() || section.cycles_per_launch == 0) continue;
    const auto cycles = static_cast<double>(section.cycles_per_launch);
    for (const UnitResult& u : section.units) {
      const auto waits = static_cast<double>(u.starved_cycles + u.blocked_cycles);
      if (u.pcus == 0 || waits <= 0) continue;
      const bool starved = u.starved_cycles >= u.blocked_cycles;
      stalls.push_back(
          {static_cast<double>(u.pcus * section.runs) * waits / path.result.clock_hz,
           fmt::format(
               "{} PCUs of {} wait {} of {} runs of section {} ({} each) for {}; there the path spends {} on "
               "{}{}{}",
               u.pcus, u.name, format_percent(waits / cycles), section.runs, section.name,
               format_time(waits / path.result.clock_hz), starved ? "tokens" : "room for their results",
               format_percent(static_cast<double>(longest->cycles) /
                              static_cast<double>(section.streaming_cycles())),
               step_record(longest->kind).name, longest->unit.empty() ? "" : " of ", longest->unit)});
    }
  }
  std::stable_sort(stalls.begin(), stalls.end(),
                   [](const auto& a, const auto& b) { return a.pcu_s > b.pcu_s; });
  std::vector<std::string> out;
  for (size_t i = 0; i < stalls.size() && i < kMost; ++i) out.push_back(stalls[i].text);
  return out;
}

}  // namespace

std::vector<ParameterRow> parameter_rows(const Gradient& gradient, double time_s, const NodeSpec& node,
                                         const StackSpec& stack, bool software_launches) {
  std::vector<ParameterRow> rows;
  for (size_t p = 0; p < kHardwareParameters; ++p) {
    if (gradient[p] == 0 || time_s <= 0) continue;
    const auto parameter = static_cast<HardwareParameter>(p);
    const HardwareParameterRecord& record = hardware_parameter_record(parameter);
    const double value = hardware_parameter_value(parameter, node, stack, software_launches);
    rows.push_back({std::string(record.name), std::string(record.unit), value, gradient[p] / time_s,
                    value != 0 ? gradient[p] / value : 0, 0.1 * std::abs(gradient[p])});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::abs(a.elasticity) > std::abs(b.elasticity);
  });
  return rows;
}

std::string parameter_sentence(const std::vector<ParameterRow>& rows, const std::string& of_what) {
  if (rows.empty()) return fmt::format("No parameter changes the {}.", of_what);
  std::string text;
  for (size_t i = 0; i < rows.size() && i < 3; ++i) {
    text += fmt::format("{}10 % {} {} would save {} ({} of the {})", i == 0 ? "" : ", ",
                        rows[i].elasticity < 0 ? "more" : "less", rows[i].name,
                        format_time(rows[i].gain_of_10_percent_s),
                        format_percent(0.1 * std::abs(rows[i].elasticity)), of_what);
  }
  return text + ", to first order.";
}

Explanation explain_run(const Program& program, const CriticalPath& path, const NodeSpec& node,
                        const StackSpec& stack) {
  Explanation e;
  e.program = program.name;
  e.fidelity = fidelity_name(path.result.fidelity);
  e.latency_s = path.result.latency_s();
  e.cycles = path.result.cycles;
  e.clock_hz = path.result.clock_hz;
  e.resources = resource_rows(path);
  e.bottleneck = e.resources.empty() ? "" : e.resources.front().resource;
  e.path = path_rows(path);
  e.parameters = parameter_rows(latency_gradient(path), e.latency_s, node, stack,
                                program.orchestration == Orchestration::kSoftware);
  e.bounds = bound_rows(program, path, node);
  e.stalls = stall_sentences(path);
  if (e.path.empty()) return e;
  e.sentences = {path_sentence(e), place_sentence(e), parameter_sentence(e.parameters, "latency"),
                 bound_sentence(e)};
  return e;
}

}  // namespace rdusim::report
