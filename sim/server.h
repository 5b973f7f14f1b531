// Server: a resource that serves one request after another at a fixed rate: a memory channel, a link port.
//
//   post() --> [ waiting requests ] --arbiter--> serving (busy until free) --> granted(start, finish)
//
// The arbiter decides after everything of a cycle has happened (one tick later, with the true start time), so
// the order in which processes of one cycle run cannot show. Requests that are equal in all that counts go in
// the order they were posted.
#pragma once

#include <cstdint>
#include <systemc>
#include <vector>

#include "sim/service_clock.h"

namespace rdusim::sim {

enum class Arbitration : uint8_t { kPriority, kFirstCome };  // ties of either by Request::order

struct Request {
  int64_t arrival_cycle = 0;  // absolute; may lie ahead
  int64_t priority = 0;       // lower first (kPriority)
  int64_t order = 0;
  int64_t bytes = 0;  // as the resource counts them, bursts rounded up
  virtual void granted(int64_t start_sub, int64_t finish_sub) = 0;

 protected:
  ~Request() = default;
};

class Server : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Server);
  Server(const sc_core::sc_module_name& name, Arbitration arbitration);

  // Call while idle.
  void configure(int64_t bytes_per_s, int64_t clock_hz) { clock_.configure(bytes_per_s, clock_hz); }
  void post(Request* request);
  // Forgets waiting requests (after a failed run) and starts counting busy time.
  void reset();

  [[nodiscard]] int64_t busy_cycles() const { return clock_.busy_cycles(); }

 private:
  void decide();
  [[nodiscard]] size_t best(int64_t cycle) const;
  [[nodiscard]] int64_t decision_cycle() const;

  // configuration
  Arbitration arbitration_;
  // state
  std::vector<Request*> waiting_;
  sc_core::sc_event decide_event_;
  ServiceClock clock_;
};

}  // namespace rdusim::sim
