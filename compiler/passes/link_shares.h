// What the flows of a section leave each other of the mesh's links: the rate at which a leg passes tokens.
//
// Every leg is a flow that is under way for a part of the launch: the reads and results of a stage while it
// works, from when its first tokens are there until all that follows in the pipeline remains; weights while
// the memory has their turn. Flows that are under way together share a link max-min fairly: each gets what
// the others do not want in that time, or as much as they. Reads that begin together, with the same firings
// (fellows), have the link together from their first vector on, whatever their averages.
// Streams of the memory come one after the other, as its controller serves them; where the mesh passes one
// more slowly than the memory sends it, it is still under way when the next begins. When a gather has its
// turn is not known beforehand: it counts as alone among streams. Of a value that leaves by several channels,
// what meets on a link is the same tokens, which go once.
//
// When stages work follows from how long their reads take, and these from the shares: both are found in turn.
// APPROX: within its time a flow is even, so a burst that meets another within it is not seen; the
// cycle-level engine does (docs/sim.md says how near the two come). Max-min fairness as in Bertsekas and
// Gallager, Data Networks, Sec. 6.5: links in turn give it to flows whose inputs always have something to
// send.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "compiler/passes/leg_traffic.h"

namespace rdusim::compiler {

struct Leg {
  size_t channel = 0;
  size_t leg = 0;
  friend bool operator==(const Leg&, const Leg&) = default;
};

// Where the routes of a leg lead.
struct LegWays {
  struct OwnLink {
    uint32_t link = 0;
    int routes = 0;  // of the leg
  };
  std::vector<OwnLink> links{};
  double local_rate = 0;  // of a route, as the ports of its ends have it, bytes a cycle
};
using SectionWays = std::vector<std::array<LegWays, 2>>;  // by channel and leg

class LinkShares {
 public:
  // Keeps references; legs and their ways are read when asked. `rates` of links, bytes a cycle.
  LinkShares(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip,
             const LegTraffic& legs, const SectionWays& ways, const std::vector<double>& rates);

  // The firing's other operands, and those of consumers that take the same tokens at the same stage of the
  // pipeline. What a stage streams in, it waits for in turn; so stages that stream do not keep step. Legs
  // without routes are left out.
  [[nodiscard]] std::vector<Leg> fellows(Leg leg) const;

  // After routes have changed. `launch_cycles`: the least that a launch takes.
  void find_flows(double launch_cycles);
  // The pace of reads, and with it the course of the launch; once more brings both nearer.
  void find_course();
  // Bytes a cycle at which a leg passes tokens.
  [[nodiscard]] double leg_rate(Leg leg);

 private:
  struct Flow {
    Leg leg;
    bool stream = false;
    bool in_turn = false;  // a stream that the memory serves in its turn
    bool gathers = false;  // what it reads, and when, its data decide
    double begin = 0;      // cycles
    double end = 1;
    std::optional<size_t> port{};  // of those whose tokens leave by several channels
    size_t slow_link = 0;          // of its links, the one that is likely the slowest
    [[nodiscard]] double cycles() const { return end - begin; }
  };
  struct Passing {  // a flow over a link
    size_t flow = 0;
    double bytes = 0;
  };
  struct Turn {
    double begin = 0;
    double end = 0;  // 0: none
  };

  void find_depths();
  void find_turns();
  void find_times();
  void find_fellows();
  [[nodiscard]] std::vector<size_t> in_step(size_t unit) const;
  void add_flow(Leg leg);
  void find_passing();
  [[nodiscard]] const LegWays& ways(const Flow& flow) const { return ways_[flow.leg.channel][flow.leg.leg]; }
  [[nodiscard]] std::span<const Passing> passing(size_t link) const {
    return {&passing_[passing_begin_[link]], passing_end_[link] - passing_begin_[link]};
  }
  // Channels of one port carry the same tokens.
  [[nodiscard]] static bool together(const Flow& a, const Flow& b) { return a.port && a.port == b.port; }
  void meet(size_t flow);
  [[nodiscard]] double left(const LegWays::OwnLink& own, double part, double cycles, double enough);
  [[nodiscard]] double pass_cycles(size_t channel) const;

  const Section& section_;
  const SectionTraffic& traffic_;
  const RdnSpec& rdn_;
  const LegTraffic& legs_;
  const SectionWays& ways_;
  const std::vector<double>& rates_;
  double hbm_bytes_per_cycle_;
  double launch_cycles_ = 1;
  std::vector<int> depth_;                 // of each unit: compute stages on the longest way to it
  std::vector<Turn> turns_;                // of loads at the memory, by unit, cycles
  std::vector<std::vector<Leg>> fellows_;  // of the operands of each channel, routed or not
  std::vector<Flow> flows_;
  std::vector<Passing> passing_;       // of all links
  std::vector<size_t> passing_begin_;  // of each link
  std::vector<size_t> passing_end_;
  std::vector<double> read_rates_;            // by channel, bytes a cycle; 0: not known yet
  std::vector<double> stream_cycles_;         // by flow, of those in turn; empty: not known yet
  std::vector<std::vector<size_t>> flow_of_;  // by channel and leg
  std::vector<double> met_;                   // of each flow, the part that falls within the leg's at hand
  std::vector<double> wanted_;                // of a link, by the others, bytes
};

}  // namespace rdusim::compiler
