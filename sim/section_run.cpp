#include "sim/section_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "sim/compute_unit.h"
#include "sim/exchange_unit.h"
#include "sim/hardware.h"
#include "sim/memory_unit.h"

namespace rdusim::sim {

SectionRun::SectionRun(SectionContext& context)
    : context_(context), sockets_(static_cast<size_t>(context.simulated_sockets)) {}

Result<SectionOutcome> SectionRun::run() {
  for (int64_t s = 0; s < context_.simulated_sockets; ++s) build_channels(s);
  for (int64_t s = 0; s < context_.simulated_sockets; ++s) build_components(s);
  context_.hardware->reset_servers();
  start();
  sc_core::sc_start();  // returns when nothing is left to happen
  RDU_CHECK_OK(check_finished());
  return outcome();
}

void SectionRun::build_channels(int64_t socket) {
  Fabric& fabric = sockets_[static_cast<size_t>(socket)];
  const Section& section = context_.section;
  for (size_t i = 0; i < section.channels.size(); ++i) {
    const Channel& c = section.channels[i];
    fabric.channels.push_back(
        std::make_unique<TokenChannel>(c.name, c.dtype, c.capacity_tokens, c.latency_cycles,
                                       write_rate(c, context_.operand_rates[i], context_.node.chip)));
  }
  fabric.mailboxes.resize(section.units.size());
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    if (unit.kind != UnitKind::kReceive) continue;
    const DType dtype = section.channels[unit.inputs[0].channel.value].dtype;
    for (int64_t k = 1; k < context_.program.sockets; ++k) {
      const int64_t from = (socket + context_.program.sockets - k) % context_.program.sockets;
      fabric.mailboxes[u].push_back(std::make_unique<TokenChannel>(
          fmt::format("exchange {} from socket {}", unit.exchange->id, from), dtype, kExchangeWindow, 0));
    }
  }
}

std::vector<TokenChannel*> SectionRun::outgoing_mailboxes(int64_t socket, const Unit& send) {
  const std::vector<Unit>& units = context_.section.units;
  const auto receive = std::find_if(units.begin(), units.end(), [&](const Unit& u) {
    return u.kind == UnitKind::kReceive && u.exchange->id == send.exchange->id;
  });
  RDU_CHECK(receive != units.end(), "exchange {} has no receive unit", send.exchange->id);
  std::vector<TokenChannel*> out;
  for (int64_t k = 1; k < context_.program.sockets; ++k) {
    const int64_t peer = context_.simulated_sockets == 1 ? 0 : (socket + k) % context_.program.sockets;
    const auto& boxes =
        sockets_[static_cast<size_t>(peer)].mailboxes[static_cast<size_t>(receive - units.begin())];
    out.push_back(boxes[static_cast<size_t>(k - 1)].get());
  }
  return out;
}

std::unique_ptr<Component> SectionRun::make_component(int64_t socket, size_t u) {
  Fabric& fabric = sockets_[static_cast<size_t>(socket)];
  const Unit& unit = context_.section.units[u];
  std::vector<TokenChannel*> in;
  for (const InputPort& port : unit.inputs) in.push_back(fabric.channels[port.channel.value].get());
  std::vector<std::vector<TokenChannel*>> out;
  for (const OutputPort& port : unit.outputs) {
    std::vector<TokenChannel*>& channels = out.emplace_back();
    for (const ChannelId c : port.channels) channels.push_back(fabric.channels[c.value].get());
  }
  switch (unit.kind) {
    case UnitKind::kGemm:
    case UnitKind::kSimd:
    case UnitKind::kBuffer:
      return std::make_unique<ComputeUnit>(context_, unit, u, socket, std::move(in), std::move(out));
    case UnitKind::kLoad:
      return std::make_unique<LoadUnit>(context_, unit, u, socket, in.empty() ? nullptr : in[0],
                                        std::move(out[0]));
    case UnitKind::kStore:
      return std::make_unique<StoreUnit>(context_, unit, u, socket, in[0]);
    case UnitKind::kSend:
      return std::make_unique<SendUnit>(context_, unit, u, socket, in[0], std::move(out[0]),
                                        outgoing_mailboxes(socket, unit));
    case UnitKind::kReceive: {
      std::vector<TokenChannel*> boxes;
      for (const auto& box : fabric.mailboxes[u]) boxes.push_back(box.get());
      return std::make_unique<ReceiveUnit>(context_, unit, u, socket, in[0], std::move(out[0]),
                                           std::move(boxes));
    }
  }
  RDU_CHECK(false, "unit kind {}", static_cast<int>(unit.kind));
}

