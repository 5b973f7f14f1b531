#include "sim/noc/flow.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim::noc {
namespace {

constexpr int64_t kEastward = 0, kSouthward = 1, kWestward = 2, kNorthward = 3;

int64_t step(const FlowNetworkSpec& spec, int64_t tile, int64_t heading) {
  switch (heading) {
    case kEastward:
      return tile + 1;
    case kWestward:
      return tile - 1;
    case kSouthward:
      return tile + spec.columns;
    default:
      return tile - spec.columns;
  }
}

// Depth-first search over (link, virtual channel) pairs; colours: 0 unseen, 1 on the path, 2 done.
class CycleSearch {
 public:
  explicit CycleSearch(size_t nodes) : next_(nodes), colour_(nodes, 0) {}
  void add(int64_t from, int64_t to) { next_[static_cast<size_t>(from)].push_back(to); }
  // A circle, or nothing.
  std::vector<int64_t> find() {
    for (size_t i = 0; i < next_.size(); ++i) {
      if (colour_[i] == 0 && visit(static_cast<int64_t>(i))) return path_;
    }
    return {};
  }

 private:
  // Iterative, so that long routes cannot exhaust the stack. Leaves the circle in path_.
  bool visit(int64_t start) {
    std::vector<size_t> at{0};
    path_ = {start};
    colour_[static_cast<size_t>(start)] = 1;
    while (!path_.empty()) {
      const auto& out = next_[static_cast<size_t>(path_.back())];
      if (at.back() == out.size()) {
        colour_[static_cast<size_t>(path_.back())] = 2;
        path_.pop_back();
        at.pop_back();
        continue;
      }
      const int64_t to = out[at.back()++];
      if (colour_[static_cast<size_t>(to)] == 1) {
        path_.erase(path_.begin(), std::find(path_.begin(), path_.end(), to));
        return true;
      }
      if (colour_[static_cast<size_t>(to)] == 2) continue;
      colour_[static_cast<size_t>(to)] = 1;
      path_.push_back(to);
      at.push_back(0);
    }
    return false;
  }

  std::vector<std::vector<int64_t>> next_;
  std::vector<uint8_t> colour_;
  std::vector<int64_t> path_;
};

}  // namespace

Status validate(const FlowNetworkSpec& spec) {
  const auto bad = [](std::string what) {
    return Error{ErrorCode::kOutOfRange, "flow network", std::move(what), ""};
  };
  if (spec.columns < 1 || spec.rows < 1 || spec.tiles() > (int64_t{1} << 20)) return bad("1 to 2^20 tiles");
  if (spec.flit_bytes < 1) return bad("a flit has at least one byte");
  if (spec.virtual_channels < 1 || spec.virtual_channels > 12) return bad("1 to 12 virtual channels");
  for (const int64_t flits : {spec.buffer_flits, spec.die_buffer_flits}) {
    if (flits < 1 || flits > 4096) return bad("buffers of 1 to 4096 flits");
  }
  for (const int64_t cycles : {spec.hop_latency_cycles, spec.die_hop_latency_cycles}) {
    if (cycles < 1 || cycles > 4096) return bad("a hop takes 1 to 4096 cycles");
  }
  if (spec.dies < 1 || spec.columns % spec.dies != 0)
    return bad(fmt::format("{} columns do not divide over {} dies", spec.columns, spec.dies));
  const auto flit = static_cast<double>(spec.flit_bytes);
  if (!(spec.die_link_bytes_per_cycle > flit * 1e-4) || spec.die_link_bytes_per_cycle > flit)
    return bad("the link between dies carries more than nothing and at most a flit a cycle");
  return {};
}

std::vector<int64_t> dimension_order_links(const FlowNetworkSpec& spec, int64_t from, int64_t to) {
  std::vector<int64_t> links;
  const auto go = [&](int64_t heading) {
    links.push_back(from * 4 + heading);
    from = step(spec, from, heading);
  };
  while (from % spec.columns < to % spec.columns) go(kEastward);
  while (from % spec.columns > to % spec.columns) go(kWestward);
  while (from < to) go(kSouthward);
  while (from > to) go(kNorthward);
  return links;
}

Flow multicast_flow(const FlowNetworkSpec& spec, int64_t source, std::vector<int64_t> destinations) {
  Flow flow;
  flow.source = source;
  flow.destinations = std::move(destinations);
  for (const int64_t to : flow.destinations) {
    const auto way = dimension_order_links(spec, source, to);
    flow.links.insert(flow.links.end(), way.begin(), way.end());
  }
  std::sort(flow.links.begin(), flow.links.end());
  flow.links.erase(std::unique(flow.links.begin(), flow.links.end()), flow.links.end());
  return flow;
}

Status check_no_cycle(const FlowNetworkSpec& spec, const std::vector<Flow>& flows) {
  CycleSearch search(static_cast<size_t>(spec.tiles() * 4 * spec.virtual_channels));
  for (const Flow& flow : flows) {
    for (const int64_t link : flow.links) {
      const int64_t to = step(spec, link / 4, link % 4);
      for (const int64_t after : flow.links) {
        if (after / 4 != to) continue;
        search.add(link * spec.virtual_channels + flow.virtual_channel,
                   after * spec.virtual_channels + flow.virtual_channel);
      }
    }
  }
  auto circle = search.find();
  if (circle.empty()) return {};
  for (int64_t& node : circle) node /= spec.virtual_channels;
  return Error{ErrorCode::kDeadlock, "flow network",
               fmt::format("flows can wait for each other around the links {}", fmt::join(circle, ", ")),
               "put some of them on another virtual channel or route them in dimension order"};
}

Status check_circuits(const FlowNetworkSpec& spec, const std::vector<Flow>& flows, int64_t wires_per_link) {
  std::vector<int64_t> used(static_cast<size_t>(spec.tiles() * 4), 0);
  for (const Flow& flow : flows) {
    for (const int64_t link : flow.links) ++used[static_cast<size_t>(link)];
  }
  const auto most = std::max_element(used.begin(), used.end());
  if (most == used.end() || *most <= wires_per_link) return {};
  return Error{ErrorCode::kCapacity, fmt::format("link {}", most - used.begin()),
               fmt::format("{} control flows, {} wires", *most, wires_per_link), ""};
}

int64_t SequenceOrder::arrive(int64_t id) {
  RDU_CHECK(id >= released_, "sequence id {} came twice; {} are complete", id, released_);
  const auto ahead = static_cast<size_t>(id - released_);
  if (ahead >= arrived_.size()) {
    // The ring starts at id % size; a larger ring is laid out anew.
    std::vector<bool> larger(std::max<size_t>(16, (ahead + 1) * 2), false);
    for (size_t i = 0; i < arrived_.size(); ++i) {
      const auto at = static_cast<size_t>(released_) + i;
      larger[at % larger.size()] = arrived_[at % arrived_.size()];
    }
    arrived_ = std::move(larger);
  }
  const size_t slot = static_cast<size_t>(id) % arrived_.size();
  RDU_CHECK(!arrived_[slot], "sequence id {} came twice", id);
  arrived_[slot] = true;
  ++held_;
  int64_t count = 0;
  for (size_t at = static_cast<size_t>(released_) % arrived_.size(); arrived_[at];
       at = static_cast<size_t>(released_) % arrived_.size()) {
    arrived_[at] = false;
    ++released_;
    --held_;
    ++count;
  }
  most_held_ = std::max(most_held_, held_);
  return count;
}

}  // namespace rdusim::sim::noc
