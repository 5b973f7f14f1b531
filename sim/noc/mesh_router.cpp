// One cycle of one router: both allocators look at the state that the cycle began with, then virtual channels
// are taken and flits leave. The idea of the masks: what cannot win is not in them, so a router with one flit
// does the work of one flit.
#include "sim/noc/mesh_network.h"
#include "sim/noc/mesh_route.h"
#include "sim/noc/round_robin.h"

namespace rdusim::sim::noc {
namespace {

bool single(uint64_t mask) {
  return (mask & (mask - 1)) == 0;
}

}  // namespace

template <unsigned V>
bool MeshNetwork::can_act(const Router& router) const {
  if (router.ready != 0) return true;
  for (unsigned ports = router.waited_ports; ports != 0; ports &= ports - 1) {
    if (free_vcs<V>(router, lowest_bit(ports)) != 0) return true;
  }
  return false;
}

// What the switch allocator does where only one input VC bids, for one output.
template <unsigned V>
void MeshNetwork::win_switch(Router& router, unsigned input, unsigned port) {
  const unsigned from = input / vcs<V>();
  router.output_pointer[port] = round_robin_next(from, kPorts);
  router.input_pointer[from] = round_robin_next(port, kPorts);
  router.vc_pointer[from] = round_robin_next(input - from * vcs<V>(), vcs<V>());
}

// evaluate() where one packet waits for a VC and nothing else can move: most visits at low load.
template <unsigned V>
void MeshNetwork::evaluate_lone_packet(Router& router, uint32_t number) {
  const unsigned port = lowest_bit(router.waited_ports);
  const unsigned input = lowest_bit(router.waiting[port]);
  const uint64_t free = free_vcs<V>(router, port);
  if (free == 0) return;
  const uint32_t base = number * kPorts * vcs<V>();
  InputVc& in = inputs_[base + input];
  const unsigned output = round_robin_pick(free, in.pointer);
  outputs_[base + output].pointer = round_robin_next(input, kPorts * vcs<V>());
  in.pointer = round_robin_next(output, kPorts * vcs<V>());
  const bool bids = spec_.speculative && (free & router.has_credit) != 0;
  if (bids) win_switch<V>(router, input, port);
  commit_vc<V>(router, number, input, output);
  if (bids && router.ready != 0) traverse<V>(router, number, input / vcs<V>(), input % vcs<V>());
}

template <unsigned V>
void MeshNetwork::evaluate(uint32_t number) {
  Router& router = routers_[number];
  if (router.ready == 0) {
    if (router.waited_ports == 0) return;
    if (single(router.waited_ports) && single(router.waiting[lowest_bit(router.waited_ports)]))
      return evaluate_lone_packet<V>(router, number);
  } else if (single(router.ready) && router.waited_ports == 0) {
    const unsigned input = lowest_bit(router.ready);
    win_switch<V>(router, input, inputs_[number * kPorts * vcs<V>() + input].out_port);
    return traverse<V>(router, number, input / vcs<V>(), input % vcs<V>());
  }
  VcGrant vc_grants[64];
  SwitchGrant switch_grants[kPorts];
  const uint64_t speculative = spec_.speculative ? speculating<V>(router) : 0;
  const unsigned vcs_granted = router.waited_ports != 0 ? allocate_vcs<V>(router, number, vc_grants) : 0;
  unsigned granted = 0;
  if ((router.ready | speculative) != 0)
    granted = allocate_switch<V>(router, number, speculative, switch_grants);
  for (unsigned i = 0; i < vcs_granted; ++i)
    commit_vc<V>(router, number, vc_grants[i].input, vc_grants[i].output);
  for (unsigned i = 0; i < granted; ++i) {
    const SwitchGrant& grant = switch_grants[i];
    // A speculative winner goes only if it also won a virtual channel, and that has a credit.
    if (grant.speculative && (router.ready >> (grant.port * vcs<V>() + grant.vc) & 1) == 0) continue;
    traverse<V>(router, number, grant.port, grant.vc);
  }
}

// Input stage: every waiting packet picks one free VC of its port. Output stage: every VC picks one packet.
template <unsigned V>
unsigned MeshNetwork::allocate_vcs(Router& router, uint32_t number, VcGrant* grants) {
  const uint32_t base = number * kPorts * vcs<V>();
  const unsigned all = kPorts * vcs<V>();
  unsigned count = 0;
  const auto grant = [&](unsigned input, unsigned output) {
    outputs_[base + output].pointer = round_robin_next(input, all);
    inputs_[base + input].pointer = round_robin_next(output, all);
    grants[count++] = {static_cast<uint16_t>(input), static_cast<uint16_t>(output)};
  };
  for (unsigned ports = router.waited_ports; ports != 0; ports &= ports - 1) {
    const unsigned port = lowest_bit(ports);
    const uint64_t waiting = router.waiting[port];
    const uint64_t free = free_vcs<V>(router, port);
    if (free == 0) continue;
    if (single(waiting)) {
      const unsigned input = lowest_bit(waiting);
      grant(input, round_robin_pick(free, inputs_[base + input].pointer));
      continue;
    }
    uint64_t requests[12];
    uint64_t requested = 0;  // VCs of this port
    for (uint64_t left = waiting; left != 0; left &= left - 1) {
      const unsigned input = lowest_bit(left);
      const unsigned vc = round_robin_pick(free, inputs_[base + input].pointer) - port * vcs<V>();
      const uint64_t earlier = (requested >> vc & 1) != 0 ? requests[vc] : 0;
      requests[vc] = earlier | uint64_t{1} << input;
      requested |= uint64_t{1} << vc;
    }
    for (; requested != 0; requested &= requested - 1) {
      const unsigned vc = lowest_bit(requested);
      const unsigned output = port * vcs<V>() + vc;
      grant(round_robin_pick(requests[vc], outputs_[base + output].pointer), output);
    }
  }
  return count;
}

// Waiting packets that bid for the switch before they have a VC: those with a free VC with a credit at their
// port.
template <unsigned V>
uint64_t MeshNetwork::speculating(const Router& router) const {
  uint64_t bidders = 0;
  for (unsigned ports = router.waited_ports; ports != 0; ports &= ports - 1) {
    const unsigned port = lowest_bit(ports);
    if ((free_vcs<V>(router, port) & router.has_credit) != 0) bidders |= router.waiting[port];
  }
  return bidders;
}

// The output that an input port bids for, and the VC it would send from: `bids` of its VCs, at least one.
template <unsigned V>
unsigned MeshNetwork::bid(Router& router, uint32_t number, unsigned port, uint64_t bids, uint16_t& vc) const {
  const InputVc* in = &inputs_[(number * kPorts + port) * vcs<V>()];
  if (single(bids)) {
    vc = static_cast<uint16_t>(lowest_bit(bids));
    return in[vc].out_port;
  }
  uint16_t best[kPorts];
  unsigned open = 0;
  const uint64_t later = bids & (~uint64_t{0} << router.vc_pointer[port]);
  for (uint64_t half : {later, bids ^ later}) {
    for (; half != 0; half &= half - 1) {
      const unsigned candidate = lowest_bit(half);
      const unsigned out = in[candidate].out_port;
      if ((open >> out & 1) == 0) best[out] = static_cast<uint16_t>(candidate);
      open |= 1U << out;
    }
  }
  const unsigned out = round_robin_pick(open, router.input_pointer[port]);
  vc = best[out];
  return out;
}

// Input stage: every input port picks one output, and for it one of its VCs. Output stage: every output picks
// one input. Bids without a VC win only where no other bid stands.
template <unsigned V>
unsigned MeshNetwork::allocate_switch(Router& router, uint32_t number, uint64_t speculative,
                                      SwitchGrant* grants) {
  uint16_t chosen[kPorts];
  uint32_t firm =
      0;  // bids: bit out * 8 + input port; five outputs would need 40 bits, the fifth stands apart
  uint32_t soft = 0;
  uint32_t firm_local = 0;
  uint32_t soft_local = 0;
  unsigned wanted = 0;
  for (uint64_t left = router.ready | speculative; left != 0;) {
    const unsigned port = lowest_bit(left) / vcs<V>();
    const uint64_t lanes = vc_mask<V>() << (port * vcs<V>());
    left &= ~lanes;
    const uint64_t sure = (router.ready & lanes) >> (port * vcs<V>());
    const uint64_t bids = sure != 0 ? sure : (speculative & lanes) >> (port * vcs<V>());
    const unsigned out = bid<V>(router, number, port, bids, chosen[port]);
    wanted |= 1U << out;
    if (out == kLocal) {
      (sure != 0 ? firm_local : soft_local) |= 1U << port;
    } else {
      (sure != 0 ? firm : soft) |= 1U << (out * 8 + port);
    }
  }
  unsigned count = 0;
  for (; wanted != 0; wanted &= wanted - 1) {
    const unsigned out = lowest_bit(wanted);
    const uint32_t sure = out == kLocal ? firm_local : firm >> out * 8 & 0xFF;
    const uint32_t guessed = out == kLocal ? soft_local : soft >> out * 8 & 0xFF;
    const unsigned in = round_robin_pick(sure != 0 ? sure : guessed, router.output_pointer[out]);
    router.output_pointer[out] = round_robin_next(in, kPorts);
    router.input_pointer[in] = round_robin_next(out, kPorts);
    router.vc_pointer[in] = round_robin_next(chosen[in], vcs<V>());
    grants[count++] = {static_cast<uint16_t>(in), chosen[in], sure == 0};
  }
  return count;
}

template <unsigned V>
void MeshNetwork::commit_vc(Router& router, uint32_t number, unsigned input, unsigned output) {
  const uint32_t base = number * kPorts * vcs<V>();
  const uint64_t bit = uint64_t{1} << input;
  InputVc& in = inputs_[base + input];
  const unsigned port = in.out_port;
  in.out_vc = static_cast<uint16_t>(output - port * vcs<V>());
  outputs_[base + output].owner = static_cast<uint16_t>(input);
  router.in_use |= uint64_t{1} << output;
  router.active |= bit;
  router.waiting[port] &= ~bit;
  if (router.waiting[port] == 0) router.waited_ports &= ~(1U << port);
  if ((router.has_credit >> output & 1) != 0) router.ready |= bit;
}

// The front flit of an input VC leaves for its output.
template <unsigned V>
void MeshNetwork::traverse(Router& router, uint32_t number, unsigned input_port, unsigned vc) {
  const uint32_t base = number * kPorts * vcs<V>();
  const unsigned input = input_port * vcs<V>() + vc;
  const uint64_t bit = uint64_t{1} << input;
  InputVc& in = inputs_[base + input];
  const unsigned port = in.out_port;
  const unsigned output = port * vcs<V>() + in.out_vc;
  Flit flit = buffers_[(size_t{base + input} << buffer_shift_) + in.head];
  in.head = static_cast<uint16_t>((in.head + 1U) & buffer_mask_);
  --in.count;
  const bool tail = (flit.vc & kTail) != 0;
  flit.vc = static_cast<uint16_t>((flit.vc & ~kVcBits) | in.out_vc);
  ++link_flits_[number * kPorts + port];

  if (port == kLocal) {
    ejections_.add(cycle_ + eject_delay_, {number, flit});
  } else {
    arrivals_.add(cycle_ + link_delay_, {downstream_[number * kPorts + port], flit});
  }
  const int64_t back = input_port == kLocal ? cycle_ + 2 : cycle_ + credit_delay_;
  credit_returns_.add(back, upstream_credit_[number * kPorts + input_port] + vc);

  const bool dry = --credits_[base + output] == 0;
  if (dry) router.has_credit &= ~(uint64_t{1} << output);
  if (tail) {
    router.in_use &= ~(uint64_t{1} << output);
    router.active &= ~bit;
    router.ready &= ~bit;
    if (in.count != 0)
      start_route<V>(number, input, cycle_ + (before_first_try_ == 0 ? 0 : before_first_try_ + 1));
  } else if (dry || in.count == 0) {
    router.ready &= ~bit;
  }
}

template <unsigned V>
void MeshNetwork::visit_routers() {
  for (size_t word = 0; word < busy_.size(); ++word) {
    for (uint64_t left = busy_[word]; left != 0; left &= left - 1) {
      const auto number = static_cast<uint32_t>(word * 64 + lowest_bit(left));
      evaluate<V>(number);
      if (!can_act<V>(routers_[number])) busy_[word] &= ~(uint64_t{1} << (number & 63));
    }
  }
}

template void MeshNetwork::visit_routers<0>();
template void MeshNetwork::visit_routers<1>();
template void MeshNetwork::visit_routers<2>();
template void MeshNetwork::visit_routers<4>();
template void MeshNetwork::visit_routers<8>();

}  // namespace rdusim::sim::noc
