// How a buffer's tokens are read from its PMUs, and how long a port is busy with them. One rule for the
// compiler's allocation, analytic, event and cycle; the cycle-level PMU (sim/pmu/) proves it.
//
//   stream    in the order in which they lie: whole lines
//   columns   a transposed token: it lies diagonally striped over its PMUs by ranges of columns, rows padded
//   to
//             lines; a vector is one column, so tokens of few rows leave most of it empty
//   gather    rows picked by number. Rows of more than half a line take a vector for each begun line;
//   narrower
//             ones share vectors, as many as the address pipelines reach and as do not meet in the
//             scratchpad's columns: what that leaves is measured (base/arch/pmu_service.h)
//
// Layouts other than these (slices, reshapes) are addresses and cost nothing. Left out: column ranges when a
// token has fewer columns than PMUs (then some stay idle, which is charged), conflicts between what is
// written and what is read, which lie in different banks.
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/tile.h"

namespace rdusim {

enum class PmuAccess : uint8_t { kStream, kColumns, kGather };

// How the buffer's register is read, as its body makes it from the tokens.
PmuAccess pmu_access(const Unit& buffer, Register source);

// Cycles that the read port of each of `pmus` PMUs needs for a token that leaves as `token`.
int64_t pmu_read_cycles(const PmuSpec& pmu, int64_t pmus, PmuAccess access, const Extent& token,
                        int64_t element_bytes);

// Cycles of the write ports for a token that comes as `token` and will be read so.
int64_t pmu_write_cycles(const PmuSpec& pmu, int64_t pmus, PmuAccess access, const Extent& token,
                         int64_t element_bytes);

}  // namespace rdusim
