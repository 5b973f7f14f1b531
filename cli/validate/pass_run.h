// One pass of a model on the simulated chip, for validation rows: what `rdusim simulate` runs, and its
// command line.
#pragma once

#include <string>

#include "base/program/run_result.h"
#include "cli/inputs.h"
#include "cli/validate/row.h"

namespace rdusim::cli {

struct PassRun {
  Program program;
  RunResult result;
  NodeSpec node;
  std::string command;  // "rdusim simulate ..."
};

// At event fidelity. Errors: as rdusim simulate gives them.
Result<PassRun> run_pass(ValidationContext& context, const std::string& model, const PassChoice& pass,
                         const CompileChoice& compile, const NodeChoice& node);

}  // namespace rdusim::cli
