// A result, made again: its manifest names the command line and the hashes of all files it was made from, and
// equal inputs give equal results. So a result file stays small, and what explains it is computed when asked
// for.
#pragma once

#include <memory>
#include <string>

#include "cli/serving.h"
#include "cli/session.h"
#include "cli/simulation.h"

namespace rdusim::cli {

struct Rerun {
  std::string path;                            // of the result
  std::shared_ptr<const report::Json> result;  // as it was read
  Session session;                             // as of the command that made it
  std::string command;                         // "simulate", "serve"
  SimulationChoice simulation;
  std::string composition;
  ServingChoice serving;
};

// Reads the result and its command line. Fails on what is no result of rdusim, on one of another command than
// simulate and serve, and on a command line that this version does not take.
Result<std::unique_ptr<Rerun>> read_result(const Session& outer, const std::string& path);
// After the inputs were loaded: fails if one has not the hash that the manifest names.
Status check_same_inputs(const Rerun& rerun);

// A command line as a manifest writes it, in words.
Result<std::vector<std::string>> split_command_line(const std::string& line);

}  // namespace rdusim::cli
