// Roofline: what a piece of work reaches against what memory and arithmetic allow at its operations a byte
// (Williams, Waterman, Patterson, CACM 2009).
#pragma once

#include <string>
#include <vector>

namespace rdusim::report {

struct Roof {
  std::string name;
  double bytes_per_s = 0;
};
struct RooflinePoint {
  std::string name;
  double flops_per_byte = 0;
  double flops_per_s = 0;
  double share = 0;  // of the time: its area
};
// Both axes logarithmic. Points without operations or bytes are left out. Names stand beside the points that
// take the most time, as far as they do not touch.
std::string roofline(const std::string& title, double peak_flops, const std::vector<Roof>& roofs,
                     const std::vector<RooflinePoint>& points);

}  // namespace rdusim::report
