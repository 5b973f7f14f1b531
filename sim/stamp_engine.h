// The stamp engine: a timing run of one section launch, to the cycle as section_run.h has it, without an
// event kernel.
//
// Channels have one writer and one reader, so all times but those of shared resources follow from stamps
// (max-plus, token_channel.h). Only memory channels and link ports need simulated time, and they take their
// turns in order of their decisions (stamp_server.h). So a section runs as loops over flat rings.
//
// When the section repeats itself (period_finder.h), whole periods are skipped.
//
// What it leaves to section_run.h: values, timelines, memories from outside, and the words of an error: it
// stops without an outcome when a unit fails or nothing can move.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "sim/section_context.h"
#include "sim/section_outcome.h"
#include "sim/stamp_server.h"
#include "sim/stamp_unit.h"

namespace rdusim::sim {

// What the units of one socket share; that socket stands for all.
template <typename Stamp>
struct StampFabric {
  std::vector<StampUnit<Stamp>*> ready;       // that can go on
  std::vector<StampChannel<Stamp>> channels;  // as the section's
  std::vector<std::vector<StampChannel<Stamp>>>
      mailboxes;                                      // [receive unit][k - 1], of the k-th previous peer
  std::array<MemoryTurns<Stamp>, kTierCount> memory;  // [kSram] is not used
  LinkTurns<Stamp> egress;
  LinkTurns<Stamp> ingress;
  std::array<int64_t, kTierCount> memory_latency_cycles{};
  std::array<StepKind, kTierCount> transfer_kind{};
  std::array<double, kTierCount> memory_latency_scaling{};  // before rounding
  int64_t link_latency_cycles = 0;
  double link_latency_scaling = 0;
  int64_t last_decision_cycle = -1;
  std::vector<std::unique_ptr<StampChannel<Stamp>>> iteration_ends;  // from who ends to who waits
  int64_t first_iteration = 0;  // of the streams, while states are walked
  bool failed = false;
};

// A run with TracedStamp does not skip periods, and says by which steps it came to its end.
template <typename Stamp>
class StampEngine {
 public:
  StampEngine(const SectionContext& context, bool skip_periods);
  // Nothing: a unit failed or the section stopped before its end.
  std::optional<SectionOutcome> run();

  // After run(): the stamp of the last that happened.
  [[nodiscard]] Stamp end() const;

  // The state that decides the future, and every statistic.
  void walk(StateWalk& state);
  [[nodiscard]] int64_t firings() const;

 private:
  [[nodiscard]] int64_t first_iteration() const;

  void build_channels();
  void build_unit(size_t index);
  void order_iterations();
  void run_ready();
  bool decide();
  void pass_egress(int64_t cycle);
  void pass_ingress(int64_t cycle);
  [[nodiscard]] const StampUnit<Stamp>* choose_anchor() const;
  [[nodiscard]] SectionOutcome outcome() const;

  const SectionContext& context_;
  bool skip_periods_;
  StampFabric<Stamp> fabric_;
  std::vector<std::unique_ptr<StampUnit<Stamp>>> units_;
  std::vector<std::pair<size_t, size_t>> ends_;            // producer and consumer of each channel
  std::vector<std::pair<size_t, size_t>> iteration_ends_;  // of fabric_.iteration_ends
  int64_t firings_skipped_ = 0;
};

}  // namespace rdusim::sim
