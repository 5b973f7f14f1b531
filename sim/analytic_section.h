// The analytic model of one section: what each unit costs (analytic_units.cpp) and when it runs
// (analytic.cpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/critical_path.h"
#include "base/program/loop_order.h"
#include "base/program/program.h"
#include "base/program/topology.h"
#include "base/result.h"
#include "sim/dual.h"
#include "sim/launch_course.h"
#include "sim/memory_pattern.h"
#include "sim/section_outcome.h"
#include "sim/stream_schedule.h"
#include "sim/token_shapes.h"

namespace rdusim::sim {

// Cycles between neighbouring firings or tokens: at least `even`, and at least the line from `first` to
// `last` (an accumulator that grows makes every firing longer than the one before).
template <typename Number>
struct Pace {
  Number even = 0;
  Number first = 0;
  Number last = 0;
};

template <typename Number>
struct Flow {                 // of a channel
  double elements = 0;        // of a token, on average
  double elements_first = 0;  // of the first and of the last token
  double elements_last = 0;
  int64_t tokens = 1;
  Number first = 0;  // arrival of the first and last token at the consumer
  Number last = 0;
  Number last_but_one = 0;           // the last may be ragged and quick, not so the one before
  std::optional<Pace<Number>> pace;  // if it is not even
};

// What a unit's consumers hold it to once the channels on the way are full.
template <typename Number>
struct BackPressure {
  Number interval = 0;  // cycles between firings of the slowest of them
  double slack = 0;     // tokens that fit in between
};

template <typename Number>
struct UnitModel {
  // Service of a firing: on average, the first, the last but one and the last.
  Number service = 1;
  Number service_first = 1;
  Number service_last_but_one = 1;
  Number service_last = 1;
  double busy = 1;           // of the service, on average: what is not spent on reading operands
  double first_firings = 1;  // firings until the first result
  Number latency = 0;
  Number result_cycles = 0;      // from a firing's first result to its last: what it gives goes on meanwhile
  Number start = 0;              // first firing begins
  Number end = 0;                // last firing is done
  Number end_but_one = 0;        // the one before is done
  std::optional<size_t> stream;  // number in its tier's schedule
  Tier tier = Tier::kSram;
  Number transfer_latency = 0;
  BackPressure<Number> held;
  int64_t bytes = 0;  // moved by a stream or exchange, all firings
  FiringWork work;    // of all firings

  void set_service(const Number& cycles) {
    busy = value_of(cycles);
    service = service_first = service_last_but_one = service_last = cycles;
  }
};

template <typename Number>
class AnalyticSection {
 public:
  using Flow = sim::Flow<Number>;
  using Pace = sim::Pace<Number>;
  using BackPressure = sim::BackPressure<Number>;
  using UnitModel = sim::UnitModel<Number>;
  using FluidStream = BasicFluidStream<Number>;

  AnalyticSection(const Program& program, const LaunchRun& run, const NodeSpec& node);
  Result<SectionOutcome> solve();
  // After solve(): when the section ends, from the launch's end. Of a Dual, by the costs in the order of
  // costs().
  [[nodiscard]] const Number& finish() const { return finish_; }
  struct Cost {
    StepKind kind = StepKind::kPcu;
    size_t unit = 0;  // of RDN steps the producer
    friend bool operator==(const Cost&, const Cost&) = default;
  };
  [[nodiscard]] const std::vector<Cost>& costs() const { return costs_; }

 private:
  [[nodiscard]] const ChipSpec& chip() const { return node_.chip; }
  [[nodiscard]] const Unit& unit(size_t u) const { return section_.units[u]; }
  [[nodiscard]] FluidStream& stream_of(const UnitModel& m) {
    return streams_[static_cast<size_t>(m.tier)][*m.stream];
  }

  void find_order();
  void place(size_t u, std::vector<bool>& placed);

