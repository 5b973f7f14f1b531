// A random decoder and how it is compiled, as a failing property test names it.
#pragma once

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

}  // namespace rdusim::testing
