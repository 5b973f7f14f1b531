// Routes, sources and timed events of the flow network; what a switch does in a cycle is in flow_switch.cpp.
#include "sim/noc/flow_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "sim/noc/round_robin.h"

namespace rdusim::sim::noc {

Result<FlowNetwork> FlowNetwork::make(const FlowNetworkSpec& spec, std::vector<Flow> flows) {
  RDU_CHECK_OK(validate(spec));
  FlowNetwork network(spec);
  network.flows_ = std::move(flows);
  for (uint32_t number = 0; number < network.flows_.size(); ++number) RDU_CHECK_OK(network.add_flow(number));
  return network;
}

FlowNetwork::FlowNetwork(const FlowNetworkSpec& spec)
    : spec_(spec), vcs_(static_cast<unsigned>(spec.virtual_channels)) {
  const auto tiles = static_cast<size_t>(spec.tiles());
  port_lanes_ = (uint64_t{1} << vcs_) - 1;
  for (unsigned port = 0; port < kPorts; ++port) every_port_ |= uint64_t{1} << (port * vcs_);
  slots_ = std::bit_ceil(static_cast<uint32_t>(std::max(spec.buffer_flits, spec.die_buffer_flits)));
  switches_.resize(tiles);
  fifos_.resize(tiles * kPorts * vcs_);
  slots_of_.resize(fifos_.size() * slots_);
  unit_credits_.assign(tiles * vcs_, spec.buffer_flits);
  source_turn_.assign(tiles, 0);
  tile_flows_.resize(tiles);
  busy_.assign((tiles + 63) / 64, 0);
  link_flits_.assign(tiles * 4, 0);
  lay_out_links();
  const int64_t longest = std::max(spec.hop_latency_cycles, spec.die_hop_latency_cycles);
  const int64_t slowest = *std::max_element(interval_sub_.begin(), interval_sub_.end()) >> kSubcycleBits;
  arrivals_.configure(longest + 1, tiles * kPorts);
  // Every port frees one slot a cycle; two latencies can meet in one cycle.
  credit_returns_.configure(longest + 1, tiles * kPorts * 2);
  switch_wakes_.configure(slowest + 2, tiles * kPorts);
  ejections_.configure(1, tiles);
}

void FlowNetwork::lay_out_links() {
  const int64_t columns = spec_.columns;
  const auto links = static_cast<size_t>(spec_.tiles() * 4);
  hop_latency_.assign(links, spec_.hop_latency_cycles);
  interval_sub_.assign(links, int64_t{1} << kSubcycleBits);
  to_fifo_.assign(links, kNone);
  from_link_.assign(static_cast<size_t>(spec_.tiles()) * kPorts, kNone);
  credits_.assign(links * vcs_, 0);
  const double slower = static_cast<double>(spec_.flit_bytes) / spec_.die_link_bytes_per_cycle;
  const auto die_interval = static_cast<int64_t>(std::llround(slower * (1 << kSubcycleBits)));
  for (int64_t tile = 0; tile < spec_.tiles(); ++tile) {
    const int64_t x = tile % columns;
    const bool exists[] = {x + 1 < columns, tile + columns<spec_.tiles(), x> 0, tile >= columns};
    const int64_t to[] = {tile + 1, tile + columns, tile - 1, tile - columns};
    for (unsigned heading = 0; heading < 4; ++heading) {
      if (!exists[heading]) continue;
      const auto link = static_cast<size_t>(tile) * 4 + heading;
      const auto die = [&](int64_t t) { return t % columns * spec_.dies / columns; };
      const bool crosses = die(tile) != die(to[heading]);
      if (crosses) {
        hop_latency_[link] = spec_.die_hop_latency_cycles;
        interval_sub_[link] = die_interval;
      }
      // What leaves to the east comes in at the port of the west.
      const auto port = static_cast<size_t>(to[heading]) * kPorts + (heading + 2) % 4;
      to_fifo_[link] = static_cast<uint32_t>(port * vcs_);
      from_link_[port] = static_cast<uint32_t>(link);
      switches_[static_cast<size_t>(tile)].credit[heading] = port_lanes_;
      for (unsigned vc = 0; vc < vcs_; ++vc)
        credits_[link * vcs_ + vc] = crosses ? spec_.die_buffer_flits : spec_.buffer_flits;
    }
  }
}

// Turns the flow's links into route entries, from the source outwards.
Status FlowNetwork::add_flow(uint32_t number) {
  const Flow& flow = flows_[number];
  const auto bad = [&](std::string what) {
    return Error{ErrorCode::kInvalidInput, fmt::format("flow {}", number), std::move(what), ""};
  };
  const auto on_mesh = [&](int64_t tile) { return tile >= 0 && tile < spec_.tiles(); };
  if (!on_mesh(flow.source)) return bad(fmt::format("source {} is no tile", flow.source));
  if (flow.destinations.empty()) return bad("no destination");
  if (flow.virtual_channel < 0 || flow.virtual_channel >= spec_.virtual_channels)
    return bad(fmt::format("virtual channel {} of {}", flow.virtual_channel, spec_.virtual_channels));
  if (!(flow.flits_per_cycle >= 1e-4) || flow.flits_per_cycle > 1)
    return bad("sends 0.0001 to 1 flits a cycle");
  if (flow.consumer_flits < 0) return bad("room is not negative");

  std::vector<std::pair<int64_t, uint32_t>> reached{{flow.source, static_cast<uint32_t>(entries_.size())}};
  entries_.push_back({number, kNone, {kNone, kNone, kNone, kNone}, 0});
  std::vector<int64_t> links = flow.links;
  std::sort(links.begin(), links.end());
  size_t used = 0;
  for (size_t i = 0; i < reached.size(); ++i) {
    const auto [tile, entry] = reached[i];
    for (auto link = std::lower_bound(links.begin(), links.end(), tile * 4);
         link != links.end() && *link / 4 == tile; ++link, ++used) {
      const auto heading = static_cast<size_t>(*link % 4);
      const uint32_t fifo = to_fifo_[static_cast<size_t>(*link)];
      if (fifo == kNone) return bad(fmt::format("link {} leaves the mesh", *link));
      const auto to = static_cast<int64_t>(fifo / (kPorts * vcs_));
      const bool again =
          std::any_of(reached.begin(), reached.end(), [&](const auto& r) { return r.first == to; });
      if (again) return bad(fmt::format("link {} reaches tile {} a second time", *link, to));
      entries_[entry].next[heading] = static_cast<uint32_t>(entries_.size());
      entries_[entry].outputs |= 1U << heading;
      reached.emplace_back(to, static_cast<uint32_t>(entries_.size()));
      entries_.push_back({number, kNone, {kNone, kNone, kNone, kNone}, 0});
    }
  }
  if (used != links.size()) return bad("links that do not hang together with the source");

  consumer_of_.emplace_back();
  for (uint32_t d = 0; d < flow.destinations.size(); ++d) {
    const auto at = std::find_if(reached.begin(), reached.end(),
                                 [&](const auto& r) { return r.first == flow.destinations[d]; });
    if (at == reached.end()) return bad(fmt::format("no link leads to tile {}", flow.destinations[d]));
    RouteEntry& entry = entries_[at->second];
    if (entry.destination != kNone) return bad(fmt::format("tile {} is a destination twice", at->first));
    entry.destination = static_cast<uint32_t>(consumers_.size());
    entry.outputs |= 1U << kUnit;
    consumer_of_.back().push_back(entry.destination);
    consumers_.push_back(
        {number, d, flow.consumer_flits, flow.consumer_flits > 0, static_cast<uint32_t>(at->first), 0});
  }
  for (const auto& [tile, entry] : reached) {
    if (entries_[entry].outputs == 0)
      return bad(fmt::format("the branch to tile {} ends there without a destination", tile));
  }
  Source source;
  source.entry = reached.front().second;
  source.interval_sub = static_cast<int64_t>(std::llround((1 << kSubcycleBits) / flow.flits_per_cycle));
  sources_.push_back(std::move(source));
  tile_flows_[static_cast<size_t>(flow.source)].push_back(number);
  return {};
}

void FlowNetwork::inject(uint32_t flow, int64_t token, int64_t bytes, int64_t cycle) {
  Source& source = sources_[flow];
  RDU_CHECK(cycle >= cycle_ && bytes > 0, "flow {}: token of {} bytes at {}, the network is at {}", flow,
            bytes, cycle, cycle_);
  RDU_CHECK(source.tokens.empty() || source.tokens.back().ready <= cycle,
            "flow {}: token at {} after one at {}", flow, cycle, source.tokens.back().ready);
  source.tokens.push_back({token, (bytes + spec_.flit_bytes - 1) / spec_.flit_bytes, cycle});
  wake_source(static_cast<uint32_t>(flows_[flow].source), std::max(cycle, cycle_ + 1));
}

void FlowNetwork::consume(uint32_t flow, uint32_t destination, int64_t flits) {
  Consumer& consumer = consumers_[consumer_of_[flow][destination]];
  RDU_CHECK(consumer.limited && flits >= 0, "flow {}: consumer {} has no limited room", flow, destination);
  consumer.room += flits;
  for (unsigned lane = 0; lane < kPorts * vcs_; ++lane) {
    const Fifo& fifo = fifos_[consumer.tile * kPorts * vcs_ + lane];
    if ((fifo.pending >> kUnit & 1) != 0) expose_front(consumer.tile, lane);
  }
}

void FlowNetwork::run_to(int64_t cycle) {
  for (int64_t next = next_event(); next <= cycle; next = next_event()) {
    cycle_ = next;
    step();
  }
  cycle_ = std::max(cycle_, cycle);
}

void FlowNetwork::run_until_idle() {
  for (int64_t next = next_event(); next != kNever; next = next_event()) {
    cycle_ = next;
    step();
  }
}

int64_t FlowNetwork::next_event() const {
  if (std::any_of(busy_.begin(), busy_.end(), [](uint64_t w) { return w != 0; })) return cycle_ + 1;
  int64_t next = std::min({arrivals_.next_after(cycle_), credit_returns_.next_after(cycle_),
                           switch_wakes_.next_after(cycle_), ejections_.next_after(cycle_)});
  if (!source_wakes_.empty()) next = std::min(next, std::max(source_wakes_.front().first, cycle_ + 1));
  return next;
}

void FlowNetwork::step() {
  for (const Flit& flit : ejections_.take(cycle_)) deliver(flit);
  for (const Arrival& a : arrivals_.take(cycle_)) {
    Fifo& fifo = fifos_[a.fifo];
    slots_of_[size_t{a.fifo} * slots_ + ((fifo.head + fifo.count) & (slots_ - 1))] = a.flit;
    const uint32_t tile = a.fifo / (kPorts * vcs_);
    if (fifo.count++ != 0) continue;
    fifo.pending = entries_[a.flit.entry].outputs;
    expose_front(tile, a.fifo - tile * kPorts * vcs_);
  }
  const auto link_vcs = static_cast<uint32_t>(credits_.size());
  for (const uint32_t index : credit_returns_.take(cycle_)) {
    if (index >= link_vcs) {
      if (unit_credits_[index - link_vcs]++ == 0) wake_source((index - link_vcs) / vcs_, cycle_);
      continue;
    }
    if (credits_[index]++ != 0) continue;
    const uint32_t link = index / vcs_;
    switches_[link / 4].credit[link % 4] |= uint64_t{1} << (index % vcs_);
    wake(link / 4);
  }
  for (const uint32_t tile : switch_wakes_.take(cycle_)) wake(tile);
  start_sources();
  for (size_t word = 0; word < busy_.size(); ++word) {
    const uint64_t visit = busy_[word];
    busy_[word] = 0;  // evaluate() sets those again that have more to do
    for (uint64_t left = visit; left != 0; left &= left - 1)
      evaluate(static_cast<uint32_t>(word * 64 + lowest_bit(left)));
  }
}

void FlowNetwork::wake_source(uint32_t tile, int64_t cycle) {
  source_wakes_.emplace_back(cycle, tile);
  std::push_heap(source_wakes_.begin(), source_wakes_.end(), std::greater<>());
}

void FlowNetwork::start_sources() {
  uint32_t last = kNone;  // a tile may have been woken more than once
  while (!source_wakes_.empty() && source_wakes_.front().first <= cycle_) {
    std::pop_heap(source_wakes_.begin(), source_wakes_.end(), std::greater<>());
    const uint32_t tile = source_wakes_.back().second;
    source_wakes_.pop_back();
    if (tile == last) continue;
    last = tile;
    send_from(tile);
  }
}

int64_t FlowNetwork::ready_sub(const Source& source) const {
  if (source.next_token == source.tokens.size()) return kNever;
  return std::max(source.tokens[source.next_token].ready << kSubcycleBits, source.next_sub);
}

// One flit of one of the tile's flows, which take turns; the unit has one port to its switch.
bool FlowNetwork::send_from(uint32_t tile) {
  const auto& flows = tile_flows_[tile];
  const int64_t now_sub = ((cycle_ + 1) << kSubcycleBits) - 1;  // within this cycle
  int64_t next = kNever;
  bool sent = false;
  for (size_t i = 0; i < flows.size(); ++i) {
    const size_t at = (source_turn_[tile] + i) % flows.size();
    Source& source = sources_[flows[at]];
    const int64_t ready = ready_sub(source);
    if (ready == kNever) continue;
    const auto vc = static_cast<size_t>(flows_[flows[at]].virtual_channel);
    int64_t& credits = unit_credits_[tile * vcs_ + vc];
    if (ready > now_sub || sent) {
      if (credits > 0) next = std::min(next, std::max(ready >> kSubcycleBits, cycle_ + 1));
      continue;
    }
    if (credits == 0) continue;  // its return wakes this tile
    sent = true;
    --credits;
    ++flits_injected_;
    const Token& token = source.tokens[source.next_token];
    const bool last = ++source.sent_of_token == token.flits;
    if (last) {
      source.sent_of_token = 0;
      ++source.next_token;
    }
    source.next_sub = std::max(source.next_sub, cycle_ << kSubcycleBits) + source.interval_sub;
    const auto fifo = static_cast<uint32_t>((tile * kPorts + kUnit) * vcs_ + vc);
    arrivals_.add(cycle_ + 1, {fifo, {source.entry, last ? 1U : 0U}});
    source_turn_[tile] = static_cast<uint16_t>((at + 1) % flows.size());
    const int64_t again = ready_sub(source);
    if (again != kNever && credits > 0) next = std::min(next, std::max(again >> kSubcycleBits, cycle_ + 1));
  }
  if (next != kNever) wake_source(tile, next);
  return sent;
}

void FlowNetwork::deliver(const Flit& flit) {
  Consumer& consumer = consumers_[entries_[flit.entry].destination];
  ++flits_delivered_;
  if (flit.last == 0) return;
  const Token& token = sources_[consumer.flow].tokens[consumer.next_token++];
  deliveries_.push_back({consumer.flow, consumer.number, token.id, cycle_});
}

int64_t FlowNetwork::flit_hops() const {
  return std::accumulate(link_flits_.begin(), link_flits_.end(), int64_t{0});
}

}  // namespace rdusim::sim::noc