  // `cycles`, of which `scaling` scale with the resource: a variable of what is computed from it.
  [[nodiscard]] Number cost(StepKind kind, size_t unit, double cycles, double scaling) const;
  [[nodiscard]] Number cost(StepKind kind, size_t unit, double cycles) const {
    return cost(kind, unit, cycles, cycles);
  }

  [[nodiscard]] Number occupancy(size_t u, StepKind kind, const FiringCycles& cycles) const;

  // analytic_units.cpp: costs
  Status characterise(size_t u);
  Status measure_tokens(ChannelId channel);
  void characterise_stream(size_t u);
  void characterise_sram(size_t u, const Symbol& symbol);
  void add_stream(size_t u, const Number& cycles);
  void characterise_send(size_t u);
  void characterise_receive(size_t u);
  Status characterise_compute(size_t u);

  // analytic_ahead.cpp: streams that begin before the launch is complete, which is time 0
  void begin_ahead();
  void count_ahead();
  void end_head_start();
  // What a load brings ahead is not stored ahead.
  [[nodiscard]] Number not_before_its_begin(size_t u, const Number& time) const {
    return head_ > Number(0) ? std::max<Number>(time, begin_of(u)) : time;
  }
  [[nodiscard]] Number begin_of(size_t u) const { return head_start_.runs_ahead(u) ? Number(-1) * head_ : 0; }

  // analytic_loop.cpp: iterations of a looping launch that prefetches
  void loop();
  void release_free_streams(const std::vector<LoopWait>& waits);
  [[nodiscard]] Number slots_free(size_t u) const;

  // analytic.cpp: times
  void settle();
  void find_back_pressure();
  void propagate(size_t u);
  void follow_schedule(UnitModel& m, const Unit& x, Number& first_done);
  [[nodiscard]] Number work_end(const UnitModel& m, double firings, const Pace& pace) const;
  // Cycles that a token of the channel is on its RDN links.
  [[nodiscard]] Number carry(ChannelId c) const { return carry(c, flows_[c.value].elements); }
  [[nodiscard]] Number carry(ChannelId c, double elements) const;
  // Of these, what remains once the unit has given the token's last part.
  [[nodiscard]] Number carry_after(const UnitModel& m, ChannelId c, double elements) const {
    return std::max<Number>(0, carry(c, elements) - m.result_cycles);
  }
  [[nodiscard]] Number round_trip(const UnitModel& m, const Unit& x, ChannelId c) const;
  [[nodiscard]] Number credit_limit(const UnitModel& m, const Unit& x, const Number& first_done) const;
  [[nodiscard]] Number hops(ChannelId c) const;
  void set_gates();
  [[nodiscard]] SectionOutcome outcome() const;
  void count_bytes(size_t u, ByteCounts& bytes) const;
  void count_channels(SectionOutcome& out) const;

  const Program& program_;
  const Section& section_;
  const Launch& launch_;
  const HeadStart& head_start_;
  const NodeSpec& node_;
  std::array<int64_t, kTierCount> memory_bytes_per_s_;  // for this section's pattern
  std::vector<ChannelEnds> ends_;
  std::vector<int64_t> turn_ranks_;
  std::optional<TokenShapes> shapes_;
  std::vector<size_t> order_;  // producers before consumers
  std::vector<Flow> flows_;
  std::vector<UnitModel> models_;
  std::array<std::vector<FluidStream>, kTierCount> streams_;
  std::array<Number, kTierCount> busy_{};
  std::map<uint32_t, Number> exchange_first_;  // arrival of the peers' first and last message
  std::map<uint32_t, Number> exchange_last_;
  Number link_busy_ = 0;
  Number link_free_ = 0;  // when the link has passed the sends so far
  Number finish_ = 0;
  Number iteration_ = 0;                         // cycles from one iteration's end to the next
  std::vector<std::vector<size_t>> loop_order_;  // by unit
  Number head_ = 0;                              // head start of the iteration that is settled
  std::vector<int64_t> ahead_busy_;              // by unit: cycles of its work in the head start
  mutable std::vector<Cost> costs_;              // variables so far; none of doubles
};

}  // namespace rdusim::sim
