#include "sim/stamp_engine.h"

#include <algorithm>

#include "sim/exchange_unit.h"
#include "sim/period_finder.h"
#include "sim/resource_rates.h"

namespace rdusim::sim {

template <typename Stamp>
StampEngine<Stamp>::StampEngine(const SectionContext& context, bool skip_periods)
    : context_(context), skip_periods_(skip_periods), ends_(context.section.channels.size()) {
  const NodeSpec& node = context.node;
  for (const Tier tier : {Tier::kHbm, Tier::kDdr}) {
    const auto t = static_cast<size_t>(tier);
    fabric_.memory[t].clock.configure(context.memory_bytes_per_s[t], clock_hz(node.chip));
    fabric_.transfer_kind[t] = transfer_step(node.chip, tier, context.memory_bytes_per_s[t]);
    fabric_.memory_latency_cycles[t] = memory_latency_cycles(node.chip, tier);
    fabric_.memory_latency_scaling[t] = memory_latency(node.chip, tier);
  }
  fabric_.egress.clock.configure(link_bytes_per_s(node), clock_hz(node.chip));
  fabric_.ingress.clock.configure(link_bytes_per_s(node), clock_hz(node.chip));
  fabric_.link_latency_cycles = link_latency_cycles(node);
  fabric_.link_latency_scaling = link_latency(node);
  build_channels();
  for (size_t u = 0; u < context.section.units.size(); ++u) build_unit(u);
  order_iterations();
}

template <typename Stamp>
void StampEngine<Stamp>::build_channels() {
  const Section& section = context_.section;
  fabric_.channels.reserve(section.channels.size());
  for (size_t i = 0; i < section.channels.size(); ++i) {
    const Channel& c = section.channels[i];
    fabric_.channels.emplace_back(static_cast<uint32_t>(i), c.dtype, c.capacity_tokens, c.latency_cycles,
                                  write_rate(c, context_.operand_rates[i], context_.node.chip),
                                  fabric_.ready);
  }
  fabric_.mailboxes.resize(section.units.size());
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    for (const InputPort& port : unit.inputs) ends_[port.channel.value].second = u;
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId c : port.channels) ends_[c.value].first = u;
    }
    if (unit.kind != UnitKind::kReceive) continue;
    const DType dtype = section.channels[unit.inputs[0].channel.value].dtype;
    fabric_.mailboxes[u].reserve(static_cast<size_t>(context_.program.sockets - 1));
    for (int64_t k = 1; k < context_.program.sockets; ++k)
      fabric_.mailboxes[u].emplace_back(uint32_t{0}, dtype, kExchangeWindow, 0, 0, fabric_.ready);
  }
}

template <typename Stamp>
void StampEngine<Stamp>::build_unit(size_t index) {
  switch (context_.section.units[index].kind) {
    case UnitKind::kGemm:
    case UnitKind::kSimd:
    case UnitKind::kBuffer:
      units_.push_back(std::make_unique<StampCompute<Stamp>>(context_, fabric_, index));
      break;
    case UnitKind::kLoad:
    case UnitKind::kStore:
      units_.push_back(std::make_unique<StampStream<Stamp>>(context_, fabric_, index));
      break;
    case UnitKind::kSend:
      units_.push_back(std::make_unique<StampSend<Stamp>>(context_, fabric_, index));
      break;
    case UnitKind::kReceive:
      units_.push_back(std::make_unique<StampReceive<Stamp>>(context_, fabric_, index));
      break;
  }
}

// A token for every end of an iteration that somebody waits for.
template <typename Stamp>
void StampEngine<Stamp>::order_iterations() {
  for (size_t u = 0; u < units_.size(); ++u) {
    for (const size_t first : context_.order_of(u)) {
      auto& channel = fabric_.iteration_ends.emplace_back(std::make_unique<StampChannel<Stamp>>(
          uint32_t{0}, DType::kBf16, context_.iterations, 0, 0, fabric_.ready));
      units_[first]->tell(channel.get());
      static_cast<StampStream<Stamp>&>(*units_[u]).wait_for(channel.get());
      iteration_ends_.emplace_back(first, u);
    }
  }
}

