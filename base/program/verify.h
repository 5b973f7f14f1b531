// The rules of a program without those of its placement, which cost most to check and which only a fidelity
// that follows routes depends on. verify_program (program.h) checks all.
#pragma once

#include <cstdint>
#include <string>

#include "base/program/program.h"
#include "base/result.h"

namespace rdusim {

// All of verify_program but tiles and routes.
Status verify_structure(const Program& program, int64_t pcus, int64_t pmus);

// Whether a launch of the section that loops may prefetch between its iterations (loop_order.h).
Status verify_prefetch(const Section& section, const std::string& where);

}  // namespace rdusim
