// Text names of the Program's enumerations, each from one table. The tables are in the order of the
// enumerators; the text form (program_text.h), reports and traces use the same words.
#include <array>

#include "base/check.h"
#include "base/program/program.h"
#include "base/program/run_result.h"

namespace rdusim {

namespace {

constexpr TileOpRecord kTileOps[] = {
#define RDU_TILE_OP(enumerator, name, operands, op_class, doc) {name, operands, TileOpClass::op_class, doc},
#include "base/program/tile_op.def"
#undef RDU_TILE_OP
};

constexpr std::array<std::string_view, 7> kUnitKinds = {"gemm",  "simd", "buffer", "load",
                                                        "store", "send", "receive"};
constexpr std::array<std::string_view, kCauseCount> kCauses = {
    "weights", "kv_cache", "state", "activations", "constants", "collective", "expert_switch"};
constexpr std::array<std::string_view, kTierCount> kTiers = {"sram", "hbm", "ddr"};
constexpr std::array<std::string_view, 7> kRoles = {"weight",   "activation", "kv_cache", "state",
                                                    "constant", "input",      "output"};
constexpr std::array<std::string_view, kWireCount> kWires = {"sram", "hbm", "ddr", "link"};
constexpr std::array<std::string_view, 3> kFidelities = {"analytic", "event", "cycle"};
constexpr std::array<std::string_view, kWorkKindCount> kWorkKinds = {"mac_16bit", "mac_32bit", "map",
                                                                     "reduce",    "tail",      "cross"};

template <size_t N, typename E>
std::string_view lookup(const std::array<std::string_view, N>& names, E value) {
  const auto i = static_cast<size_t>(value);
  RDU_CHECK(i < N, "enumerator {} of {}", i, N);
  return names[i];
}

}  // namespace

const TileOpRecord& tile_op_record(TileOpKind kind) {
  const auto i = static_cast<size_t>(kind);
  RDU_CHECK(i < std::size(kTileOps), "tile operation {}", i);
  return kTileOps[i];
}

std::optional<TileOpKind> tile_op_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kTileOps); ++i) {
    if (kTileOps[i].name == name) return static_cast<TileOpKind>(i);
  }
  return std::nullopt;
}

std::string_view unit_kind_name(UnitKind kind) {
  return lookup(kUnitKinds, kind);
}
std::string_view cause_name(Cause cause) {
  return lookup(kCauses, cause);
}
std::string_view tier_name(Tier tier) {
  return lookup(kTiers, tier);
}
std::string_view symbol_role_name(SymbolRole role) {
  return lookup(kRoles, role);
}
std::string_view wire_name(Wire wire) {
  return lookup(kWires, wire);
}
std::string_view work_kind_name(WorkKind kind) {
  return lookup(kWorkKinds, kind);
}
std::string_view fidelity_name(Fidelity fidelity) {
  return lookup(kFidelities, fidelity);
}

}  // namespace rdusim
