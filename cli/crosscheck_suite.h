// The programs on which `rdusim crosscheck` compares all three fidelities: on the sixteenth chip, small
// enough for the cycle fidelity, one thing at a time and then a whole decoder layer.
#pragma once

#include <string>
#include <vector>

#include "cli/inputs.h"

namespace rdusim::cli {

struct SuiteProgram {
  std::string name;
  Program program;
};
Result<std::vector<SuiteProgram>> crosscheck_suite(Session& session, const ChosenNode& chosen);

}  // namespace rdusim::cli
