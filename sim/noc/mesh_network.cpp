// State, timed events and sources of the mesh; what a router does in a cycle is in mesh_router.cpp.
#include "sim/noc/mesh_network.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"
#include "sim/noc/mesh_route.h"
#include "sim/noc/round_robin.h"

namespace rdusim::sim::noc {
namespace {

size_t mask_words(int64_t bits) {
  return static_cast<size_t>((bits + 63) / 64);
}

}  // namespace

MeshNetwork::MeshNetwork(const MeshSpec& spec)
    : spec_(spec),
      vcs_(static_cast<unsigned>(spec.virtual_channels)),
      buffer_mask_(std::bit_ceil(static_cast<unsigned>(spec.buffer_flits)) - 1),
      buffer_shift_(static_cast<unsigned>(std::countr_zero(buffer_mask_ + 1))) {
  const Status valid = validate(spec, "mesh");
  RDU_CHECK(valid.ok(), "{}", valid.error().what);
  // What the allocators take beyond a cycle is spent before the first attempt or after the grant.
  before_first_try_ = spec.routing_delay_cycles + spec.vc_allocation_delay_cycles - 1;
  const int64_t traversal = spec.pipeline_cycles() - before_first_try_ - (spec.speculative ? 1 : 2);
  link_delay_ = traversal + 1 + spec.channel_latency_cycles;
  eject_delay_ = traversal + 2;
  credit_delay_ = 1 + spec.channel_latency_cycles + spec.credit_delay_cycles;
  eject_credit_delay_ = 2 + spec.credit_delay_cycles;

  const auto nodes = static_cast<size_t>(spec.nodes());
  const size_t per_router = size_t{kPorts} * vcs_;
  routers_.resize(nodes);
  inputs_.resize(nodes * per_router);
  outputs_.resize(nodes * per_router);
  credits_.assign(nodes * per_router + nodes * vcs_, static_cast<uint16_t>(spec.buffer_flits));
  buffers_.resize(nodes * per_router << buffer_shift_);
  sources_.resize(nodes);
  busy_.assign(mask_words(spec.nodes()), 0);
  sending_.assign(mask_words(spec.nodes()), 0);
  link_flits_.assign(nodes * kPorts, 0);
  deliveries_.reserve(nodes);
  departures_.reserve(nodes);
  arrivals_.configure(link_delay_, nodes * kPorts);
  ejections_.configure(eject_delay_, nodes);
  // A cycle frees at most one slot behind every input port and one behind every node.
  credit_returns_.configure(std::max(credit_delay_, eject_credit_delay_), nodes * (kPorts + 2));
  routed_.configure(before_first_try_ + 1, nodes * per_router);
  connect();
}

void MeshNetwork::connect() {
  const auto columns = static_cast<uint32_t>(spec_.columns);
  const auto rows = static_cast<uint32_t>(spec_.rows);
  const auto nodes = static_cast<uint32_t>(spec_.nodes());
  constexpr uint32_t kNowhere = UINT32_MAX;
  downstream_.assign(nodes * kPorts, kNowhere);
  upstream_credit_.assign(nodes * kPorts, kNowhere);
  for (uint32_t node = 0; node < nodes; ++node) {
    const uint32_t x = node % columns;
    const uint32_t y = node / columns;
    Router& router = routers_[node];
    router.x = static_cast<uint16_t>(x);
    router.y = static_cast<uint16_t>(y);
    router.has_credit = ~uint64_t{0} >> (64 - kPorts * vcs_);
    const auto link = [&](unsigned out, bool exists, uint32_t to) {
      if (!exists) return;
      // What leaves to the east arrives from the west: ports of a dimension are neighbours in number.
      downstream_[node * kPorts + out] = to * kPorts + (out ^ 1U);
      upstream_credit_[to * kPorts + (out ^ 1U)] = (node * kPorts + out) * vcs_;
    };
    link(kEast, x + 1 < columns, node + 1);
    link(kWest, x > 0, node - 1);
    link(kSouth, y + 1 < rows, node + columns);
    link(kNorth, y > 0, node - columns);
    upstream_credit_[node * kPorts + kLocal] = (nodes * kPorts + node) * vcs_;
  }
}

// Calls body.operator()<V>() with this mesh's number of virtual channels, if it is a usual one.
template <typename Body>
void MeshNetwork::for_vcs(Body&& body) {
  switch (vcs_) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 4:
      return body.template operator()<4>();
    case 8:
      return body.template operator()<8>();
    default:
      return body.template operator()<0>();
  }
}

void MeshNetwork::begin_cycle(int64_t cycle) {
  RDU_CHECK(cycle > cycle_, "mesh: cycle {} after cycle {}", cycle, cycle_);
  cycle_ = cycle;
  deliveries_.clear();
  departures_.clear();
  for_vcs([this]<unsigned V>() { take_events<V>(); });
}

template <unsigned V>
void MeshNetwork::take_events() {
  for (const Ejection& e : ejections_.take(cycle_)) {
    deliveries_.push_back({e.flit.packet, e.node, (e.flit.vc & kTail) != 0});
    ++flits_left_;
    // The node takes every flit at once.
    credit_returns_.add(cycle_ + eject_credit_delay_,
                        (e.node * kPorts + kLocal) * vcs<V>() + (e.flit.vc & kVcBits));
  }
  for (const Arrival& a : arrivals_.take(cycle_)) accept<V>(a.input, a.flit);
  for (const uint32_t index : credit_returns_.take(cycle_)) take_credit<V>(index);
  for (const uint32_t index : routed_.take(cycle_)) {
    const uint32_t router = index / (kPorts * vcs<V>());
    wait_for_vc<V>(routers_[router], router, index % (kPorts * vcs<V>()));
  }
}

