// What a time can be differentiated by: the parameters of chip, node and software stack
// (hardware_parameter.def).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/arch/chip.h"

namespace rdusim {

enum class HardwareParameter : uint8_t {
#define RDU_PARAMETER(enumerator, name, unit, doc) enumerator,
#include "base/arch/hardware_parameter.def"
#undef RDU_PARAMETER
};
#define RDU_PARAMETER(enumerator, name, unit, doc) +1
inline constexpr size_t kHardwareParameters = 0
#include "base/arch/hardware_parameter.def"
    ;
#undef RDU_PARAMETER

struct HardwareParameterRecord {
  std::string_view name;
  std::string_view unit;  // empty: a relative scale, whose value is 1
  std::string_view doc;
};
const HardwareParameterRecord& hardware_parameter_record(HardwareParameter parameter);

double hardware_parameter_value(HardwareParameter parameter, const NodeSpec& node, const StackSpec& stack,
                                bool software_launches);

// d time / d ln(parameter), in seconds: what the time gains when the parameter doubles, to first order and
// over ln 2.
using Gradient = std::array<double, kHardwareParameters>;
inline Gradient& operator+=(Gradient& a, const Gradient& b) {
  for (size_t p = 0; p < kHardwareParameters; ++p) a[p] += b[p];
  return a;
}
inline double& at(Gradient& gradient, HardwareParameter parameter) {
  return gradient[static_cast<size_t>(parameter)];
}
inline double at(const Gradient& gradient, HardwareParameter parameter) {
  return gradient[static_cast<size_t>(parameter)];
}

}  // namespace rdusim
