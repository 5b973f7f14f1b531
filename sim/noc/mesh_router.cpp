// One cycle of one router: both allocators look at the state that the cycle began with, then virtual channels
// are taken and flits leave. The idea of the masks: what cannot win is not in them, so a router with one flit
// does the work of one flit.
#include <bit>

#include "sim/noc/mesh_network.h"
#include "sim/noc/round_robin.h"

namespace rdusim::sim::noc {

bool MeshNetwork::can_act(const Router& router) const {
  if (router.ready != 0) return true;
  for (unsigned port = 0; port < kPorts; ++port) {
    if (router.waiting[port] != 0 && (~router.in_use >> (port * vcs_) & vc_mask_) != 0) return true;
  }
  return false;
}

void MeshNetwork::evaluate(uint32_t number) {
  Router& router = routers_[number];
  uint8_t inputs[64];
  uint8_t outputs[64];
  const uint64_t speculative = spec_.speculative ? speculating(router) : 0;
  const unsigned allocated = allocate_vcs(router, number, inputs, outputs);
  Grants grants;
  if ((router.ready | speculative) != 0) allocate_switch(router, number, speculative, grants);
  for (unsigned i = 0; i < allocated; ++i) commit_vc(router, number, inputs[i], outputs[i]);
  for (unsigned i = 0; i < grants.count; ++i) {
    const unsigned vc = grants.input[i] * vcs_ + grants.vc[i];
    // A speculative winner goes only if it also won a virtual channel, and that has a credit.
    if (grants.speculative[i] && (router.ready >> vc & 1) == 0) continue;
    traverse(router, number, grants.input[i], grants.vc[i]);
  }
}

// Input stage: every waiting packet picks one free VC of its port. Output stage: every VC picks one packet.
unsigned MeshNetwork::allocate_vcs(Router& router, uint32_t number, uint8_t* inputs, uint8_t* outputs) {
  const uint32_t base = number * kPorts * vcs_;
  const unsigned all = kPorts * vcs_;
  unsigned count = 0;
  for (unsigned port = 0; port < kPorts; ++port) {
    if (router.waiting[port] == 0) continue;
    const uint64_t free = (~router.in_use >> (port * vcs_) & vc_mask_) << (port * vcs_);
    if (free == 0) continue;
    uint64_t requests[12];
    uint64_t requested = 0;  // VCs of this port
    for (uint64_t left = router.waiting[port]; left != 0; left &= left - 1) {
      const auto input = static_cast<unsigned>(std::countr_zero(left));
      const unsigned vc = round_robin_pick(free, inputs_[base + input].pointer) - port * vcs_;
      if ((requested >> vc & 1) == 0) requests[vc] = 0;
      requests[vc] |= uint64_t{1} << input;
      requested |= uint64_t{1} << vc;
    }
    for (; requested != 0; requested &= requested - 1) {
      const auto vc = static_cast<unsigned>(std::countr_zero(requested));
      const unsigned output = port * vcs_ + vc;
      const unsigned input = round_robin_pick(requests[vc], outputs_[base + output].pointer);
      outputs_[base + output].pointer = round_robin_next(input, all);
      inputs_[base + input].pointer = round_robin_next(output, all);
      inputs[count] = static_cast<uint8_t>(input);
      outputs[count++] = static_cast<uint8_t>(output);
    }
  }
  return count;
}

// Waiting packets that bid for the switch before they have a VC: those with a free VC with a credit at their port.
uint64_t MeshNetwork::speculating(const Router& router) const {
  uint64_t bidders = 0;
  const uint64_t open = ~router.in_use & router.has_credit;
  for (unsigned port = 0; port < kPorts; ++port) {
    if ((open >> (port * vcs_) & vc_mask_) != 0) bidders |= router.waiting[port];
  }
  return bidders;
}

// Input stage: every input port picks one output, and for it one of its VCs. Output stage: every output picks one
// input. Bids without a VC win only where no other bid stands.
void MeshNetwork::allocate_switch(Router& router, uint32_t number, uint64_t speculative, Grants& grants) {
  const uint32_t base = number * kPorts * vcs_;
  uint8_t chosen[kPorts];
  uint8_t firm[kPorts] = {};  // bids of input ports, for each output port
  uint8_t soft[kPorts] = {};
  unsigned wanted = 0;
  for (unsigned port = 0; port < kPorts; ++port) {
    const uint64_t sure = router.ready >> (port * vcs_) & vc_mask_;
    const uint64_t bids = sure != 0 ? sure : speculative >> (port * vcs_) & vc_mask_;
    if (bids == 0) continue;
    uint8_t best[kPorts];
    unsigned open = 0;
    const uint64_t later = bids & (~uint64_t{0} << router.vc_pointer[port]);
    for (uint64_t half : {later, bids ^ later}) {
      for (; half != 0; half &= half - 1) {
        const auto vc = static_cast<unsigned>(std::countr_zero(half));
        const unsigned out = inputs_[base + port * vcs_ + vc].out_port;
        if ((open >> out & 1) == 0) best[out] = static_cast<uint8_t>(vc);
        open |= 1U << out;
      }
    }
    const unsigned out = round_robin_pick(open, router.input_pointer[port]);
    chosen[port] = best[out];
    (sure != 0 ? firm : soft)[out] = static_cast<uint8_t>((sure != 0 ? firm : soft)[out] | 1U << port);
    wanted |= 1U << out;
  }
  for (; wanted != 0; wanted &= wanted - 1) {
    const auto out = static_cast<unsigned>(std::countr_zero(wanted));
    const bool guess = firm[out] == 0;
    const unsigned in = round_robin_pick(guess ? soft[out] : firm[out], router.output_pointer[out]);
    router.output_pointer[out] = round_robin_next(in, kPorts);
    router.input_pointer[in] = round_robin_next(out, kPorts);
    router.vc_pointer[in] = round_robin_next(chosen[in], vcs_);
    grants.input[grants.count] = static_cast<uint8_t>(in);
    grants.output[grants.count] = static_cast<uint8_t>(out);
    grants.vc[grants.count] = chosen[in];
    grants.speculative[grants.count++] = guess;
  }
}

void MeshNetwork::commit_vc(Router& router, uint32_t number, unsigned input, unsigned output) {
  const uint32_t base = number * kPorts * vcs_;
  const uint64_t bit = uint64_t{1} << input;
  InputVc& in = inputs_[base + input];
  in.out_vc = static_cast<uint8_t>(output - in.out_port * vcs_);
  outputs_[base + output].owner = static_cast<uint8_t>(input);
  router.in_use |= uint64_t{1} << output;
  router.active |= bit;
  router.waiting[in.out_port] &= ~bit;
  if ((router.has_credit >> output & 1) != 0) router.ready |= bit;
}

// The front flit of an input VC leaves for its output.
void MeshNetwork::traverse(Router& router, uint32_t number, unsigned input_port, unsigned vc) {
  const uint32_t base = number * kPorts * vcs_;
  const unsigned input = input_port * vcs_ + vc;
  const uint64_t bit = uint64_t{1} << input;
  InputVc& in = inputs_[base + input];
  const unsigned output = in.out_port * vcs_ + in.out_vc;
  Flit flit = buffers_[(size_t{base + input} << buffer_shift_) + in.head];
  in.head = static_cast<uint8_t>((in.head + 1U) & buffer_mask_);
  --in.count;
  flit.vc = in.out_vc;
  ++link_flits_[number * kPorts + in.out_port];

  if (in.out_port == kLocal) {
    ejections_.add(cycle_ + eject_delay_, {number, flit});
  } else {
    arrivals_.add(cycle_ + link_delay_, {downstream_[number * kPorts + in.out_port], flit});
  }
  const int64_t back = input_port == kLocal ? cycle_ + 2 : cycle_ + credit_delay_;
  credit_returns_.add(back, upstream_credit_[number * kPorts + input_port] + vc);

  const bool dry = --credits_[base + output] == 0;
  if (dry) router.has_credit &= ~(uint64_t{1} << output);
  if ((flit.flags & kTail) != 0) {
    router.in_use &= ~(uint64_t{1} << output);
    router.active &= ~bit;
    router.ready &= ~bit;
    if (in.count != 0) start_route(number, input, cycle_ + (before_first_try_ == 0 ? 0 : before_first_try_ + 1));
  } else if (dry || in.count == 0) {
    router.ready &= ~bit;
  }
}

}  // namespace rdusim::sim::noc
