// SectionRun: one launch of one section on the simulated sockets: configure units and channels, let the
// kernel run until nothing moves, then read the counters.
#pragma once

#include <memory>
#include <vector>

#include "base/program/run_result.h"
#include "base/program/topology.h"
#include "base/result.h"
#include "sim/component.h"
#include "sim/section_context.h"
#include "sim/section_outcome.h"
#include "sim/token_channel.h"

namespace rdusim::sim {

class SectionRun {
 public:
  explicit SectionRun(SectionContext& context);
  // Fails with a unit's error, or kDeadlock.
  Result<SectionOutcome> run();

 private:
  struct Fabric {                                         // of one socket
    std::vector<std::unique_ptr<TokenChannel>> channels;  // as the section's
    std::vector<std::vector<std::unique_ptr<TokenChannel>>>
        mailboxes;  // [receive unit][k - 1]; empty for other units
    std::vector<std::unique_ptr<TokenChannel>> iteration_ends;
    std::vector<std::unique_ptr<Component>> components;  // as the section's units
  };

  void build_channels(int64_t socket);
  void build_components(int64_t socket);
  void order_iterations(Fabric& fabric);
  std::unique_ptr<Component> make_component(int64_t socket, size_t unit);
  std::vector<TokenChannel*> outgoing_mailboxes(int64_t socket, const Unit& send);
  void start();
  Status check_finished();
  void abort_all();
  [[nodiscard]] std::vector<const Component*> all_components() const;
  [[nodiscard]] SectionOutcome outcome() const;

  SectionContext& context_;
  std::vector<Fabric> sockets_;
};

// The error of a drained but unfinished section: the cycle of units that wait for each other, and each
// channel's fill.
Error deadlock_error(const Section& section, const std::vector<const Component*>& components,
                     const std::vector<const TokenChannel*>& channels);

}  // namespace rdusim::sim
