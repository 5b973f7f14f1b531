// See tile_scan.h.
#include "base/program/tile_scan.h"

#include <algorithm>
#include <cmath>

namespace rdusim {

void scan_values(const TileOp& op, const std::array<const Tile*, 3>& x, std::vector<float>& out) {
  const int64_t channels = x[0]->extent.cols / 2;
  const int64_t states = x[1]->extent.cols / 2;
  const auto elements = static_cast<size_t>(states * channels);
  const bool summary = op.kind == TileOpKind::kScanSummary;
  const float* decay = x[2]->values->data();
  std::vector<float> state(elements, 0.0F);
  if (!summary) std::copy_n(decay + elements, elements, state.begin());
  std::vector<float> product(elements, 1.0F);
  for (int64_t t = 0; t < x[0]->extent.rows; ++t) {
    const float* input = x[0]->values->data() + t * 2 * channels;
    const float* step = input + channels;
    const float* b = x[1]->values->data() + t * 2 * states;
    const float* c = b + states;
    float* y = summary ? nullptr : out.data() + t * channels;
    if (y != nullptr) std::fill_n(y, channels, 0.0F);
    for (int64_t n = 0; n < states; ++n) {
      for (int64_t i = 0; i < channels; ++i) {
        const auto at = static_cast<size_t>(n * channels + i);
        const float kept = std::exp(step[i] * decay[at]);
        state[at] = kept * state[at] + step[i] * input[i] * b[n];
        if (summary) product[at] *= kept;
        if (y != nullptr) y[i] += state[at] * c[n];
      }
    }
  }
  if (!summary) return;
  std::copy(product.begin(), product.end(), out.begin());
  std::copy(state.begin(), state.end(), out.begin() + static_cast<std::ptrdiff_t>(elements));
}

}  // namespace rdusim
