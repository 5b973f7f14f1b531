// Why a result is what it is, for people and for programs: where the critical path spends its time, which
// parameter it hangs on, how far it is from what each resource alone would allow. Plain structs; whoever
// shows them (terminal, page) reads nothing else.
#pragma once

#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/critical_path.h"
#include "base/program/program.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::report {

// A step of the critical path, all runs of its section together. Seconds are cycles over the clock.
struct PathRow {
  std::string section;
  std::string unit;  // empty: not of one unit
  std::string step;  // base/program/path_step.def
  std::string resource;
  int64_t cycles = 0;
  double time_s = 0;
  double share = 0;  // of the latency
};

struct ResourceRow {
  std::string resource;
  int64_t cycles = 0;
  double time_s = 0;
  double share = 0;
};

struct ParameterRow {
  std::string name;  // base/arch/hardware_parameter.def
  std::string unit;  // empty: a relative scale, whose value is 1
  double value = 0;
  double elasticity = 0;             // d ln T / d ln p
  double derivative_s_per_unit = 0;  // d T / d p
  double gain_of_10_percent_s = 0;   // to first order: what 10 % in the better direction saves
};

// What the run would take if it did nothing but use one resource at its peak.
struct BoundRow {
  std::string name;
  double time_s = 0;
  double share_of_reached = 0;  // time_s over the latency: 1 is on the roof
};

struct Explanation {
  std::string program;
  std::string fidelity;
  double latency_s = 0;
  int64_t cycles = 0;
  double clock_hz = 0;
  std::string bottleneck;                // the resource with the largest share
  std::vector<ResourceRow> resources;    // largest first; their cycles add up to `cycles`
  std::vector<PathRow> path;             // in order; at most kPathRows, the smallest of each section put
                                         // together; their cycles add up to `cycles`
  std::vector<ParameterRow> parameters;  // what has an effect, largest first
  std::vector<BoundRow> bounds;          // smallest first, then what is reached
  std::vector<std::string> sentences;    // what the above says, bottleneck first
  std::vector<std::string> stalls;       // who waits most and for what
};

inline constexpr size_t kPathRows = 64;

Explanation explain_run(const Program& program, const CriticalPath& path, const NodeSpec& node,
                        const StackSpec& stack);

// {"kind": "simulate", then the members above under their names; rows are objects with the structs' names}
Json explanation_json(const Explanation& explanation);
// For a terminal: sentences, then tables.
std::string explanation_text(const Explanation& explanation);

// Shared with serving's explanation.
std::vector<ParameterRow> parameter_rows(const Gradient& gradient, double time_s, const NodeSpec& node,
                                         const StackSpec& stack, bool software_launches);
Json parameters_json(const std::vector<ParameterRow>& rows);
Table parameter_table(const std::vector<ParameterRow>& rows);
std::string parameter_sentence(const std::vector<ParameterRow>& rows, const std::string& of_what);

}  // namespace rdusim::report
