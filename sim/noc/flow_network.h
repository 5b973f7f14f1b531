// The chip's packet network with static flow routes, flit by flit: one switch a tile, input FIFOs of every
// link and virtual channel, credits per hop, one flit a cycle and link.
//
//   unit ─► injection (1 cycle) ─► switch ─ link (hop latency) ─► switch ─ ... ─► switch ─► unit (1 cycle)
//
// A flow's way is a tree. Each switch on it holds a route entry (which outputs, which entry at the next
// switch): the flow id that a flit carries is rewritten at every switch, as the hardware does. Where the tree
// branches the flit is duplicated; every branch takes its copy when it can, and the FIFO slot is free after
// the last. A switch output takes turns between the FIFOs that want it; a FIFO's port is read once a cycle.
// A flow sends no faster than its throttle. Consumers may have limited room, then they hold flits back in the
// network until consume(). Tokens of a flow arrive in order; several producers of one consumer number their
// tokens, and SequenceOrder restores the order.
//
// The owner adds tokens at any time from the present on, runs to a cycle and reads what was delivered. Idle
// switches and idle cycles cost nothing. Left out: dynamic routing (mesh_network.h has it), packets of more
// than one flit on the links, errors.
// Sources: Prabhakar et al., MICRO 2024 (arXiv 2405.07518), Sec. IV-C: flow routes, credits per hop,
// duplication, sequence ids, throttling. Latencies, FIFO depths, virtual channels are not published.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sim/noc/flow.h"
#include "sim/noc/timing_wheel.h"

namespace rdusim::sim::noc {

class FlowNetwork {
 public:
  struct Delivery {
    uint32_t flow;
    uint32_t destination;  // number in Flow::destinations
    int64_t token;         // as given to inject()
    int64_t cycle;         // of its last flit
  };
  static constexpr int64_t kNever = INT64_MAX;

  // Routes that are no tree, miss a destination or leave the mesh are errors that name the flow.
  static Result<FlowNetwork> make(const FlowNetworkSpec& spec, std::vector<Flow> flows);

  // A token of `bytes` (at least one flit) is ready at its source in `cycle`, not before the present cycle;
  // tokens of a flow in the order of their cycles.
  void inject(uint32_t flow, int64_t token, int64_t bytes, int64_t cycle);
  // Room for `flits` more at a destination with limited room, from the next cycle on.
  void consume(uint32_t flow, uint32_t destination, int64_t flits);
  // Everything up to and including `cycle`.
  void run_to(int64_t cycle);
  // Until nothing moves any more: all delivered, or what is left waits for consume().
  void run_until_idle();
  // The next cycle after the present one in which something happens; kNever when all is delivered or waits.
  [[nodiscard]] int64_t next_event() const;
  [[nodiscard]] int64_t cycle() const { return cycle_; }

  // Since the last call of clear_deliveries(), by cycle.
  [[nodiscard]] std::span<const Delivery> deliveries() const {
    return {deliveries_.data(), deliveries_.size()};
  }
  void clear_deliveries() { deliveries_.clear(); }

  [[nodiscard]] int64_t link_flits(int64_t link) const { return link_flits_[static_cast<size_t>(link)]; }
  [[nodiscard]] int64_t flit_hops() const;  // over links
  [[nodiscard]] int64_t flits_injected() const { return flits_injected_; }
  [[nodiscard]] int64_t flits_delivered() const { return flits_delivered_; }  // copies
  [[nodiscard]] const std::vector<Flow>& flows() const { return flows_; }

 private:
  static constexpr unsigned kPorts = 5;  // four headings and the unit
  static constexpr unsigned kUnit = 4;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr int kSubcycleBits = 16;  // times of slow links and throttles are in 2^-16 cycles

