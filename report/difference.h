// What changed between two results, and how much of the change of a time each input explains.
//
// To first order ln T changes by elasticity x d ln p. The elasticity of a parameter is the mean of both
// results' (exact where it changes evenly between them); seconds follow with the logarithmic mean of the two
// times, so that the parts and what they leave add up to the change. What is left: interaction of changes,
// another mapping by the compiler, and inputs that are no parameter of the hardware (model, batch, options).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/arch/hardware_parameter.h"
#include "report/manifest.h"

namespace rdusim::report {

using ParameterValues = std::array<double, kHardwareParameters>;
ParameterValues parameter_values(const NodeSpec& node, const StackSpec& stack, bool software_launches);

// One result's time and what it hangs on.
struct TimeModel {
  double time_s = 0;
  bool differentiated = false;  // else gradient is of no meaning
  Gradient gradient{};
  ParameterValues values{};
};

struct ExplainedChange {
  std::string parameter;
  double a = 0;
  double b = 0;
  double explained_s = 0;
};

struct NumberChange {
  std::string name;
  double a = 0;
  double b = 0;
};

struct TextChange {
  std::string name;
  std::string a;  // empty: not there
  std::string b;
};

struct Difference {
  std::string kind;  // of both results
  std::string time_name;
  double a_s = 0;
  double b_s = 0;
  std::vector<TextChange> inputs;  // command words and files that differ
  std::vector<NumberChange> results;
  std::vector<ExplainedChange> explained;  // largest first
  double unexplained_s = 0;                // explained + unexplained = b_s - a_s
  std::vector<std::string> sentences;
};

// Fills explained, unexplained_s and sentences from both times.
void explain_difference(const TimeModel& a, const TimeModel& b, Difference& difference);
// Manifests: words of the commands, files by hash.
std::vector<TextChange> changed_inputs(const Json& manifest_a, const Json& manifest_b,
                                       const std::vector<std::string>& words_a,
                                       const std::vector<std::string>& words_b);
// Numbers of two results that are there in both, by path; manifests and lists left out.
std::vector<NumberChange> changed_numbers(const Json& a, const Json& b);

Json difference_json(const Difference& difference);
std::string difference_text(const Difference& difference);

}  // namespace rdusim::report
