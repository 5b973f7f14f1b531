// Random programs for the simulator's property tests.
#pragma once

#include <string>

#include "base/program/program.h"
#include "base/random.h"
#include "tests/support/program_builder.h"

namespace rdusim::testing {

struct RandomProgram {
  Program program;
  int64_t hbm_bytes = 0;  // that must move
};

// A chain of weight-streaming gemms, vector units and buffers over row blocks; sometimes with an exchange in
// the middle.
class ProgramGenerator {
 public:
  explicit ProgramGenerator(uint64_t seed, int64_t max_blocks = 12)
      : random_(seed), max_blocks_(max_blocks) {}

  RandomProgram make() {
    const int64_t sockets = int64_t{1} << pick(0, 2);
    ProgramBuilder b(sockets);
    const int64_t blocks = pick(1, max_blocks_);
    const int64_t rows = pick(1, 24);
    int64_t cols = 8 * pick(1, 12);
    const ArgumentId x =
        b.symbol("x", blocks * rows, cols, DType::kBf16, {}, Tier::kHbm, Cause::kActivations);
    ChannelId at = channel(b, "x", rows, cols);
    b.load("x.load", x, rows, {at});
    const int64_t stages = pick(1, 5);
    for (int64_t i = 0; i < stages; ++i) at = stage(b, i, at, blocks, rows, cols);
    const ArgumentId y =
        b.symbol("y", blocks * rows, cols, DType::kFp32, {}, Tier::kHbm, Cause::kActivations);
    b.store("y.store", y, rows, at);
    RandomProgram out{b.finish(pick(1, 3)), 0};
    for (const Symbol& s : out.program.symbols) out.hbm_bytes += s.bytes();
    return out;
  }

 private:
  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }
  ChannelId channel(ProgramBuilder& b, const std::string& name, int64_t rows, int64_t cols) {
    return b.channel(name, rows, cols, pick(1, 4), pick(0, 20), DType::kFp32, pick(0, 2));
  }

  ChannelId stage(ProgramBuilder& b, int64_t number, ChannelId from, int64_t blocks, int64_t rows,
                  int64_t& cols) {
    const std::string name = "s" + std::to_string(number);
    switch (pick(0, 3)) {
      case 0: {  // vector chain
        const ChannelId to = channel(b, name, rows, cols);
        b.compute(name, UnitKind::kSimd, blocks, {in(from)},
                  {op(TileOpKind::kMulScalar, {0}, 0, 0, 0.5F), op(TileOpKind::kTanh, {1}),
                   op(TileOpKind::kAdd, {0, 2})},
                  {out({to}, 3)}, pick(1, 4));
        return to;
      }
      case 1:
        return gemm(b, name, from, blocks, rows, cols);
      case 2: {  // column gather over the sockets, from socket-local halves
        const int64_t sockets = b.program().sockets;
        const ChannelId own = channel(b, name + ".own", rows, (cols + sockets - 1) / sockets);
        const ChannelId to = channel(b, name, rows, cols);
        const Exchange e{static_cast<uint32_t>(number), ExchangeMode::kScatterCols, Combine::kConcatCols};
        b.exchange(name + ".send", UnitKind::kSend, blocks, from, own, e);
        b.exchange(name + ".receive", UnitKind::kReceive, blocks, own, to, e);
        return to;
      }
      default: {  // a growing accumulator, summed again
        const ChannelId grown = channel(b, name + ".grown", blocks * rows, cols);
        const ChannelId current = channel(b, name + ".current", rows, cols);
        const ChannelId to = channel(b, name, rows, cols);
        b.compute(name + ".buffer", UnitKind::kBuffer, blocks, {in(from)}, {},
                  {out({grown}, 0, {}, Accumulate::kConcatRows, blocks), out({current}, 0)}, pick(1, 4));
        b.compute(name, UnitKind::kSimd, blocks, {in(grown), in(current)},
                  {op(TileOpKind::kColSum, {0}), op(TileOpKind::kAdd, {1, 2})}, {out({to}, 3)}, pick(1, 3));
        return to;
      }
    }
  }

  // All weights for every row block: loaded `blocks` times, block by block.
  ChannelId gemm(ProgramBuilder& b, const std::string& name, ChannelId from, int64_t blocks, int64_t rows,
                 int64_t& cols) {
    const int64_t n = 8 * pick(1, 12);
    const int64_t per_token = pick(1, n);
    const ArgumentId w = b.symbol(name + ".w", n, cols, DType::kBf16);
    const ChannelId cw = b.channel(name + ".w", per_token, cols, pick(1, 6), 0, DType::kBf16);
    const ChannelId to = channel(b, name, rows, n);
    Unit& load = b.load(name + ".load", w, per_token, {cw}, static_cast<int>(pick(0, 3)));
    load.stream->repeats = blocks;
    load.firings = load.stream->tokens();
    const int64_t tokens = load.stream->tokens_per_segment();
    b.compute(name, UnitKind::kGemm, blocks * tokens, {in(from, {tokens, 0, 1}), in(cw)},
              {matmul(0, 1, true)},
              {out({to}, 2, {tokens, tokens - 1, tokens}, Accumulate::kConcatCols, tokens)}, pick(1, 8));
    cols = n;
    return to;
  }

  Random random_;
  int64_t max_blocks_;  // row blocks, that is, tokens of a stage
};

// The same program with channels on RDN links, and some weights in DDR or SRAM.
inline Program with_links_and_tiers(Program p, uint64_t seed) {
  Random random(seed);
  for (Channel& c : p.sections[0].channels) c.links = static_cast<int64_t>(random.below(3));
  for (Symbol& s : p.symbols) {
    if (s.name.ends_with(".w")) s.tier = static_cast<Tier>(random.below(kTierCount));
    int64_t& mark = p.tiers[static_cast<size_t>(s.tier)].bytes;
    s.offset_bytes = mark;
    mark += (s.bytes() + 63) / 64 * 64;
  }
  return p;
}

}  // namespace rdusim::testing
