#include "sim/cycle/memory_path.h"

#include <algorithm>
#include <cmath>

#include "base/arch/dram_fields.h"
#include "base/check.h"

namespace rdusim::sim::cycle {

Result<std::unique_ptr<MemoryPath>> MemoryPath::make(const DramSpec& spec, int64_t clock_hz,
                                                     int64_t latency_cycles) {
  RDU_CHECK_OK(check_dram(spec));
  RDU_ASSIGN(const DramMapping mapping, parse_dram_mapping(spec.controller.mapping, spec.organisation));
  std::unique_ptr<MemoryPath> path(new MemoryPath(spec, mapping, clock_hz));
  const DramTimings& t = spec.timings;
  const int64_t idle = path->cycle_of(t.rcd_read + t.cl + t.burst);
  const int64_t rest = std::max<int64_t>(2, latency_cycles - idle);
  path->window_bytes_ = std::llround(static_cast<double>(kWindowLatencies * latency_cycles) *
                                     spec.peak_bytes_per_s() / static_cast<double>(clock_hz));
  path->half_path_ = rest / 2;
  path->other_half_ = rest - rest / 2;
  return path;
}

MemoryPath::MemoryPath(const DramSpec& spec, const DramMapping& mapping, int64_t clock_hz)
    : spec_(spec), map_(spec.organisation, mapping) {
  cycle_fs_ = std::llround(1e15 / static_cast<double>(clock_hz));
  tick_fs_ = spec.timings.tick_ps * 1000;
  channels_.resize(static_cast<size_t>(spec.organisation.channels));
  for (Channel& channel : channels_) channel.controller = DramController::make(spec_);
}

int64_t MemoryPath::tick_of(int64_t cycle) const {
  return cycle * cycle_fs_ / tick_fs_;
}

int64_t MemoryPath::cycle_of(int64_t tick) const {
  return (tick * tick_fs_ + cycle_fs_ - 1) / cycle_fs_;
}

void MemoryPath::request(uint64_t address, int64_t bytes, bool write, uint32_t tag, int64_t cycle) {
  uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(requests_.size());
    requests_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  const auto size = static_cast<uint64_t>(spec_.organisation.burst_bytes);
  const uint64_t last = (address + static_cast<uint64_t>(bytes) - 1) / size;
  uint64_t first = address / size;
  // The burst that the request before has opened; one that lies in it alone goes along with it once more.
  if (first == last_burst_[write ? 1 : 0] && first < last) ++first;
  last_burst_[write ? 1 : 0] = last;
  const int64_t arrival = tick_of(cycle + half_path_) + 1;
  for (uint64_t burst = first; burst <= last; ++burst) {
    const DramLocation at = map_.decode(burst * size);
    channels_[static_cast<size_t>(at.channel)].queue.push({at, arrival, slot, write});
  }
  const auto count = static_cast<int64_t>(last - first + 1);
  requests_[slot] = {count, 0, tag, write};
  bursts_ += count;
  ++open_;
}

void MemoryPath::advance(int64_t cycle) {
  const int64_t until = tick_of(cycle + half_path_);
  for (Channel& channel : channels_) run(channel, until);
  std::stable_sort(completions.begin(), completions.end(),
                   [](const Completion& a, const Completion& b) { return a.cycle < b.cycle; });
}

void MemoryPath::run(Channel& channel, int64_t until) {
  DramController& controller = *channel.controller;
  while (true) {
    const int64_t next = controller.next_tick();
    if (!channel.queue.empty() && controller.can_accept(channel.queue.front().write)) {
      const Waiting& head = channel.queue.front();
      const int64_t arrival = std::max(head.arrival, channel.tick + 1);
      if (arrival <= until && arrival <= next) {
        controller.submit(head.location, head.write, arrival, head.slot);
        channel.queue.pop();
        continue;
      }
    }
    if (next > until) break;
    controller.tick(next);
    channel.tick = next;
    take_completions(channel);
  }
  take_completions(channel);
}

// A completion may lie a little ahead of the commands: a read's data come after its command.
void MemoryPath::take_completions(Channel& channel) {
  while (channel.controller->next_completion() < kNever) {
    const DramCompletion done = channel.controller->pop_completion();
    Request& request = requests_[static_cast<size_t>(done.tag)];
    request.last_tick = std::max(request.last_tick, done.tick);
    if (--request.left > 0) continue;
    completions.push_back({cycle_of(request.last_tick) + other_half_, request.tag, request.write});
    --open_;
    free_.push_back(static_cast<uint32_t>(done.tag));
  }
}

int64_t MemoryPath::busy_cycles() const {
  const int64_t buses = spec_.organisation.channels * spec_.organisation.pseudo_channels;
  return cycle_of(bursts_ * spec_.timings.burst / buses);
}

}  // namespace rdusim::sim::cycle
