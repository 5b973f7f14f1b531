// Flows between places, as bands whose width is the amount: where bytes come from and go to.
#pragma once

#include <string>
#include <vector>

#include "report/axis.h"

namespace rdusim::report {

struct SankeyPlace {
  std::string name;
  size_t column = 0;  // from left to right
  size_t colour = 0;  // class f<colour>
};
struct SankeyFlow {
  size_t from = 0;  // index of the places; its column is left of `to`'s
  size_t to = 0;
  double amount = 0;
};
// One scale for all bands; a band thinner than a unit of the drawing is drawn one unit wide, and its amount
// stands in its label. Flows of no amount are left out, places without flows too.
std::string sankey(const std::string& title, const std::vector<SankeyPlace>& places,
                   const std::vector<SankeyFlow>& flows, const FormatNumber& format);

}  // namespace rdusim::report
