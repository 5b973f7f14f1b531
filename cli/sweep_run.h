// Runs the points of a sweep in worker processes. A point's result is one file of the sweep's point folder,
// written whole or not at all; a point whose file is there and still holds (same binary, same command, same
// configuration) is not run again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"
#include "cli/sweep_spec.h"

namespace rdusim::cli {

struct SweepPlace {
  std::string executable;                     // of rdusim
  std::string config_dir;                     // what "configs/" in a manifest means
  std::string folder;                         // of the points' files
  std::vector<std::string> common_arguments;  // for every point, e.g. {"--seed", "7"}
  int workers = 1;
};
// For points whose files go beside `output`; `workers` 0: as many as there are processors.
SweepPlace sweep_place(const Session& session, const std::string& output, int workers);

struct SweepRow {
  std::vector<std::string> values;  // one a column; empty when the point failed
  std::string error;                // why the point failed; empty: it did not
};

struct SweepOutcome {
  std::vector<SweepRow> rows;  // in the grid's order, whatever order the workers finished in
  int64_t ran = 0;             // points that were not there yet
  int64_t failed = 0;          // of all
};

// `progress` is told how many points are done. Fails when processes or files fail, not when a point does.
Result<SweepOutcome> run_sweep(const SweepSpec& spec, const SweepPlace& place,
                               const std::function<void(int64_t done, int64_t all)>& progress);

}  // namespace rdusim::cli
