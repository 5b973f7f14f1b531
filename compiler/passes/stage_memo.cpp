#include "compiler/passes/stage_memo.h"

namespace rdusim::compiler {
namespace {

// Without what does not change its work: where its tokens come from and go to, and its PCUs.
Unit stripped(Unit unit) {
  for (InputPort& port : unit.inputs) port.channel = ChannelId{};
  for (OutputPort& port : unit.outputs) port.channels.clear();
  unit.pcus = 0;
  return unit;
}

}  // namespace

std::shared_ptr<StageCosts> StageMemo::costs_of(const Unit& unit, const std::vector<FiringKind>& kinds,
                                                int64_t port_bytes, int64_t pcus) {
  std::vector<Known>& alike = known_[unit.name];
  const Unit bare = stripped(unit);
  for (const Known& known : alike) {
    if (known.port_bytes == port_bytes && known.unit == bare && known.kinds == kinds) return known.costs;
  }
  alike.push_back({bare, kinds, port_bytes, std::make_shared<StageCosts>(static_cast<size_t>(pcus) + 1)});
  return alike.back().costs;
}

}  // namespace rdusim::compiler
