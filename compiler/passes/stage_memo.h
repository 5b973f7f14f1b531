// What stages cost by their PCUs, kept from one trial of a group to the next: pieces that are priced to find
// borders have most of their stages in common, and most of the time goes into trying numbers of PCUs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/program/program.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {

// Of a stage with some number of PCUs.
struct StageCost {
  std::vector<int64_t> services;  // of each kind of firing; empty: not known yet
  int64_t sum = 0;
  int64_t ports = 0;  // cycles of its busiest port, operands for each firing again
};
using StageCosts = std::vector<StageCost>;  // by PCUs

class StageMemo {
 public:
  // Those of a stage that was seen before with the same body, ports and firings and so many bytes through its
  // busiest port, else new ones for up to `pcus`.
  std::shared_ptr<StageCosts> costs_of(const Unit& unit, const std::vector<FiringKind>& kinds,
                                       int64_t port_bytes, int64_t pcus);

 private:
  struct Known {
    Unit unit;
    std::vector<FiringKind> kinds;
    int64_t port_bytes = 0;
    std::shared_ptr<StageCosts> costs;
  };
  std::map<std::string, std::vector<Known>> known_;  // by the unit's name
};

}  // namespace rdusim::compiler
