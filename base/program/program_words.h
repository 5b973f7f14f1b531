// Words of the text form for enumerations that have no name function of their own.
#pragma once

#include <array>
#include <string_view>

#include "base/program/program.h"

namespace rdusim {

inline constexpr std::array<std::string_view, 5> kAccumulateWords = {"none", "sum", "concat_rows",
                                                                     "concat_cols", "compose"};
inline constexpr std::array<std::string_view, 2> kExchangeModeWords = {"scatter_cols", "broadcast"};
inline constexpr std::array<std::string_view, 2> kCombineWords = {"sum", "concat_cols"};
inline constexpr std::array<std::string_view, 5> kShardKindWords = {"replicated", "rows", "cols",
                                                                    "expert_rows", "expert_cols"};
inline constexpr std::array<std::string_view, 2> kOrchestrationWords = {"software", "hardware"};

inline std::string_view accumulate_name(Accumulate a) {
  return kAccumulateWords[static_cast<size_t>(a)];
}
inline std::string_view exchange_mode_name(ExchangeMode m) {
  return kExchangeModeWords[static_cast<size_t>(m)];
}
inline std::string_view combine_name(Combine c) {
  return kCombineWords[static_cast<size_t>(c)];
}
inline std::string_view shard_kind_name(ShardKind k) {
  return kShardKindWords[static_cast<size_t>(k)];
}
inline std::string_view orchestration_name(Orchestration o) {
  return kOrchestrationWords[static_cast<size_t>(o)];
}

}  // namespace rdusim
