// Server: a resource that serves one request after another at a fixed rate: a memory channel, a link port.
//
//   post() --> [ waiting requests ] --arbiter--> serving (busy until free) --> granted(start, finish)
//
// The arbiter decides after everything of a cycle has happened (one tick later, with the true start time), so
// the order in which processes of one cycle run cannot show. Time inside is in 2^-20 cycles, so a rate that
// is no whole number of bytes a cycle loses nothing.
#pragma once

#include <cstdint>
#include <systemc>
#include <vector>

#include "base/random.h"

namespace rdusim::sim {

inline constexpr int kSubcycleBits = 20;
constexpr int64_t ceil_cycle(int64_t sub) {
  return (sub + (int64_t{1} << kSubcycleBits) - 1) >> kSubcycleBits;
}

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

  // Rate as a fraction, so that no rounding accumulates. Call while idle.
  void configure(int64_t bytes_per_s, int64_t clock_hz);
  void post(Request* request);
  // Forgets waiting requests (after a failed run) and starts counting busy time.
  void reset();

  [[nodiscard]] int64_t busy_cycles() const { return ceil_cycle(busy_sub_); }

 private:
  void decide();
  [[nodiscard]] size_t best(int64_t cycle) const;
  [[nodiscard]] int64_t decision_cycle() const;
  int64_t cost_sub(int64_t bytes);

  // configuration
  Arbitration arbitration_;
  int64_t bytes_per_s_ = 1;
  int64_t clock_hz_ = 1;
  // state
  std::vector<Request*> waiting_;
  sc_core::sc_event decide_event_;
  int64_t free_sub_ = 0;
  int64_t last_bytes_ = -1;  // cost of the last size asked: streams repeat it
  int64_t last_cost_sub_ = 0;
  int64_t last_remainder_ = 0;  // of a subcycle, in 1 / bytes_per_s_
  int64_t carry_ = 0;
  // statistics
  int64_t busy_sub_ = 0;
};

}  // namespace rdusim::sim
