// The style of every page. Classes that drawings use: f0..f7 fill, s0..s7 stroke, h0..h9 heat from 0 to 100
// %, grid, axis, mark, line, band, over (text on a drawing), point, ground, die.
#pragma once

namespace rdusim::report {

const char* page_style();

}  // namespace rdusim::report
