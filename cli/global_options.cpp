#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"

namespace rdusim::cli {

void add_global_options(CLI::App& app, Session& session) {
  app.add_option("--set", session.sets,
                 "override a configuration value: --set chip.hbm.bandwidth_bytes_per_s=2.0e12; repeatable")
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("PATH=VALUE");
  app.add_option("--json", session.json_path, "write the result as JSON; - is standard output")
      ->type_name("FILE");
  app.add_option("--trace", session.trace_path, "write a timeline that ui.perfetto.dev opens")
      ->type_name("FILE");
  app.add_option("--seed", session.seed, "seed of everything random (default 1)")->type_name("N");
  app.add_flag("-q,--quiet", session.quiet, "no progress on standard error");
}

}  // namespace rdusim::cli
