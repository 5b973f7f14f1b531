// Forms of the activation operator; the number is the node's attribute `form`.
#pragma once

#include <cstdint>

#include "base/program/program.h"

namespace rdusim::compiler {

class UnitBuilder;  // compiler/passes/lowering.h

enum class ActivationForm : int64_t {
  kGelu,       // z Phi(z), by the error function
  kGeluTanh,   // 0.5 z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3)))
  kGeluQuick,  // z sigmoid(1.702 z)
  kSilu,       // z sigmoid(z)
  kSoftplus,   // log(1 + e^z)
  kRelu,       // max(z, 0)
  kTanh,
  kSigmoid,  // 1 / (1 + e^-z)
};
inline constexpr int64_t kActivationForms = 8;

// The form's operations on a tile, for operators that have it inside.
Register lower_activation(UnitBuilder& unit, ActivationForm form, Register z);
float activate(ActivationForm form, float z);

}  // namespace rdusim::compiler
