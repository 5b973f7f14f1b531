#include "sim/hardware.h"

#include <fmt/format.h>

#include "base/check.h"
#include "sim/resource_rates.h"

// The SystemC library's own main() calls this; our programs have their own main and start the kernel from
// run().
int sc_main(int, char*[]);
int sc_main(int, char*[]) {
  return 0;
}

namespace rdusim::sim {

namespace {

Hardware::TargetFactory& target_factory() {
  static Hardware::TargetFactory factory;
  return factory;
}

bool& elaborated() {
  static bool done = false;
  return done;
}

}  // namespace

Hardware& Hardware::instance() {
  // Lives to the end of the process: the kernel's own statics may outlive ours.
  static Hardware* hardware = new Hardware;
  return *hardware;
}

bool Hardware::has_outside_memory() {
  return static_cast<bool>(target_factory());
}

void Hardware::set_target_factory(TargetFactory factory) {
  RDU_CHECK(!elaborated(), "the hardware is elaborated already");
  target_factory() = std::move(factory);
}

Hardware::Hardware() : sockets_(static_cast<size_t>(kMaxSockets)) {
  elaborated() = true;
  for (size_t s = 0; s < sockets_.size(); ++s) {
    Socket& socket = sockets_[s];
    for (const Tier tier : {Tier::kHbm, Tier::kDdr}) {
      MemoryPath& path = socket.memory[static_cast<size_t>(tier)];
      const std::string name = fmt::format("socket{}_{}", s, tier_name(tier));
      path.port = std::make_unique<AgcuPort>((name + "_agcu").c_str());
      auto* outside = target_factory() ? target_factory()(static_cast<int64_t>(s), tier) : nullptr;
      if (outside != nullptr) {
        path.port->socket.bind(*outside);
        continue;
      }
      path.controller = std::make_unique<MemoryController>(name.c_str());
      path.port->socket.bind(path.controller->socket);
    }
    socket.egress =
        std::make_unique<Server>(fmt::format("socket{}_egress", s).c_str(), Arbitration::kFirstCome);
    socket.ingress =
        std::make_unique<Server>(fmt::format("socket{}_ingress", s).c_str(), Arbitration::kFirstCome);
  }
}

void Hardware::configure(const NodeSpec& node) {
  for (Socket& socket : sockets_) {
    socket.egress->configure(link_bytes_per_s(node), clock_hz(node.chip));
    socket.ingress->configure(link_bytes_per_s(node), clock_hz(node.chip));
  }
  link_latency_cycles_ = sim::link_latency_cycles(node);
}

void Hardware::configure_memory(const ChipSpec& chip, const std::array<int64_t, kTierCount>& bytes_per_s) {
  for (Socket& socket : sockets_) {
    for (const Tier tier : {Tier::kHbm, Tier::kDdr}) {
      const auto t = static_cast<size_t>(tier);
      const auto& controller = socket.memory[t].controller;
      if (controller) controller->configure(chip, tier, bytes_per_s[t]);
    }
  }
}

void Hardware::reset_servers() {
  for (Socket& socket : sockets_) {
    for (MemoryPath& path : socket.memory) {
      if (path.controller) path.controller->server.reset();
    }
    socket.egress->reset();
    socket.ingress->reset();
  }
}

AgcuPort* Hardware::memory_port(int64_t socket, Tier tier) {
  return sockets_[static_cast<size_t>(socket)].memory[static_cast<size_t>(tier)].port.get();
}

const Server* Hardware::memory_server(int64_t socket, Tier tier) const {
  const MemoryPath& path = sockets_[static_cast<size_t>(socket)].memory[static_cast<size_t>(tier)];
  return path.controller ? &path.controller->server : nullptr;
}

UnitProcess* Hardware::process(size_t index) {
  while (processes_.size() <= index) processes_.push_back(std::make_unique<UnitProcess>());
  return processes_[index].get();
}

}  // namespace rdusim::sim
