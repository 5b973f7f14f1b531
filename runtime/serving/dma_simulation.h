// Event-level simulation of a copy beside a running pass, chunk by chunk: the check of the fluid formula in
// bandwidth_share.h, with which it shares no code.
//
//   DDR ──chunks──► [DDR server] ──► DMA buffer ──► [HBM server] (write)
//                                                     ▲
//   pass: reads weights and KV in chunks ─────────────┘ , consumes one chunk every (time alone / chunks)
//
// A server serves one chunk at a time at its bandwidth, streams in turn (round-robin over those that wait).
// The DMA engine starts a chunk at most every chunk / rate, with `window` chunks between read and write; the
// pass keeps `window` chunks in flight and stalls when the next one is not there. Passes follow each other
// without a gap, as decode steps do, until the copy is done. Leaves out: channels and banks (a server is all
// channels together), latencies beyond service.
#pragma once

#include <cstdint>

#include "base/units.h"

namespace rdusim::runtime {

struct DmaLoad {
  double hbm_bytes_per_s = 0;  // bandwidth of the servers
  double store_bytes_per_s = 0;
  double dma_bytes_per_s = 0;  // what the DMA engine starts at most
  int64_t copy_bytes = 0;
  Picoseconds pass_time;         // of one pass alone
  int64_t pass_hbm_bytes = 0;    // that it reads
  int64_t pass_store_bytes = 0;  // of tensors that spilled to DDR
  int64_t chunk_bytes = 1 << 20;
  int64_t window = 8;
};

struct DmaTimes {
  Picoseconds copy;       // first chunk asked to last chunk written
  double pass_speed = 1;  // chunks that passes consumed during the copy, over what they would have alone
  int64_t chunks_served = 0;
};

DmaTimes simulate_dma_under_load(const DmaLoad& load);

// The same by the fluid formula, for comparison.
DmaTimes fluid_dma_under_load(const DmaLoad& load);

}  // namespace rdusim::runtime
