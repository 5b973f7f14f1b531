// Memory channel of one socket's tier as a TLM-2.0 target, and the AGCU's initiator side of it.
//
//   load/store unit --> AgcuPort (initiator socket) ==b_transport==> MemoryController (target socket) -->
//   Server
//
// One transaction is one token. b_transport returns when the transfer has been granted and adds to `delay`
// the time until its last byte is at the AGCU (load) or in memory (store). Any TLM target with such a
// b_transport can stand in: a transaction that comes back without a served MemoryAccess extension is taken to
// occupy the stream for its whole delay. Payloads carry address and length only (null data pointer): values
// live in MemoryImage.
//
// APPROX: one rate a section, which the chip's service table gives for the section's pattern (bank conflicts,
// row misses and turnarounds as the DRAM model has them, base/arch/memory_service.h), less refresh. APPROX:
// HBM and DDR streams share the AGCU ports, but each tier is limited by the ports' total on its own.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <systemc>
#include <tlm>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "sim/server.h"

namespace rdusim::sim {

// What the built-in controller needs beyond the generic payload.
class MemoryAccess : public tlm::tlm_extension<MemoryAccess>, public Request {
 public:
  void granted(int64_t start_sub, int64_t finish_sub) override;
  [[nodiscard]] tlm::tlm_extension_base* clone() const override;
  void copy_from(const tlm::tlm_extension_base& other) override;

  bool served = false;
  int64_t start_cycle = 0;
  int64_t finish_cycle = 0;
  sc_core::sc_event granted_event;
};

class MemoryController : public sc_core::sc_module {
 public:
  explicit MemoryController(const sc_core::sc_module_name& name);

  // --- configuration
  // While idle. The rate is the section's (memory_pattern.h).
  void configure(const ChipSpec& chip, Tier tier, int64_t bytes_per_s);
  // --- port in
  tlm_utils::simple_target_socket<MemoryController> socket;
  // --- state
  Server server;

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  int64_t latency_cycles_ = 0;
};

struct Transfer {
  int64_t start_cycle = 0;   // first byte moves
  int64_t finish_cycle = 0;  // last byte has left the channel
  int64_t done_cycle = 0;    // last byte has arrived, latency included
  // First byte has arrived.
  [[nodiscard]] int64_t first_cycle() const { return done_cycle - (finish_cycle - start_cycle); }
};

class AgcuPort : public sc_core::sc_module {
 public:
  explicit AgcuPort(const sc_core::sc_module_name& name);
  // --- port out
  tlm_utils::simple_initiator_socket<AgcuPort> socket;

  // Moves `access.bytes` (bursts rounded up) at `address`; blocks the calling process until the transfer is
  // granted.
  Transfer transfer(tlm::tlm_command command, int64_t address, MemoryAccess& access);
};

}  // namespace rdusim::sim
