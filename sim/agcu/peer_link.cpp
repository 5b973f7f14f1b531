#include "sim/agcu/peer_link.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace rdusim::sim::agcu {
namespace {

// Serialisation in 2^-10 picoseconds, so that rounding does not add up over many packets.
constexpr int kSubBits = 10;
int64_t serialise_sub(const PeerLinkSpec& spec, int64_t bytes) {
  return std::llround(static_cast<double>(bytes) / spec.bandwidth_bytes_per_s * 1e12 * (1 << kSubBits));
}
int64_t to_ps(int64_t sub) {
  return (sub + (int64_t{1} << kSubBits) - 1) >> kSubBits;
}

}  // namespace

Status validate(const PeerLinkSpec& spec) {
  const auto bad = [](const char* what) { return Error{ErrorCode::kOutOfRange, "peer link", what, ""}; };
  if (!(spec.bandwidth_bytes_per_s >= 1e6) || spec.bandwidth_bytes_per_s > 1e15)
    return bad("bandwidth is 1e6 to 1e15 bytes/s");
  if (!(spec.latency_ns >= 0) || spec.latency_ns > 1e9) return bad("latency is 0 to 1e9 ns");
  if (spec.packet_bytes < 1 || spec.packet_bytes > (1 << 24)) return bad("packets carry 1 byte to 16 MiB");
  if (spec.header_bytes < 0 || spec.header_bytes > 4096) return bad("headers have 0 to 4096 bytes");
  if (spec.window_bytes < spec.packet_bytes) return bad("the window holds at least one packet");
  return {};
}

PeerTransfer transfer(const PeerLinkSpec& spec, int64_t bytes) {
  RDU_CHECK(bytes > 0, "a message of {} bytes", bytes);
  PeerTransfer out;
  const int64_t latency = std::llround(spec.latency_ns * 1e3 * (1 << kSubBits));
  const int64_t header = serialise_sub(spec, spec.header_bytes);
  out.packets = (bytes + spec.packet_bytes - 1) / spec.packet_bytes;
  // Packet i needs the credits that packet i - window freed: a ring of their return times.
  const auto window = static_cast<size_t>(spec.window_bytes / spec.packet_bytes);
  std::vector<int64_t> credit_back(std::min(window, static_cast<size_t>(out.packets)), 0);
  int64_t free = 0;
  int64_t stalled = 0;
  size_t slot = 0;
  for (int64_t i = 0; i < out.packets; ++i) {
    const int64_t payload = std::min(spec.packet_bytes, bytes - i * spec.packet_bytes);
    const int64_t start = std::max(free, credit_back[slot]);
    stalled += start - free;
    free = start + header + serialise_sub(spec, payload);
    if (i == 0) out.first_byte_ps = to_ps(header + latency);
    credit_back[slot] = free + 2 * latency;
    slot = slot + 1 == credit_back.size() ? 0 : slot + 1;
  }
  out.finish_ps = to_ps(free + latency);
  out.stalled_ps = to_ps(stalled);
  return out;
}

double steady_bytes_per_s(const PeerLinkSpec& spec) {
  const auto packet = static_cast<double>(spec.packet_bytes);
  const double packet_s = (packet + static_cast<double>(spec.header_bytes)) / spec.bandwidth_bytes_per_s;
  const auto window = static_cast<double>(spec.window_bytes / spec.packet_bytes);
  return std::min(packet / packet_s, window * packet / (packet_s + 2e-9 * spec.latency_ns));
}

}  // namespace rdusim::sim::agcu