template <typename Stamp>
std::optional<SectionOutcome> StampEngine<Stamp>::run() {
  for (auto unit = units_.rbegin(); unit != units_.rend(); ++unit) fabric_.ready.push_back(unit->get());
  const StampUnit<Stamp>* anchor = skip_periods_ ? choose_anchor() : nullptr;
  PeriodFinder periods;
  int64_t seen = 0;
  run_ready();
  while (!fabric_.failed && decide()) {
    run_ready();
    if (anchor == nullptr || anchor->firings() == seen) continue;
    // Who begins at the launch's end stands still before it, but not for ever.
    if (fabric_.last_decision_cycle < context_.head_start.cycles) continue;
    if constexpr (std::is_same_v<Stamp, int64_t>)
      firings_skipped_ += periods.look(*this, fabric_.last_decision_cycle);
    seen = anchor->firings();
  }
  const bool finished =
      std::all_of(units_.begin(), units_.end(), [](const auto& unit) { return unit->finished(); });
  if (fabric_.failed || !finished) return std::nullopt;
  return outcome();
}

template <typename Stamp>
void StampEngine<Stamp>::run_ready() {
  while (!fabric_.ready.empty()) {
    StampUnit<Stamp>* unit = fabric_.ready.back();
    fabric_.ready.pop_back();
    unit->run();
  }
}

// The earliest decision of all; false if nothing waits for one.
template <typename Stamp>
bool StampEngine<Stamp>::decide() {
  const int64_t hbm = fabric_.memory[static_cast<size_t>(Tier::kHbm)].next_decision();
  const int64_t ddr = fabric_.memory[static_cast<size_t>(Tier::kDdr)].next_decision();
  const int64_t egress = fabric_.egress.next_decision();
  const int64_t ingress = fabric_.ingress.next_decision();
  const int64_t cycle = std::min({hbm, ddr, egress, ingress});
  if (cycle == kNoDecision) return false;
  fabric_.last_decision_cycle = cycle;
  if (cycle == egress) {
    pass_egress(cycle);
  } else if (cycle == ingress) {
    pass_ingress(cycle);
  } else {
    const auto t = static_cast<size_t>(cycle == hbm ? Tier::kHbm : Tier::kDdr);
    MemoryTurns<Stamp>& memory = fabric_.memory[t];
    const MemoryTurn<Stamp>& turn = memory.take(cycle);
    turn.stream->granted(memory.serve(turn.arrival, turn.bytes, cycle, fabric_.transfer_kind[t], turn.unit));
  }
  return true;
}

// Cut-through: the head of the message reaches the other port `latency` after it left.
template <typename Stamp>
void StampEngine<Stamp>::pass_egress(int64_t cycle) {
  MessageTurn<Stamp> turn = fabric_.egress.take();
  const Service<Stamp> service =
      fabric_.egress.serve(turn.arrival, turn.sent_bytes, cycle, StepKind::kLinkTransfer, turn.unit);
  StampSend<Stamp>* sender = turn.sender;
  const Step crossing{StepKind::kLinkLatency, turn.unit, fabric_.link_latency_scaling};
  turn.arrival = later(after(service.started, fabric_.link_latency_cycles, crossing), service.decided);
  turn.sender = nullptr;
  fabric_.ingress.post(turn);
  if (sender != nullptr) sender->left(later(service.finish, service.decided), service.decided);
}

template <typename Stamp>
void StampEngine<Stamp>::pass_ingress(int64_t cycle) {
  const MessageTurn<Stamp> turn = fabric_.ingress.take();
  const Service<Stamp> service =
      fabric_.ingress.serve(turn.arrival, turn.received_bytes, cycle, StepKind::kLinkTransfer, turn.unit);
  turn.mailbox->write({later(service.finish, service.decided), turn.rows, turn.cols});
}

