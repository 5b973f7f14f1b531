// Hardware: everything SystemC elaborates, once per process. Per socket two memory controllers with their
// AGCU ports and the two directions of the socket link; a pool of unit processes that grows on demand. Runs
// configure it; nothing of one run stays for the next but simulated time.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "sim/memory_controller.h"
#include "sim/server.h"
#include "sim/unit_process.h"

namespace rdusim::sim {

// assumed: the largest published node has 16 sockets; functional runs, which simulate each, stop there.
inline constexpr int64_t kMaxSockets = 16;

class Hardware {
 public:
  static Hardware& instance();

  // An outside memory model: makes a target that is bound in place of the built-in controller of (socket,
  // tier). Its bandwidth and latency are its own. To be called before the process's first run.
  using TargetFactory = std::function<tlm::tlm_target_socket<>*(int64_t socket, Tier tier)>;
  static void set_target_factory(TargetFactory factory);
  static bool has_outside_memory();

  // --- configuration, while nothing runs
  void configure(const NodeSpec& node);
  // For the next section; [tier].
  void configure_memory(const ChipSpec& chip, const std::array<int64_t, kTierCount>& bytes_per_s);
  void reset_servers();

  // --- ports; null for SRAM, which has no shared channel
  AgcuPort* memory_port(int64_t socket, Tier tier);
  // Null for SRAM and where an outside memory is bound.
  [[nodiscard]] const Server* memory_server(int64_t socket, Tier tier) const;
  Server& egress(int64_t socket) { return *sockets_[static_cast<size_t>(socket)].egress; }
  Server& ingress(int64_t socket) { return *sockets_[static_cast<size_t>(socket)].ingress; }
  [[nodiscard]] int64_t link_latency_cycles() const { return link_latency_cycles_; }

  // End of the last section that ran; the next one begins later.
  [[nodiscard]] int64_t drained_cycle() const { return drained_cycle_; }
  void set_drained_cycle(int64_t cycle) { drained_cycle_ = cycle; }

  // The pool's process number `index`, which must be idle; the pool grows to hold it.
  UnitProcess* process(size_t index);

 private:
  struct MemoryPath {
    std::unique_ptr<AgcuPort> port;
    std::unique_ptr<MemoryController> controller;
  };
  struct Socket {
    std::array<MemoryPath, kTierCount> memory;  // [kSram] is empty
    std::unique_ptr<Server> egress;
    std::unique_ptr<Server> ingress;
  };
  Hardware();

  std::vector<Socket> sockets_;
  std::vector<std::unique_ptr<UnitProcess>> processes_;
  int64_t link_latency_cycles_ = 0;
  int64_t drained_cycle_ = 0;
};

}  // namespace rdusim::sim
