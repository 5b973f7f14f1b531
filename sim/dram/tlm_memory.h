// DramMemory: a cycle-level DRAM device as a TLM-2.0 target, to stand behind the event engine in place of its
// built-in controller (Hardware::set_target_factory).
//
//   b_transport --> [bursts, in order, per channel] --> DramController per channel --> last command issued
//
// A transaction is cut into bursts, which go to their channels in the order of their addresses. b_transport
// returns when the last burst's column command has been issued, and adds to `delay` the time until its data
// has arrived (a write: until it is posted), plus `path_latency_cycles` for what lies between port and
// controller. Transactions of one cycle are taken in the order of their MemoryAccess (priority, then order);
// without that extension, as they come.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "base/arch/dram.h"
#include "sim/dram/controller.h"

namespace rdusim::sim {

class DramMemory : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(DramMemory);
  // The spec must have passed check_dram(). `clock_hz` is the clock that simulated cycles count.
  DramMemory(const sc_core::sc_module_name& name, const DramSpec& spec, double clock_hz,
             int64_t path_latency_cycles);

  // --- port in
  tlm_utils::simple_target_socket<DramMemory> socket;
  // --- statistics
  [[nodiscard]] const DramController& channel(int64_t index) const {
    return *channels_[static_cast<size_t>(index)].controller;
  }

 private:
  struct Burst {
    DramLocation location;
    uint32_t transaction = 0;
    bool write = false;
  };
  struct Channel {
    std::unique_ptr<DramController> controller;
    Ring<Burst> queue;
  };
  struct Transaction {
    uint64_t address = 0;
    uint64_t bytes = 0;
    int64_t priority = 0;
    int64_t order = 0;
    int64_t left = 0;       // bursts whose command has not been issued
    int64_t done_tick = 0;  // of the latest data
    bool write = false;
    sc_core::sc_event* issued = nullptr;
  };

  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void advance();
  void take_arrivals();
  void send(int64_t tick);
  void collect();
  [[nodiscard]] int64_t tick_of(int64_t cycle) const;
  [[nodiscard]] int64_t cycle_of(int64_t tick) const;

  // configuration
  int64_t burst_bytes_;
  int64_t period_fs_;
  int64_t tick_fs_;
  int64_t path_latency_cycles_;
  DramAddressMap map_;
  // state
  std::vector<Channel> channels_;
  std::vector<Transaction> transactions_;  // slots
  std::vector<uint32_t> free_;
  std::vector<uint32_t> arrived_;  // in the cycle before advance() runs
  int64_t now_tick_ = 0;           // everything up to it has happened
  sc_core::sc_event advance_event_;
};

}  // namespace rdusim::sim
