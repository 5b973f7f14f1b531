// A peer-to-peer stream between two sockets: tile to tile over AGCUs, top-level networks and the board link,
// without DDR or HBM. A message is cut into packets, each with a header; the receiver's buffer is handed out
// as credits.
//
//   sender ─ packet, packet, ... ─► link (rate, latency) ─► buffer of `window_bytes` ─► receiver
//          ◄───────────── credits, one latency later ──────────────┘
//
// So the rate is the smaller of the link's, less headers, and window / round trip; the receiver takes packets
// at once. Bandwidth and latency come from the node file (there: assumed). Packet, header and window are not
// published; assumed: 512 B packets (eight vectors) with 16 B of header (flow id, address, sequence id, CRC),
// a window of 512 KiB, the 400 KB that a 400 GB/s link of 500 ns has under way, with a margin.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace rdusim::sim::agcu {

struct PeerLinkSpec {
  double bandwidth_bytes_per_s = 400e9;  // raw, one direction
  double latency_ns = 500;               // one way, first byte
  int64_t packet_bytes = 512;            // payload
  int64_t header_bytes = 16;
  int64_t window_bytes = 512 * 1024;  // of payload; at least a packet
};
Status validate(const PeerLinkSpec& spec);

struct PeerTransfer {
  int64_t first_byte_ps = 0;  // of the payload, at the receiver
  int64_t finish_ps = 0;      // last byte at the receiver
  int64_t packets = 0;
  int64_t stalled_ps = 0;  // link idle for want of credits
};

// One message on an idle link, packet by packet. bytes > 0.
PeerTransfer transfer(const PeerLinkSpec& spec, int64_t bytes);

// Payload rate of an endless stream.
double steady_bytes_per_s(const PeerLinkSpec& spec);

}  // namespace rdusim::sim::agcu
