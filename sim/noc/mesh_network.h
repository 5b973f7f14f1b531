// A mesh of virtual-channel routers, flit by flit and cycle by cycle.
//
//   node ─► source ─► input VC ─► [VC allocation] ─► [switch allocation] ─► switch ─► channel ─► next router
//            ▲ credits ◄──────────────────────────────────┘ one a flit that leaves a buffer
//
// A cycle has two halves, between which the owner may offer packets:
//   begin_cycle(t)   what was under way arrives: flits at routers and nodes, credits
//   finish_cycle(t)  sources send, routers allocate; both see only what begin_cycle brought
// Whatever one router does to another takes at least two cycles, so the order in which routers are visited
// cannot show. Allocators are separable, input first, with round-robin priority (round_robin.h).
//
// Speed: a router is visited only while it can do something (a flit with a credit and a virtual channel, or a
// packet that waits for one that is free); everything else is a timed event. When next_event() lies ahead,
// the cycles between are skipped. All state is in flat arrays; nothing is allocated after construction.
//
// Timing, checked against BookSim 2 (docs/units/rdn.md): a flit granted the switch in cycle s is on the
// channel at s + traversal and in the next buffer one cycle plus the channel latency later; its credit is
// usable upstream at s + 1 + channel latency + credit delay (one credit delay less at a node).
//
// APPROX: allocation delays above one cycle are spent before the first attempt (VC) or after the grant
// (switch); attempts come every cycle.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/noc/mesh_spec.h"
#include "sim/noc/timing_wheel.h"

namespace rdusim::sim::noc {

class MeshNetwork {
 public:
  // A flit that reached its node. Packet numbers are the owner's.
  struct Delivery {
    uint32_t packet;
    uint32_t node;
    bool tail;
  };
  // A flit that left its source.
  struct Departure {
    uint32_t packet;
    uint32_t node;
    bool head;
    bool tail;
  };
  static constexpr int64_t kNever = INT64_MAX;

  // The specification must be valid (validate()).
  explicit MeshNetwork(const MeshSpec& spec);

  // Cycles must not go back; a cycle between the last one and `cycle` must have no event.
  void begin_cycle(int64_t cycle);
  // A source takes one packet at a time, between begin_cycle and finish_cycle; flits is at least 1.
  [[nodiscard]] bool source_free(uint32_t node) const { return sources_[node].flits_left == 0; }
  void offer(uint32_t node, uint32_t packet, uint32_t destination, uint32_t flits);
  void finish_cycle();

  // Of the present cycle.
  [[nodiscard]] std::span<const Delivery> deliveries() const {
    return {deliveries_.data(), deliveries_.size()};
  }
  [[nodiscard]] std::span<const Departure> departures() const {
    return {departures_.data(), departures_.size()};
  }
  // The next cycle, after the present one, in which anything can happen without a new packet.
  [[nodiscard]] int64_t next_event() const;

  // Flits sent so far by output port `port` of the router at `node`.
  [[nodiscard]] int64_t link_flits(uint32_t node, unsigned port) const {
    return link_flits_[node * kPorts + port];
  }
  // Flits that left a router so far, on any port: flit-hops, ejection included.
  [[nodiscard]] int64_t flit_hops() const;
  [[nodiscard]] int64_t flits_in_network() const { return flits_entered_ - flits_left_; }
  [[nodiscard]] const MeshSpec& spec() const { return spec_; }

 private:
  // Small numbers are 16 bits wide, never 8: a store through a byte may alias anything, and the compiler
  // would have to load every pointer again after it.
  struct Flit {
    uint32_t packet;
    uint16_t xy;  // destination: column | row << 8
    uint16_t vc;  // of the channel it travels on, and flags
  };
  static constexpr uint16_t kHead = 0x100;
  static constexpr uint16_t kTail = 0x200;
  static constexpr uint16_t kVcBits = 0xFF;

