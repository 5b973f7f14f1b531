// A random decoder and how it is compiled, as a failing property test names it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/random.h"
#include "compiler/compile.h"
#include "tests/support/decoder_graph.h"

namespace rdusim::testing {

struct DecoderCase {
  compiler::testing::DecoderSpec decoder;
  compiler::CompileOptions options;

  [[nodiscard]] std::string text() const {
    return fmt::format("query {} past {} batch {} window {} width {} mlp {} heads {} kv {} sockets {} {}",
                       decoder.query, decoder.past, decoder.batch, decoder.window, decoder.width, decoder.mlp,
                       decoder.heads, decoder.kv_heads, options.sockets,
                       options.fusion == compiler::Fusion::kNone ? "unfused" : "fused");
  }
};

// Uniform over [low, high].
inline int64_t pick(Random& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
}

// What a random decoder is drawn from. Equal bounds are not drawn.
struct DecoderRanges {
  struct Bounds {
    int64_t low = 1, high = 1;
  };
  Bounds layers = {};
  int64_t least_heads = 1;  // a key/value head has one or two
  int64_t width_unit = 16;
  Bounds width = {2, 12};  // in these units
  int64_t mlp_unit = 1;
  Bounds mlp = {8, 200};
  int64_t most_query = 200;  // of a prompt
  int64_t most_past = 300;   // of a decode step
  int64_t most_window = 0;   // of every fourth; 0: none has one
  int64_t socket_doublings = 2;
};

// A decode step or a prompt, to be compiled fused and without loops until the caller says otherwise.
inline DecoderCase random_decoder(Random& random, bool decode, const DecoderRanges& from) {
  const auto drawn = [&](const DecoderRanges::Bounds& b) {
    return b.low == b.high ? b.low : pick(random, b.low, b.high);
  };
  DecoderCase c;
  c.decoder.layers = drawn(from.layers);
  c.decoder.kv_heads = int64_t{1} << pick(random, 0, 2);
  c.decoder.heads = std::max(from.least_heads, c.decoder.kv_heads << pick(random, 0, 1));
  c.decoder.width = from.width_unit * drawn(from.width);
  c.decoder.mlp = from.mlp_unit * drawn(from.mlp);
  c.decoder.batch = pick(random, 1, 3);
  c.decoder.query = decode ? 1 : pick(random, 2, from.most_query);
  c.decoder.past = decode ? pick(random, 1, from.most_past) : 0;
  if (from.most_window > 0)
    c.decoder.window = pick(random, 0, 3) == 0 ? pick(random, 2, from.most_window) : 0;
  c.options.sockets = int64_t{1} << drawn({0, from.socket_doublings});
  return c;
}

}  // namespace rdusim::testing
