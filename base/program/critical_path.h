// Why a run takes as long as it does: the chain of steps of which each waited for the one before, from the
// first cycle to the last. Its cycles add up to the run's, so it says which unit, memory channel or link
// to change; and how much of each step scales with a hardware parameter is the derivative of the run's time.
//
// Infinitesimal perturbation analysis (Ho, Cao 1991): while the order of events holds, T is a sum of step
// times, so dT / d ln(1 / rate) of a resource is the part of the chain that it takes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch/hardware_parameter.h"
#include "base/program/run_result.h"

namespace rdusim {

// What a step spends its cycles on.
enum class StepKind : uint8_t {
#define RDU_STEP(enumerator, name, resource, doc) enumerator,
#include "base/program/path_step.def"
#undef RDU_STEP
};
#define RDU_STEP(enumerator, name, resource, doc) +1
inline constexpr size_t kStepKinds = 0
#include "base/program/path_step.def"
    ;
#undef RDU_STEP

struct StepRecord {
  std::string_view name;
  std::string_view resource;  // steps of one resource are one row of "time by resource"
  std::string_view doc;
};
const StepRecord& step_record(StepKind kind);

// Steps of one kind at one place, in one run of a section.
struct PathPart {
  StepKind kind = StepKind::kPcu;
  std::string unit;           // of the section; of RDN steps the producer; empty: not of one unit
  int64_t steps = 0;          // 0: the closed form does not count them
  int64_t cycles = 0;         // on the path
  double scaling_cycles = 0;  // of these, without what rounding to cycles adds: they scale with the resource
  int64_t first_cycle = 0;  // when the path enters it first and leaves it last, from the section's begin; of
  int64_t last_cycle = 0;   // the closed form 0
};

// The path of a launch and its run. Where streams run ahead of the launch's end, the path passes either that
// end (the run waits for the launch) or a stream that began before (it waits for program and arguments only).
struct SectionPath {
  std::string section;
  int64_t launches = 0;
  int64_t runs = 0;
  int64_t cycles_per_run = 0;
  int64_t head_start_cycles = 0;
  // Of one launch. With the parts of a run their cycles add up to those of the launch and the run.
  std::vector<PathPart> launch_parts{};
  // In the order in which the path leaves them last. Without a head start their cycles add up to
  // cycles_per_run; the path may begin before the launch's end, at a negative cycle.
  std::vector<PathPart> parts{};
};

struct CriticalPath {
  RunResult result;                   // of the same run
  std::vector<SectionPath> sections;  // as result.sections
};

// Cycles of a run by kind of step, launches included; they add up to its cycles.
struct StepCycles {
  std::array<int64_t, kStepKinds> cycles{};
  std::array<double, kStepKinds> scaling{};
};
StepCycles step_cycles(const CriticalPath& path);

// d latency / d ln(parameter): each kind of step scales with one parameter of its resource, and with the
// clock unless its seconds are fixed.
Gradient latency_gradient(const CriticalPath& path);

}  // namespace rdusim
