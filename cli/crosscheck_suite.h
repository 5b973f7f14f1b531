// The programs on which `rdusim crosscheck` compares all three fidelities: on the sixteenth chip, small
// enough for the cycle fidelity, one thing at a time and then a whole decoder layer; and on the whole
// chip a short prompt, whose stages read together over the same links, and a batched decode, whose weights
// meet those reads on their way.
#pragma once

#include <string>
#include <vector>

#include "cli/inputs.h"

namespace rdusim::cli {

struct SuiteProgram {
  std::string name;
  Program program;
};
// `chosen`: sn40l-sixteenth, and a node of whole chips.
Result<std::vector<SuiteProgram>> crosscheck_suite(Session& session, const ChosenNode& chosen);
Result<std::vector<SuiteProgram>> whole_chip_suite(Session& session, const ChosenNode& chosen);

}  // namespace rdusim::cli
