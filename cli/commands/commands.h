// The contract of a subcommand: add_<name>() declares its options on the command line and, in its callback,
// sets the session's body, which does the work after all options are read.
#pragma once

#include "cli/session.h"

namespace CLI {
class App;
}

namespace rdusim::cli {

#define RDU_COMMAND(name) void add_##name(CLI::App& app, Session& session);
#include "cli/commands/commands.def"
#undef RDU_COMMAND

// --set, --json, --seed and the others that every command takes.
void add_global_options(CLI::App& app, Session& session);
#define RDU_STUDY(name) void add_study_##name(CLI::App& study, Session& session);
#include "cli/commands/studies.def"
#undef RDU_STUDY

}  // namespace rdusim::cli
