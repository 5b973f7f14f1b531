// Number formats at the edges of a unit: tokens are rounded to their channel's format, memory holds encoded
// bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/dtype.h"

namespace rdusim::sim {

using Values = std::shared_ptr<const std::vector<float>>;

// The values as a token of that format carries them; the same object when nothing changes.
Values rounded_to(const Values& values, DType dtype);

float decode(const uint8_t* bytes, DType dtype);
void encode(float value, uint8_t* bytes, DType dtype);

}  // namespace rdusim::sim
