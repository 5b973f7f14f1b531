// rdusim study codesign: a study's page, made by one command.
#pragma once

#include "cli/session.h"

namespace CLI {
class App;
}

namespace rdusim::cli {

// Adds the subcommand to `study`.
void add_study_codesign(CLI::App& study, Session& session);

}  // namespace rdusim::cli
