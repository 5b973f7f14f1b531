// Three heat maps of the chip for one section, side by side: how busy its PCUs are, how full the links that
// leave each switch are (the fullest of the four), how full its PMUs are.
#pragma once

#include <string>

#include "report/result_view.h"

namespace rdusim::report {

// `section` is one of the plan's. Areas can be hovered for their unit's or channel's name and share.
std::string floorplan_chart(const FloorplanView& plan, const FloorplanSection& section);

}  // namespace rdusim::report
