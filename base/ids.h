// Distinct integer ids. Absent is std::optional, never a magic number.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace rdusim {

template <typename Tag>
struct Id {
  uint32_t value = 0;

  constexpr Id() = default;
  constexpr explicit Id(size_t v) : value(static_cast<uint32_t>(v)) {}
  friend constexpr auto operator<=>(Id, Id) = default;
};

using ValueId = Id<struct ValueTag>;        // tensor of a Graph
using NodeId = Id<struct NodeTag>;          // operator of a Graph
using SymbolId = Id<struct SymbolTag>;      // tensor of a Program, in a memory tier
using SectionId = Id<struct SectionTag>;    // configuration of the fabric
using UnitId = Id<struct UnitTag>;          // within a Section
using ChannelId = Id<struct ChannelTag>;    // within a Section
using ArgumentId = Id<struct ArgumentTag>;  // formal symbol of a Section
using TileId = Id<struct TileTag>;          // switch of the mesh and the unit behind it (base/arch/fabric.h)
using LinkId = Id<struct LinkTag>;          // directed link between two switches of the mesh
using ExpertId = Id<struct ExpertTag>;
using RequestId = Id<struct RequestTag>;
using TenantId = Id<struct TenantTag>;

}  // namespace rdusim

template <typename Tag>
struct std::hash<rdusim::Id<Tag>> {
  size_t operator()(rdusim::Id<Tag> id) const noexcept { return id.value; }
};