void MeshNetwork::offer(uint32_t node, uint32_t packet, uint32_t destination, uint32_t flits) {
  Source& source = sources_[node];
  RDU_CHECK(source.flits_left == 0 && flits > 0, "mesh: node {} still sends packet {}", node, source.packet);
  source.packet = packet;
  source.flits_left = flits;
  source.xy = static_cast<uint16_t>(routers_[destination].x | routers_[destination].y << 8);
  source.head = true;
  sending_[node >> 6] |= uint64_t{1} << (node & 63);
}

void MeshNetwork::finish_cycle() {
  for (size_t word = 0; word < sending_.size(); ++word) {
    for (uint64_t left = sending_[word]; left != 0; left &= left - 1) {
      const auto node = static_cast<uint32_t>(word * 64 + lowest_bit(left));
      if (!send_from(node)) sending_[word] &= ~(uint64_t{1} << (node & 63));
    }
  }
  for_vcs([this]<unsigned V>() { visit_routers<V>(); });
}

template <unsigned V>
void MeshNetwork::accept(uint32_t input, const Flit& flit) {
  const uint32_t number = input / kPorts;
  const unsigned vc = (input - number * kPorts) * vcs<V>() + (flit.vc & kVcBits);
  const uint32_t index = number * kPorts * vcs<V>() + vc;
  InputVc& in = inputs_[index];
  buffers_[(size_t{index} << buffer_shift_) + ((in.head + in.count) & buffer_mask_)] = flit;
  if (in.count++ != 0) return;
  Router& router = routers_[number];
  const uint64_t bit = uint64_t{1} << vc;
  if ((router.active & bit) == 0) {
    start_route<V>(number, vc, cycle_ + before_first_try_);
  } else if ((router.has_credit >> (in.out_port * vcs<V>() + in.out_vc) & 1) != 0) {
    router.ready |= bit;
    wake(number);
  }
}

template <unsigned V>
void MeshNetwork::take_credit(uint32_t index) {
  const auto router_vcs = static_cast<uint32_t>(inputs_.size());
  if (credits_[index]++ != 0) return;
  if (index >= router_vcs) {
    const uint32_t node = (index - router_vcs) / vcs<V>();
    if (sources_[node].flits_left != 0) sending_[node >> 6] |= uint64_t{1} << (node & 63);
    return;
  }
  const uint32_t number = index / (kPorts * vcs<V>());
  const unsigned output = index - number * kPorts * vcs<V>();
  Router& router = routers_[number];
  router.has_credit |= uint64_t{1} << output;
  if (spec_.speculative) wake(number);
  if ((router.in_use >> output & 1) == 0) return;
  const unsigned owner = outputs_[index].owner;
  if (inputs_[number * kPorts * vcs<V>() + owner].count == 0) return;
  router.ready |= uint64_t{1} << owner;
  wake(number);
}

// One flit of the node's packet, if a credit allows; false when there is nothing to do before the next credit
// or packet.
bool MeshNetwork::send_from(uint32_t node) {
  Source& source = sources_[node];
  uint16_t* credits = &credits_[inputs_.size() + size_t{node} * vcs_];
  if (source.head) {
    // The channels take turns, from the one behind the last used; the first packet takes only channel 0.
    const unsigned tries = source.last_vc == kNoVc ? 1 : vcs_;
    unsigned vc = source.last_vc == kNoVc ? 0 : round_robin_next(source.last_vc, vcs_);
    unsigned tried = 0;
    while (tried < tries && credits[vc] == 0) {
      vc = round_robin_next(vc, vcs_);
      ++tried;
    }
    if (tried == tries) return false;
    source.vc = source.last_vc = static_cast<uint16_t>(vc);
  } else if (credits[source.vc] == 0) {
    return false;
  }
  --credits[source.vc];
  --source.flits_left;
  const bool tail = source.flits_left == 0;
  const auto vc = static_cast<uint16_t>(source.vc | (source.head ? kHead : 0) | (tail ? kTail : 0));
  arrivals_.add(cycle_ + 2, {node * kPorts + kLocal, {source.packet, source.xy, vc}});
  departures_.push_back({source.packet, node, source.head, tail});
  source.head = false;
  ++flits_entered_;
  return !tail;
}

int64_t MeshNetwork::next_event() const {
  const auto any = [](const std::vector<uint64_t>& words) {
    return std::any_of(words.begin(), words.end(), [](uint64_t w) { return w != 0; });
  };
  if (any(busy_) || any(sending_)) return cycle_ + 1;
  return std::min({arrivals_.next_after(cycle_), ejections_.next_after(cycle_),
                   credit_returns_.next_after(cycle_), routed_.next_after(cycle_)});
}

int64_t MeshNetwork::flit_hops() const {
  return std::accumulate(link_flits_.begin(), link_flits_.end(), int64_t{0});
}

}  // namespace rdusim::sim::noc
