// Images as the rows that a vision tower reads.
#pragma once

#include "base/result.h"
#include "base/tensor.h"

namespace rdusim::models {

// pixels [images, channels, size, size] -> [images * (patches + 1), channels * patch * patch]: for each image
// a row of zeros, where the class embedding goes, then its patches, row by row, each as (channel, y, x).
// Fails when the size is no multiple of the patch.
Result<Tensor> patch_rows(const Tensor& pixels, int64_t patch);

}  // namespace rdusim::models
