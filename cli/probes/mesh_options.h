// What the mesh probe's two files share: the routers of the reference by letter, and the comparison with it.
#pragma once

#include <string>

#include "cli/session.h"
#include "sim/noc/mesh_experiment.h"

namespace rdusim::cli {

// Width of the last bracket of a saturation search: as the reference searched.
inline constexpr double kUniformBracket = 0.01;
inline constexpr double kOtherBracket = 0.02;

// The routers A to E of configs/reference/README.md, on an 8 x 8 mesh.
Result<sim::noc::MeshSpec> mesh_config(const std::string& letter);

// Every series of a file like configs/reference/mesh_latency.csv, simulated and compared; the value is the
// exit code.
Result<int> compare_with_reference(Session& session, const std::string& path);

}  // namespace rdusim::cli
