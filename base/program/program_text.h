// Text form of a Program: one line a symbol, argument, channel, unit, port, operation and launch. Printing
// and parsing are inverse: parse(print(p)) == p, so a Program can be stored, compared, edited and sent as
// text.
//
//   program "mlp" phase "decode" sockets 1 batch 1 context 0 tokens 1 flops 128 orchestration hardware
//   tier hbm 4096
//   symbol "w" weight source "w" bf16 8 x 8 full 8 x 8 shard replicated 1 1 in hbm at 0 life 0 0
//   section "s"
//     argument "w" weights
//     channel "c" bf16 8 x 8 capacity 2 latency 4 pmus 1 links 1
//     unit "load.w" load stage "linear" firings 1 pcus 0 pmus 0
//       stream 0 begin 0 rows 8 segments 1 stride 0 per_token 8 col 0 cols 8 repeats 1 gather 0 priority 0
//       out %0 none phases 1 0 1 reset 1 keep 0 to 0
//     unit ...
//       in 0 phases 1 0 1
//       op matmul %0 %1 transposed 1 cycle 1 per_group 1        (register inputs + i, in order)
//       op mul_scalar %2 ints 0 0 scalar 0.5                    (ints and scalar only where not zero)
//       exchange 3 scatter_cols sum
//   launch 0 0
// Where units are placed and channels routed, there are also
//   mesh 40 x 52 dies 2 agcus 20                                (once, after the tiers)
//   channel "c" ... links 1 share 870 read 500                  (share and read only where not 1000)
//     tiles 18 70                                               (of a channel's PMUs; of a unit)
//     route 0 18 20 124! 229<1!                                 (leg, source, waypoints; `<1`: hangs on the
//                                                                point number 1, else on the one before)
//     agcus 0 1 2                                               (of a load, store, send or receive unit)
//   launch 0 loop 2 0 1                                         (two runs of section 0, each with one
//   binding)
// Numbers after `in`, `to` and `launch` are indices: channels of the section, section of the program, symbols
// bound. Lines of a channel follow it, so all channels stand before the units. Indentation and `#` comments
// are free.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/program/program.h"

namespace rdusim {

std::string print_program(const Program& program);
// Errors say file:line:col. Checks the form only; verify_program checks the rules.
Result<Program> parse_program(std::string_view text, const std::string& file_name);
// Content hash (hash64 of the text): key of caches.
uint64_t program_hash(const Program& program);

}  // namespace rdusim
