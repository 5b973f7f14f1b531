#include "sim/cycle/burst_network.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim::cycle {

namespace {
constexpr int64_t kNeverYet = INT64_MAX;  // nobody has said when
}

uint32_t BurstNetwork::add_link(int64_t cycles_per_vector, int64_t latency_cycles, int64_t buffer_vectors) {
  Link& link = links_.emplace_back();
  link.interval = cycles_per_vector;
  link.latency = latency_cycles;
  const auto number = static_cast<uint32_t>(links_.size() - 1);
  if (buffer_vectors == 0) return number;
  link.first_fifo = static_cast<uint32_t>(fifos_.size());
  for (uint32_t vc = 0; vc < kVirtualChannels; ++vc) {
    Fifo& fifo = fifos_.emplace_back();
    fifo.room = std::max(buffer_vectors, kBurstVectors);
    fifo.link = number;
  }
  return number;
}

uint32_t BurstNetwork::add_source() {
  fifos_.emplace_back();
  return static_cast<uint32_t>(fifos_.size() - 1);
}

uint32_t BurstNetwork::add_root() {
  points_.emplace_back();
  return static_cast<uint32_t>(points_.size() - 1);
}

uint32_t BurstNetwork::add_point(uint32_t parent, uint32_t link, uint32_t virtual_channel) {
  Point point;
  point.link = link;
  point.fifo = links_[link].first_fifo + virtual_channel % kVirtualChannels;
  points_.push_back(point);
  const auto number = static_cast<uint32_t>(points_.size() - 1);
  points_[parent].next.push_back(number);
  return number;
}

void BurstNetwork::add_delivery(uint32_t point, uint32_t port_link) {
  points_[point].port = port_link;
}

void BurstNetwork::inject(uint32_t source, uint32_t root, const Burst& burst) {
  uint32_t number = 0;
  if (free_bursts_.empty()) {
    number = static_cast<uint32_t>(bursts_.size());
    bursts_.push_back(burst);
  } else {
    number = free_bursts_.back();
    free_bursts_.pop_back();
    bursts_[number] = burst;
  }
  ++under_way_;
  injected_ += int64_t{burst.vectors} * burst.copies;
  arrive(source, {number, root});
}

void BurstNetwork::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kArrive:
      arrive(points_[event.b].fifo, {event.a, event.b});
      break;
    case EventKind::kExpose:
      expose(event.a);
      break;
    case EventKind::kServe:
      serve(event.a);
      break;
    default:
      RDU_CHECK(false, "event {} is none of the network's", static_cast<int>(event.kind));
  }
}

void BurstNetwork::arrive(uint32_t number, const Item& item) {
  Fifo& fifo = fifos_[number];
  fifo.items.push(item);
  if (fifo.items.size() > 1) return;
  if (fifo.read_free > wheel_->now()) {
    wheel_->add(fifo.read_free, {EventKind::kExpose, number, 0});
  } else {
    expose(number);
  }
}

// The front burst asks for each output that it has to take.
void BurstNetwork::expose(uint32_t number) {
  Fifo& fifo = fifos_[number];
  const Item item = fifo.items.front();
  const Point& point = points_[item.point];
  const int64_t now = wheel_->now();
  fifo.pending = static_cast<uint32_t>(point.next.size()) + (point.port == kNone ? 0 : 1);
  for (const uint32_t next : point.next) links_[points_[next].link].wanted.push_back({number, next, now});
  if (point.port != kNone) links_[point.port].wanted.push_back({number, kNone, now});
  for (const uint32_t next : point.next) serve(points_[next].link);
  if (point.port != kNone) serve(point.port);
}

int64_t BurstNetwork::room_cycle(const Link& link, const Request& request) {
  if (link.first_fifo == kNone) return 0;
  Fifo& behind = fifos_[points_[request.point].fifo];
  const int64_t vectors = bursts_[burst_of(request)].vectors;
  while (!behind.returns.empty() && behind.returns.front().cycle <= wheel_->now()) {
    behind.room += behind.returns.front().vectors;
    behind.returns.pop();
  }
  if (behind.room >= vectors) return 0;
  // The next return is looked at when it is there; it may be enough.
  return behind.returns.empty() ? kNeverYet : behind.returns.front().cycle;
}

void BurstNetwork::serve(uint32_t number) {
  Link& link = links_[number];
  while (!link.wanted.empty()) {
    if (link.free_cycle > wheel_->now()) return wake(number, link.free_cycle);
    int64_t earliest = kNeverYet;
    size_t chosen = 0;
    for (; chosen < link.wanted.size(); ++chosen) {
      const int64_t room = room_cycle(link, link.wanted[chosen]);
      if (room <= wheel_->now()) break;
      earliest = std::min(earliest, room);
    }
    if (chosen == link.wanted.size()) {
      if (earliest != kNeverYet) wake(number, earliest);
      return;
    }
    const Request request = link.wanted[chosen];
    link.wanted.erase(link.wanted.begin() + static_cast<std::ptrdiff_t>(chosen));
    send(link, request);
  }
}

void BurstNetwork::wake(uint32_t number, int64_t cycle) {
  Link& link = links_[number];
  if (link.wake_cycle == cycle) return;
  link.wake_cycle = cycle;
  wheel_->add(cycle, {EventKind::kServe, number, 0});
}

void BurstNetwork::send(Link& link, const Request& request) {
  const int64_t now = wheel_->now();
  Fifo& fifo = fifos_[request.fifo];
  const uint32_t number = burst_of(request);
  Burst& burst = bursts_[number];
  const int64_t cycles = burst.vectors * link.interval;
  link.free_cycle = now + cycles;
  link.vectors += burst.vectors;
  link_wait_ += now - request.since;
  if (link.first_fifo != kNone) {
    hops_ += burst.vectors;
    fifos_[points_[request.point].fifo].room -= burst.vectors;
    wheel_->add(now + link.latency, {EventKind::kArrive, number, request.point});
  } else {
    // The last vector is behind the port when the burst is, at the port's rate.
    delivered_ += burst.vectors;
    if (--burst.copies == 0) {
      delivered.push_back(burst);
      --under_way_;
      free_bursts_.push_back(number);
    }
  }
  const auto vectors = static_cast<int64_t>(burst.vectors);
  fifo.read_free = std::max(fifo.read_free, now + cycles);
  if (--fifo.pending > 0) return;
  fifo.items.pop();
  if (fifo.link != kNone) {
    const int64_t back = now + links_[fifo.link].latency + cycles - vectors;
    fifo.returns.push({back, vectors});
    if (!links_[fifo.link].wanted.empty()) wake(fifo.link, back);
  }
  if (!fifo.items.empty()) wheel_->add(fifo.read_free, {EventKind::kExpose, request.fifo, 0});
}

}  // namespace rdusim::sim::cycle
