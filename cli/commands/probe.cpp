// rdusim probe UNIT: one unit of the chip at cycle level, alone, under traffic of any size, pattern and rate.
#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/probes/probes.h"

namespace rdusim::cli {

void add_probe(CLI::App& app, [[maybe_unused]] Session& session) {
  auto* command = app.add_subcommand("probe", "one unit of the chip alone, at cycle level");
  command->require_subcommand(1);
#define RDU_PROBE(name) add_##name##_probe(*command, session);
#include "cli/probes/probes.def"
#undef RDU_PROBE
}

}  // namespace rdusim::cli