  // Bit i of a mask is input VC i = port * virtual_channels + vc; of in_use and has_credit, output VC
  // likewise.
  struct Router {
    uint64_t ready = 0;   // hold an output VC, a flit and a credit
    uint64_t active = 0;  // hold an output VC
    uint64_t in_use = 0;
    uint64_t has_credit = 0;
    uint64_t waiting[kPorts] = {};  // for an output VC of that port
    unsigned waited_ports = 0;      // bit o: waiting[o] is not empty
    uint16_t x = 0, y = 0;
    uint16_t vc_pointer[kPorts] = {};      // of an input port: over its VCs
    uint16_t input_pointer[kPorts] = {};   // of an input port: over outputs
    uint16_t output_pointer[kPorts] = {};  // of an output port: over inputs
  };
  struct InputVc {
    uint16_t head = 0, count = 0;
    uint16_t out_port = 0, out_vc = 0;
    uint16_t pointer = 0;  // over output VCs
  };
  struct OutputVc {
    uint16_t owner = 0;    // input VC, while in use
    uint16_t pointer = 0;  // over input VCs
  };
  static constexpr uint16_t kNoVc = 0xFFFF;
  struct Source {
    uint32_t packet = 0;
    uint32_t flits_left = 0;
    uint16_t xy = 0;
    uint16_t vc = 0;
    uint16_t last_vc = kNoVc;
    bool head = false;
  };
  struct Arrival {
    uint32_t input;  // router * ports + port
    Flit flit;
  };
  struct Ejection {
    uint32_t node;
    Flit flit;
  };
  struct VcGrant {
    uint16_t input, output;  // VCs
  };
  struct SwitchGrant {
    uint16_t port, vc;  // of the input
    bool speculative;
  };

  void connect();
  // Functions of the hot path exist for the usual numbers of virtual channels, known to the compiler, and
  // once (V = 0) for any.
  template <unsigned V>
  [[nodiscard]] unsigned vcs() const {
    return V != 0 ? V : vcs_;
  }
  template <unsigned V>
  [[nodiscard]] uint64_t vc_mask() const {
    return (uint64_t{1} << vcs<V>()) - 1;
  }
  template <typename Body>
  void for_vcs(Body&& body);
  template <unsigned V>
  void take_events();
  template <unsigned V>
  void visit_routers();
  template <unsigned V>
  void accept(uint32_t input, const Flit& flit);
  template <unsigned V>
  void take_credit(uint32_t index);
  template <unsigned V>
  void start_route(uint32_t router, unsigned vc, int64_t ready_cycle);
  template <unsigned V>
  void wait_for_vc(Router& router, uint32_t number, unsigned vc);
  bool send_from(uint32_t node);
  template <unsigned V>
  void evaluate(uint32_t number);
  template <unsigned V>
  void evaluate_lone_packet(Router& router, uint32_t number);
  template <unsigned V>
  void win_switch(Router& router, unsigned input, unsigned port);
  template <unsigned V>
  unsigned allocate_vcs(Router& router, uint32_t number, VcGrant* grants);
  template <unsigned V>
  [[nodiscard]] uint64_t speculating(const Router& router) const;
  template <unsigned V>
  [[nodiscard]] uint64_t free_vcs(const Router& router, unsigned port) const {
    return (~router.in_use >> (port * vcs<V>()) & vc_mask<V>()) << (port * vcs<V>());
  }
  template <unsigned V>
  unsigned allocate_switch(Router& router, uint32_t number, uint64_t speculative, SwitchGrant* grants);
  template <unsigned V>
  unsigned bid(Router& router, uint32_t number, unsigned port, uint64_t bids, uint16_t& vc) const;
  template <unsigned V>
  void commit_vc(Router& router, uint32_t number, unsigned input, unsigned output);
  template <unsigned V>
  void traverse(Router& router, uint32_t number, unsigned input_port, unsigned vc);
  template <unsigned V>
  [[nodiscard]] bool can_act(const Router& router) const;
  void wake(uint32_t router) { busy_[router >> 6] |= uint64_t{1} << (router & 63); }

  // configuration
  MeshSpec spec_;
  unsigned vcs_;
  unsigned buffer_mask_;  // slots of a buffer, a power of two, less 1
  unsigned buffer_shift_;
  int64_t link_delay_, eject_delay_, credit_delay_, eject_credit_delay_;
  int64_t before_first_try_;               // routing and allocation delays beyond the allocation cycle itself
  std::vector<uint32_t> downstream_;       // of an output port: the input it leads to
  std::vector<uint32_t> upstream_credit_;  // of an input port: first index into credits_ of who sends to it

  // state
  int64_t cycle_ = -1;
  std::vector<Router> routers_;
  std::vector<InputVc> inputs_;
  std::vector<OutputVc> outputs_;
  std::vector<uint16_t> credits_;  // of every output VC, then of every source's VC
  std::vector<Flit> buffers_;
  std::vector<Source> sources_;
  std::vector<uint64_t> busy_;     // routers to visit
  std::vector<uint64_t> sending_;  // sources to visit
  TimingWheel<Arrival> arrivals_;
  TimingWheel<Ejection> ejections_;
  TimingWheel<uint32_t> credit_returns_;  // index into credits_
  TimingWheel<uint32_t> routed_;          // router * input VCs + input VC

  // results
  std::vector<Delivery> deliveries_;
  std::vector<Departure> departures_;
  std::vector<int64_t> link_flits_;
  int64_t flits_entered_ = 0;
  int64_t flits_left_ = 0;
};

}  // namespace rdusim::sim::noc