void SectionRun::build_components(int64_t socket) {
  Fabric& fabric = sockets_[static_cast<size_t>(socket)];
  const std::vector<Unit>& units = context_.section.units;
  for (size_t u = 0; u < units.size(); ++u) {
    fabric.components.push_back(make_component(socket, u));
    Component* component = fabric.components.back().get();
    for (const InputPort& port : units[u].inputs) fabric.channels[port.channel.value]->consumer = component;
    for (const auto& box : fabric.mailboxes[u]) box->consumer = component;
    for (const OutputPort& port : units[u].outputs) {
      for (const ChannelId c : port.channels) fabric.channels[c.value]->producer = component;
    }
    if (units[u].kind == UnitKind::kSend) {
      for (TokenChannel* box : outgoing_mailboxes(socket, units[u])) box->producer = component;
    }
  }
  order_iterations(fabric);
}

// A token for every end of an iteration that somebody waits for.
void SectionRun::order_iterations(Fabric& fabric) {
  for (size_t u = 0; u < fabric.components.size(); ++u) {
    for (const size_t first : context_.order_of(u)) {
      auto& channel = fabric.iteration_ends.emplace_back(
          std::make_unique<TokenChannel>("end of an iteration of " + context_.section.units[first].name,
                                         DType::kBf16, context_.iterations, 0));
      channel->producer = fabric.components[first].get();
      channel->consumer = fabric.components[u].get();
      channel->producer->tell(channel.get());
      channel->consumer->wait_for(channel.get());
    }
  }
}

void SectionRun::start() {
  size_t next = 0;
  for (Fabric& fabric : sockets_) {
    for (const auto& component : fabric.components) {
      UnitProcess* process = context_.hardware->process(next++);
      component->attach(process);
      process->start(component.get());
    }
  }
}

Status SectionRun::check_finished() {
  const std::vector<const Component*> components = all_components();
  const bool finished =
      std::all_of(components.begin(), components.end(), [](const Component* c) { return c->finished(); });
  if (finished) return {};
  std::exception_ptr failure;
  for (const Component* c : components) {
    if (auto thrown = c->process()->take_failure()) failure = thrown;
  }
  std::optional<Error> error = context_.error;
  if (!error && !failure) {
    std::vector<const TokenChannel*> channels;
    for (const Fabric& fabric : sockets_) {
      for (const auto& c : fabric.channels) channels.push_back(c.get());
      for (const auto& c : fabric.iteration_ends) channels.push_back(c.get());
      for (const auto& boxes : fabric.mailboxes) {
        for (const auto& box : boxes) channels.push_back(box.get());
      }
    }
    error = deadlock_error(context_.section, components, channels);
  }
  abort_all();
  if (failure) std::rethrow_exception(failure);
  return std::move(*error);
}

// Takes the waiting units off the fabric, so that the processes can be used again.
void SectionRun::abort_all() {
  for (const Component* c : all_components()) {
    if (c->process()->busy()) c->process()->abort();
  }
  sc_core::sc_start();
  for (const Component* c : all_components()) {
    RDU_CHECK(!c->process()->busy(), "unit {} cannot be aborted", c->unit().name);
  }
}

std::vector<const Component*> SectionRun::all_components() const {
  std::vector<const Component*> out;
  for (const Fabric& fabric : sockets_) {
    for (const auto& c : fabric.components) out.push_back(c.get());
  }
  return out;
}

SectionOutcome SectionRun::outcome() const {
  SectionOutcome out;
  const int64_t launched = context_.begin_cycle + context_.head_start.cycles;
  int64_t end = launched;
  for (int64_t s = 0; s < context_.simulated_sockets; ++s) {
    std::vector<UnitCounters>& counters = out.counters.emplace_back();
    ByteCounts& bytes = out.bytes.emplace_back();
    const Fabric& fabric = sockets_[static_cast<size_t>(s)];
    for (const auto& component : fabric.components) {
      counters.push_back(component->counters());
      end = std::max(end, component->end_cycle());
      out.firings_simulated += component->counters().firings;
      for (size_t w = 0; w < kWireCount; ++w) {
        for (size_t k = 0; k < kCauseCount; ++k) bytes[w][k] += component->bytes()[w][k];
      }
    }
    std::vector<int64_t> written;
    for (const auto& channel : fabric.channels) written.push_back(channel->bytes_written());
    count_channel_bytes(context_.section, context_.node.chip, written, context_.channel_causes, out);
  }
  out.cycles = end - launched;
  const Hardware& hardware = *context_.hardware;
  const auto busy = [&](Tier tier) {
    const Server* server = hardware.memory_server(0, tier);
    return server == nullptr ? 0 : server->busy_cycles();
  };
  out.hbm_busy_cycles = busy(Tier::kHbm);
  out.ddr_busy_cycles = busy(Tier::kDdr);
  out.link_busy_cycles = context_.hardware->egress(0).busy_cycles();
  return out;
}

}  // namespace rdusim::sim
