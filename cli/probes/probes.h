// The contract of a probe: one unit of the chip, alone, under traffic that the command line describes. Like a
// subcommand (cli/commands/commands.h), its callback sets the session's body.
#pragma once

#include "cli/session.h"

namespace CLI {
class App;
}

namespace rdusim::cli {

#define RDU_PROBE(name) void add_##name##_probe(CLI::App& probe, Session& session);
#include "cli/probes/probes.def"
#undef RDU_PROBE

}  // namespace rdusim::cli
