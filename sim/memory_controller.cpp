#include "sim/memory_controller.h"

#include <algorithm>
#include <cmath>

#include "sim/resource_rates.h"
#include "sim/unit_process.h"

namespace rdusim::sim {

void MemoryAccess::granted(int64_t start_sub, int64_t finish_sub) {
  served = true;
  start_cycle = start_sub >> kSubcycleBits;
  finish_cycle = ceil_cycle(finish_sub);
  granted_event.notify();
}

tlm::tlm_extension_base* MemoryAccess::clone() const {
  auto* copy = new MemoryAccess;
  copy->copy_from(*this);
  return copy;
}

void MemoryAccess::copy_from(const tlm::tlm_extension_base& other) {
  const auto& access = static_cast<const MemoryAccess&>(other);
  static_cast<Request&>(*this) = access;
  served = access.served;
  start_cycle = access.start_cycle;
  finish_cycle = access.finish_cycle;
}

MemoryController::MemoryController(const sc_core::sc_module_name& name)
    : sc_module(name), socket("socket"), server("server", Arbitration::kPriority) {
  socket.register_b_transport(this, &MemoryController::b_transport);
}

void MemoryController::configure(const ChipSpec& chip, Tier tier, int64_t bytes_per_s) {
  server.configure(bytes_per_s, clock_hz(chip));
  latency_cycles_ = memory_latency_cycles(chip, tier);
}

void MemoryController::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  MemoryAccess* access = nullptr;
  payload.get_extension(access);
  if (access == nullptr) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    return;
  }
  access->arrival_cycle = now_cycle();
  server.post(access);
  sc_core::wait(access->granted_event);
  delay += cycles(std::max<int64_t>(0, access->finish_cycle + latency_cycles_ - now_cycle()));
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

AgcuPort::AgcuPort(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {}

Transfer AgcuPort::transfer(tlm::tlm_command command, int64_t address, MemoryAccess& access) {
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(static_cast<sc_dt::uint64>(address));
  payload.set_data_ptr(nullptr);
  payload.set_data_length(static_cast<unsigned>(access.bytes));
  payload.set_streaming_width(static_cast<unsigned>(access.bytes));
  payload.set_extension(&access);
  access.served = false;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  const int64_t asked = now_cycle();
  socket->b_transport(payload, delay);
  payload.clear_extension(&access);
  const int64_t done = now_cycle() + static_cast<int64_t>(delay.value());
  if (access.served) return {access.start_cycle, access.finish_cycle, done};
  return {asked, done, done};
}

}  // namespace rdusim::sim
