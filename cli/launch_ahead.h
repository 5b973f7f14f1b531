// What `rdusim compile --explain` says of launches that prefetch: what of each section is loaded before its
// launch is complete (compiler/explain.h), and how long the head start is (sim/launch_timing.h).
#pragma once

#include <string>

#include "base/program/program.h"
#include "cli/inputs.h"
#include "compiler/explain.h"
#include "report/manifest.h"

namespace rdusim::cli {

// Empty where no launch prefetches.
std::string ahead_text(const compiler::Explanation& explanation, const Program& program,
                       const ChosenNode& chosen);
report::Json ahead_json(const compiler::Explanation& explanation, const Program& program,
                        const ChosenNode& chosen);

}  // namespace rdusim::cli
