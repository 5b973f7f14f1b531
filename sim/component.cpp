#include "sim/component.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "sim/timeline.h"
#include "sim/values.h"

namespace rdusim::sim {

Component::Component(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket)
    : context_(context),
      unit_(unit),
      unit_index_(unit_index),
      socket_(socket),
      begin_cycle_(context.begin_of(unit_index)),
      time_(begin_cycle_),
      end_cycle_(begin_cycle_),
      launched_cycle_(context.begin_cycle + context.head_start.cycles),
      trace_track_(context.timeline == nullptr
                       ? 0
                       : context.timeline->track(fmt::format("socket {} / unit {}", socket, unit.name))) {}

void Component::sleep_for(TokenChannel& channel, WaitFor what) {
  (what == WaitFor::kToken ? channel.waiting_consumer : channel.waiting_producer) = process_;
  wait_for_ = what;
  wait_channel_ = &channel;
  process_->sleep();
  wait_for_ = WaitFor::kNothing;
}

void Component::wait_for(TokenChannel* iteration_end) {
  RDU_CHECK(false, "unit {} cannot wait for {}", unit_.name, iteration_end->name());
}

void Component::finish_firing() {
  ++counters_.firings;
  if (iteration_ends_.empty() || counters_.firings % context_.firings_per_iteration(unit_index_) != 0) return;
  for (TokenChannel* channel : iteration_ends_) {
    channel->claim();
    channel->write({end_cycle(), Tile{}});
  }
}

void Component::work_until(int64_t cycle) {
  if (context_.timeline != nullptr && cycle > time_) {
    context_.timeline->busy(trace_track_, unit_.stage.empty() ? unit_.name : unit_.stage,
                            time_ - context_.begin_cycle, cycle - context_.begin_cycle);
  }
  pass(cycle, counters_.busy);
}

void Component::leave_out_head_start(int64_t cycle, int64_t& counter) {
  const int64_t ahead = std::min(cycle, launched_cycle_) - time_;
  counter -= ahead;
  if (&counter == &counters_.busy) counters_.ahead += ahead;
}

void Component::fail(Error error) {
  const std::string place = fmt::format("section {}, ", context_.section.name);
  error.where =
      place + (error.where.rfind("unit ", 0) == 0 ? error.where : "unit " + unit_.name + ", " + error.where);
  if (!context_.error) context_.error = std::move(error);
  throw Aborted{};
}

void Component::emit(const std::vector<TokenChannel*>& channels, const Tile& tile, int64_t first,
                     int64_t last) {
  for (TokenChannel* channel : channels) {
    Token token{channel->carry(first, last, tile.extent.elements()), Tile{tile.extent, nullptr}};
    if (tile.values != nullptr) token.tile.values = rounded_to(tile.values, channel->dtype());
    channel->write(std::move(token));
  }
}

}  // namespace rdusim::sim