  // Where a flow meets a switch.
  struct RouteEntry {
    uint32_t flow = 0;
    uint32_t destination = kNone;  // index of its Consumer, if the unit here takes a copy
    uint32_t next[4] = {kNone, kNone, kNone, kNone};
    unsigned outputs = 0;  // bit o: to heading o; bit 4: to the unit
  };
  struct Flit {
    uint32_t entry;
    uint32_t last;  // of its token
  };
  struct Fifo {
    uint32_t head = 0, count = 0;
    unsigned pending = 0;  // outputs that the front flit still has to go to
  };
  struct Switch {
    uint64_t wanted[kPorts] =
        {};                      // by output: FIFOs (port * virtual channels + vc) whose front flit wants it
    uint64_t credit[4] = {};     // by output: virtual channels with a credit
    int64_t free_at[4] = {};     // sub-cycle from which the link takes the next flit
    int64_t wake_at[4] = {};     // cycle for which the switch has been woken because of that
    uint16_t turn[kPorts] = {};  // by output
  };
  struct Token {
    int64_t id;
    int64_t flits;
    int64_t ready;
  };
  struct Source {
    uint32_t entry = 0;         // at the source's switch
    int64_t interval_sub = 0;   // between flits
    int64_t next_sub = 0;       // earliest next flit
    size_t next_token = 0;      // first of tokens that is not fully sent
    int64_t sent_of_token = 0;  // flits
    std::vector<Token> tokens;
  };
  struct Consumer {
    uint32_t flow = 0;
    uint32_t number = 0;
    int64_t room = 0;  // flits; only counted when limited
    bool limited = false;
    uint32_t tile = 0;
    size_t next_token = 0;
  };
  struct Arrival {
    uint32_t fifo;
    Flit flit;
  };

  explicit FlowNetwork(const FlowNetworkSpec& spec);
  Status add_flow(uint32_t number);
  void lay_out_links();
  void step();
  void expose_front(uint32_t tile, unsigned lane);
  void start_sources();
  bool send_from(uint32_t tile);
  [[nodiscard]] int64_t ready_sub(const Source& source) const;
  void evaluate(uint32_t tile);
  void send(uint32_t tile, unsigned lane, unsigned output);
  void retire(uint32_t tile, unsigned lane);
  void deliver(const Flit& flit);
  void wake(uint32_t tile) { busy_[tile >> 6] |= uint64_t{1} << (tile & 63); }
  void wake_source(uint32_t tile, int64_t cycle);

  // configuration
  FlowNetworkSpec spec_;
  std::vector<Flow> flows_;
  unsigned vcs_ = 1;
  uint64_t port_lanes_ = 0;  // the lanes of port 0
  uint64_t every_port_ = 0;  // lane 0 of each port
  uint32_t slots_ = 0;       // of a FIFO, a power of two
  std::vector<RouteEntry> entries_;
  std::vector<int64_t> hop_latency_;   // by link; of a credit back too
  std::vector<int64_t> interval_sub_;  // by link
  std::vector<uint32_t> to_fifo_;      // by link: first FIFO behind it
  std::vector<uint32_t> from_link_;    // by tile and port: the link that fills it; kNone at the border
  std::vector<std::vector<uint32_t>> tile_flows_;  // flows that start at a tile

  // state
  int64_t cycle_ = -1;
  std::vector<Switch> switches_;
  std::vector<Fifo> fifos_;
  std::vector<Flit> slots_of_;
  std::vector<int64_t> credits_;       // by link and virtual channel
  std::vector<int64_t> unit_credits_;  // by tile and virtual channel: of the unit's own port
  std::vector<uint16_t> source_turn_;  // by tile: over its flows
  std::vector<Source> sources_;        // by flow
  std::vector<Consumer> consumers_;
  std::vector<std::vector<uint32_t>> consumer_of_;          // by flow and destination
  std::vector<uint64_t> busy_;                              // switches to visit
  std::vector<std::pair<int64_t, uint32_t>> source_wakes_;  // heap of cycle and tile
  TimingWheel<Arrival> arrivals_;
  TimingWheel<uint32_t> credit_returns_;  // link * virtual channels + vc, then tile * virtual channels + vc
  TimingWheel<uint32_t> switch_wakes_;
  TimingWheel<Flit> ejections_;

  // results
  std::vector<Delivery> deliveries_;
  std::vector<int64_t> link_flits_;
  int64_t flits_injected_ = 0;
  int64_t flits_delivered_ = 0;
};

}  // namespace rdusim::sim::noc
