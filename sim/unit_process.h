// UnitProcess: one SystemC thread of the pool. The fabric is elaborated once; configuring a section gives
// each of its units a process, which runs the unit's program to the end and goes back to the pool. A unit
// that can never go on (deadlock, error elsewhere) is unwound by abort(), so the pool stays usable.
//
// One kernel time unit (1 ps tick) stands for one cycle of the chip clock.
#pragma once

#include <cstdint>
#include <exception>
#include <systemc>
#include <utility>

namespace rdusim::sim {

class Component;

// Cycle of the kernel.
inline int64_t now_cycle() {
  return static_cast<int64_t>(sc_core::sc_time_stamp().value());
}
inline sc_core::sc_time cycles(int64_t n) {
  return sc_core::sc_time::from_value(static_cast<sc_dt::uint64>(n));
}

// Thrown through a unit's program to take it off the fabric.
struct Aborted {};

class UnitProcess {
 public:
  UnitProcess();

  // --- from outside the kernel
  void start(Component* component);  // takes effect at the next sc_start
  void abort();
  [[nodiscard]] bool busy() const { return component_ != nullptr; }
  std::exception_ptr take_failure() { return std::exchange(failure_, nullptr); }

  // --- from the unit's program
  void sleep();                    // until wake()
  void wait_until(int64_t cycle);  // absolute; returns at once if it has passed
  // --- from the other end of a channel, while the unit sleeps
  void wake() { event_.notify(); }

 private:
  void main();

  sc_core::sc_event event_;
  Component* component_ = nullptr;
  bool aborting_ = false;
  std::exception_ptr failure_;
};

}  // namespace rdusim::sim