// Whose firings are looked at for a repeat: a store that fires often, because it goes on to the end; else the
// unit that fires least of those that fire often, because its firings are the fewest to look at.
template <typename Stamp>
const StampUnit<Stamp>* StampEngine<Stamp>::choose_anchor() const {
  constexpr int64_t kOften = 8;  // a period is seen after at least two of it
  const std::vector<Unit>& units = context_.section.units;
  const StampUnit<Stamp>* anchor = nullptr;
  int64_t fewest = kNoDecision;
  bool store = false;
  for (size_t u = 0; u < units.size(); ++u) {
    if (units[u].firings < kOften) continue;
    const bool is_store = units[u].kind == UnitKind::kStore;
    if (store && !is_store) continue;
    if (units[u].firings > fewest && is_store == store) continue;
    anchor = units_[u].get();
    fewest = units[u].firings;
    store = is_store;
  }
  return anchor;
}

template <typename Stamp>
void StampEngine<Stamp>::walk(StateWalk& state) {
  fabric_.first_iteration = first_iteration();
  for (const auto& unit : units_) {
    unit->walk(state);
    if (!state.goes_on()) return;
  }
  for (size_t c = 0; c < fabric_.channels.size(); ++c) {
    fabric_.channels[c].walk(state, units_[ends_[c].first]->floor(), units_[ends_[c].second]->floor());
    if (!state.goes_on()) return;
  }
  for (size_t u = 0; u < units_.size(); ++u) {
    for (StampChannel<Stamp>& box : fabric_.mailboxes[u])
      box.walk(state, std::numeric_limits<int64_t>::min(), units_[u]->floor());
  }
  for (size_t c = 0; c < iteration_ends_.size(); ++c) {
    fabric_.iteration_ends[c]->walk(state, units_[iteration_ends_[c].first]->floor(),
                                    units_[iteration_ends_[c].second]->floor());
  }
  const int64_t from = fabric_.last_decision_cycle + 1;
  for (MemoryTurns<Stamp>& memory : fabric_.memory) memory.walk(state, from);
  fabric_.egress.walk(state, from);
  fabric_.ingress.walk(state, from);
  state.item(fabric_.last_decision_cycle);
}

// Of the streams: turns at a memory channel go by it.
template <typename Stamp>
int64_t StampEngine<Stamp>::first_iteration() const {
  int64_t first = context_.iterations;
  for (const auto& unit : units_) first = std::min(first, unit->iteration());
  return first;
}

template <typename Stamp>
int64_t StampEngine<Stamp>::firings() const {
  int64_t sum = 0;
  for (const auto& unit : units_) sum += unit->firings();
  return sum;
}

template <typename Stamp>
SectionOutcome StampEngine<Stamp>::outcome() const {
  SectionOutcome out;
  std::vector<UnitCounters>& counters = out.counters.emplace_back();
  ByteCounts& bytes = out.bytes.emplace_back();
  for (const auto& unit : units_) {
    counters.push_back(unit->counters());
    out.firings_simulated += unit->firings();
    unit->add_bytes(bytes);
  }
  out.cycles = cycle_of(end()) - context_.head_start.cycles;
  out.firings_skipped = firings_skipped_;
  out.firings_simulated -= firings_skipped_;
  std::vector<int64_t> written;
  for (const StampChannel<Stamp>& channel : fabric_.channels) written.push_back(channel.bytes_written());
  count_channel_bytes(context_.section, context_.node.chip, written, context_.channel_causes, out);
  out.hbm_busy_cycles = fabric_.memory[static_cast<size_t>(Tier::kHbm)].clock.busy_cycles();
  out.ddr_busy_cycles = fabric_.memory[static_cast<size_t>(Tier::kDdr)].clock.busy_cycles();
  out.link_busy_cycles = fabric_.egress.clock.busy_cycles();
  return out;
}

template <typename Stamp>
Stamp StampEngine<Stamp>::end() const {
  Stamp end = begin_stamp<Stamp>(context_.head_start.cycles);
  for (const auto& unit : units_) end = later(end, unit->end());
  return end;
}

template class StampEngine<int64_t>;
template class StampEngine<TracedStamp>;

}  // namespace rdusim::sim
