// See image.h.
#include "models/image.h"

#include <fmt/format.h>

namespace rdusim::models {

Result<Tensor> patch_rows(const Tensor& pixels, int64_t patch) {
  const std::vector<int64_t>& d = pixels.shape.dims;
  if (d.size() != 4 || patch < 1 || d[2] != d[3] || d[2] % patch != 0) {
    return Error{ErrorCode::kInvalidInput, "pixels",
                 fmt::format("are no square images of whole patches of {}", patch), ""};
  }
  const int64_t images = d[0], channels = d[1], size = d[2], grid = size / patch;
  Tensor rows(images * (grid * grid + 1), channels * patch * patch);
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t p = 0; p < grid * grid; ++p) {
      const int64_t row = image * (grid * grid + 1) + 1 + p;
      for (int64_t v = 0; v < rows.cols(); ++v) {
        const int64_t channel = v / (patch * patch);
        const int64_t y = p / grid * patch + v / patch % patch;
        const int64_t x = p % grid * patch + v % patch;
        rows.at(row, v) =
            pixels.values[static_cast<size_t>(((image * channels + channel) * size + y) * size + x)];
      }
    }
  }
  return rows;
}

}  // namespace rdusim::models
