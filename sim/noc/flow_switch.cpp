// One cycle of one switch of the flow network: every output picks one FIFO, every FIFO's port is read once,
// flits are duplicated where their tree branches.
#include "sim/noc/flow_network.h"
#include "sim/noc/round_robin.h"

namespace rdusim::sim::noc {

// The front flit of a FIFO asks for what it still has to reach; a consumer without room is not asked.
void FlowNetwork::expose_front(uint32_t tile, unsigned lane) {
  const uint32_t number = tile * kPorts * vcs_ + lane;
  const Fifo& fifo = fifos_[number];
  Switch& at = switches_[tile];
  for (unsigned left = fifo.pending; left != 0; left &= left - 1) {
    const unsigned output = lowest_bit(left);
    if (output == kUnit) {
      const Flit& flit = slots_of_[size_t{number} * slots_ + fifo.head];
      const Consumer& consumer = consumers_[entries_[flit.entry].destination];
      if (consumer.limited && consumer.room == 0) continue;
    }
    at.wanted[output] |= uint64_t{1} << lane;
  }
  wake(tile);
}

void FlowNetwork::evaluate(uint32_t tile) {
  Switch& at = switches_[tile];
  uint64_t closed = 0;  // lanes of ports that another lane was read from
  uint64_t done = 0;    // lanes whose front flit has left for good
  bool more = false;
  for (unsigned i = 0; i < kPorts; ++i) {
    // Which output chooses first changes from cycle to cycle: no output is always last at a shared port.
    const auto output = static_cast<unsigned>((static_cast<uint64_t>(cycle_) + i) % kPorts);
    if (at.wanted[output] == 0) continue;
    const uint64_t able =
        output == kUnit ? at.wanted[output] : at.wanted[output] & (at.credit[output] * every_port_);
    if (able == 0) continue;  // a credit wakes this switch
    if (output != kUnit && at.free_at[output] >> kSubcycleBits > cycle_) {
      const int64_t free = at.free_at[output] >> kSubcycleBits;
      if (at.wake_at[output] != free) switch_wakes_.add(free, tile);
      at.wake_at[output] = free;
      continue;
    }
    const uint64_t open = able & ~closed;
    if (open == 0) {
      more = true;
      continue;
    }
    const unsigned lane = round_robin_pick(open, at.turn[output]);
    at.turn[output] = round_robin_next(lane, kPorts * vcs_);
    closed |= (port_lanes_ << (lane / vcs_ * vcs_)) & ~(uint64_t{1} << lane);
    send(tile, lane, output);
    if (fifos_[tile * kPorts * vcs_ + lane].pending == 0) done |= uint64_t{1} << lane;
    more = more || (able & (able - 1)) != 0;
  }
  for (; done != 0; done &= done - 1) retire(tile, lowest_bit(done));
  if (more) wake(tile);
}

void FlowNetwork::send(uint32_t tile, unsigned lane, unsigned output) {
  const uint32_t number = tile * kPorts * vcs_ + lane;
  Switch& at = switches_[tile];
  Fifo& fifo = fifos_[number];
  const Flit flit = slots_of_[size_t{number} * slots_ + fifo.head];
  fifo.pending &= ~(1U << output);
  at.wanted[output] &= ~(uint64_t{1} << lane);
  const RouteEntry& entry = entries_[flit.entry];
  if (output == kUnit) {
    Consumer& consumer = consumers_[entry.destination];
    if (consumer.limited) --consumer.room;
    ejections_.add(cycle_ + 1, flit);
    return;
  }
  const size_t link = size_t{tile} * 4 + output;
  const unsigned vc = lane % vcs_;
  const int64_t now = cycle_ << kSubcycleBits;
  at.free_at[output] = (at.free_at[output] > now ? at.free_at[output] : now) + interval_sub_[link];
  if (--credits_[link * vcs_ + vc] == 0) at.credit[output] &= ~(uint64_t{1} << vc);
  ++link_flits_[link];
  arrivals_.add(cycle_ + hop_latency_[link], {to_fifo_[link] + vc, {entry.next[output], flit.last}});
}

// All branches have their copy: the slot goes back to whoever fills this FIFO.
void FlowNetwork::retire(uint32_t tile, unsigned lane) {
  const uint32_t number = tile * kPorts * vcs_ + lane;
  Fifo& fifo = fifos_[number];
  fifo.head = (fifo.head + 1) & (slots_ - 1);
  --fifo.count;
  const uint32_t link = from_link_[number / vcs_];
  const unsigned vc = lane % vcs_;
  if (link == kNone) {
    credit_returns_.add(cycle_ + 1, static_cast<uint32_t>(credits_.size()) + tile * vcs_ + vc);
  } else {
    credit_returns_.add(cycle_ + hop_latency_[link], link * vcs_ + vc);
  }
  if (fifo.count == 0) return;
  fifo.pending = entries_[slots_of_[size_t{number} * slots_ + fifo.head].entry].outputs;
  expose_front(tile, lane);
}

}  // namespace rdusim::sim::noc
