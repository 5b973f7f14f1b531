// Events, tokens and reads of the cycle engine; how a section is laid out in it is in engine_build.cpp.
#include "sim/cycle/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "sim/cycle/stream_unit.h"

namespace rdusim::sim::cycle {

Result<SectionOutcome> Engine::run() {
  RDU_CHECK_OK(build());
  begin_units();
  Event event;
  while (!error_ && wheel_.next(event)) handle(event);
  if (error_) return *error_;
  const bool finished =
      std::all_of(units_.begin(), units_.end(), [](const auto& unit) { return unit->finished(); });
  if (!finished) return deadlock();
  RDU_CHECK(network_.bursts_under_way() == 0, "{} bursts are still under way", network_.bursts_under_way());
  RDU_CHECK(network_.vectors_injected() == network_.vectors_delivered(), "{} vectors in, {} out",
            network_.vectors_injected(), network_.vectors_delivered());
  return outcome();
}

void Engine::begin_units() {
  for (size_t u = 0; u < units_.size(); ++u) {
    const int64_t begin = context_.head_start.begin_of(u);
    if (begin == 0) {
      units_[u]->advance();
    } else {
      wheel_.add(begin, {EventKind::kAdvance, static_cast<uint32_t>(u), 0});
    }
  }
}

void Engine::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kArrive:
    case EventKind::kExpose:
    case EventKind::kServe:
      network_.handle(event);
      break;
    case EventKind::kInject: {
      const Injection injection = injections_[event.a];
      free_injections_.push_back(event.a);
      if (injection.source == BurstNetwork::kNone) {
        deliver(injection.burst);
      } else {
        network_.inject(injection.source, injection.root, injection.burst);
      }
      break;
    }
    case EventKind::kMemory:
      if (event.b != 0) {
        pump_tier(static_cast<Tier>(event.a));
      } else {
        advance_memory(static_cast<Tier>(event.a));
      }
      break;
    case EventKind::kPump: {
      CycleChannel& c = channels_[event.a];
      c.under_way -= event.b;
      pump_read(c);
      break;
    }
    case EventKind::kUnit:
      units_[event.a]->event(event.b);
      break;
    case EventKind::kData:
      units_[event.a]->data(event.b);
      break;
    case EventKind::kLine:
      line_there(channels_[event.a], event.b);
      break;
    case EventKind::kToken:
      token_ready(channels_[event.a]);
      break;
    case EventKind::kCredit:
      release(channels_[event.a]);
      break;
    case EventKind::kAdvance:
      advance(event.a);
      break;
  }
  // Deliveries may send more bursts, but none arrives in the same cycle.
  for (size_t i = 0; i < network_.delivered.size(); ++i) deliver(Burst(network_.delivered[i]));
  network_.delivered.clear();
}

// ---------------------------------------------------------------------------------------------- tokens

int64_t Engine::open_token(CycleChannel& c, int64_t rows, int64_t cols) {
  const int64_t n = c.opened++;
  Token& token = c.token(n);
  token = {};
  token.rows = rows;
  token.cols = cols;
  token.bytes = rows * cols * dtype_bytes(c.spec->dtype);
  const int64_t line = context_.node.chip.rdn.link_bytes_per_cycle;
  token.vectors = (token.bytes + line - 1) / line;
  token.bursts = burst_count(token.vectors, c.write_leg.size());
  token.first_route = take_routes(c.next_write_route, token.bursts, c.write_leg.size());
  c.elements_written += rows * cols;
  // An empty token still has to be told: it is there after the way of a control event.
  if (token.bursts == 0) token_there(c, n, now() + 1);
  return n;
}

void Engine::put(CycleChannel& c, int64_t n, int64_t k) {
  if (c.sent_with) return;
  Token& token = c.token(n);
  const int64_t per_burst = vectors_per_burst(token.vectors, c.write_leg.size());
  const int64_t vectors = std::min(per_burst, token.vectors - k * per_burst);
  if (c.write_leg.size() == 0) return written(c, static_cast<uint32_t>(n), k, vectors);
  const size_t route = (token.first_route + static_cast<size_t>(k)) % c.write_leg.size();
  network_.inject(c.write_leg.sources[route], c.write_leg.roots[route],
                  {c.number * 2, static_cast<uint32_t>(n), static_cast<uint16_t>(k),
                   static_cast<uint16_t>(vectors), c.write_leg.copies[route]});
}

// Its head is there: the lines follow it into the PMU, one a cycle.
void Engine::written(CycleChannel& c, uint32_t n, int64_t k, int64_t vectors) {
  Token& token = c.token(n);
  int64_t ready = now() + vectors + (c.write_leg.size() == 0 ? c.spec->latency_cycles : 1);
  if (c.pmus != nullptr && !c.view) {
    const size_t ways = c.write_leg.size();
    const size_t route = ways == 0 ? 0 : (token.first_route + static_cast<size_t>(k)) % ways;
    const size_t pmu = c.write_leg.size() == 0 ? 0 : c.write_leg.to[route];
    const int64_t per_burst = vectors_per_burst(token.vectors, c.write_leg.size());
    const int64_t line = slot_line(c, n) + k / static_cast<int64_t>(c.pmus->size()) * per_burst;
    ready = (*c.pmus)[pmu].access(true, now() + 1, line, vectors).last_cycle + 1;
  }
  if (c.fifo) return wheel_.add(ready, {EventKind::kLine, c.number, n});
  token.ready_cycle = std::max(token.ready_cycle, ready);
  if (++token.written == token.bursts) token_there(c, n, token.ready_cycle);
}

// A burst's lines are in the PMU of a channel that is read as a FIFO.
void Engine::line_there(CycleChannel& c, uint32_t n) {
  Token& token = c.token(n);
  if (++token.written == 1) token_there(c, n, now());
  pump_read(c);
}

int64_t Engine::slot_line(const CycleChannel& c, int64_t token) const {
  return token % static_cast<int64_t>(c.tokens.size()) * c.slot_lines;
}

void Engine::token_there(CycleChannel& c, int64_t n, int64_t cycle) {
  Token& token = c.token(n);
  token.ready_cycle = std::max(cycle, now());
  token.ready = true;
  wheel_.add(token.ready_cycle, {EventKind::kToken, c.number, 0});
}

// Tokens are taken in order, whenever they came.
void Engine::token_ready(CycleChannel& c) {
  bool news = false;
  while (c.ready < c.opened && c.token(c.ready).ready && c.token(c.ready).ready_cycle <= now()) {
    ++c.ready;
    news = true;
  }
  if (news) advance(c.consumer);
}

void Engine::release(CycleChannel& c) {
  ++c.released;
  if (!c.producer_waits) return;
  c.producer_waits = false;
  advance(c.producer);
}

// ---------------------------------------------------------------------------------------------- reads

Read& Engine::start_read(CycleChannel& c, int64_t n, int64_t elements, bool last) {
  const Token& token = c.token(n);
  Read read;
  read.token = n;
  read.rows = token.rows;
  read.cols = token.cols;
  read.last = last;
  if (elements > 0 && c.pmus != nullptr) {
    const int64_t line = context_.node.chip.rdn.link_bytes_per_cycle;
    const int64_t payload = line * c.share.payload_bytes;  // of port_bytes vectors
    read.vectors = (elements * dtype_bytes(c.spec->dtype) * c.share.port_bytes + payload - 1) / payload;
    read.per_burst = vectors_per_burst(read.vectors, c.read_leg.size());
    read.bursts = burst_count(read.vectors, c.read_leg.size());
    read.first_route = take_routes(c.next_read_route, read.bursts, c.read_leg.size());
  }
  c.reads.push_back(read);
  pump_read(c);
  return c.reads.back();
}

void Engine::pump_read(CycleChannel& c) {
  for (; c.active < c.reads.size(); ++c.active) {
    Read& read = c.reads[c.active];
    const Token& token = c.token(read.token);
    const bool whole = !c.fifo || token.written == token.bursts;
    const int64_t there = whole ? read.bursts : read.bursts * token.written / token.bursts;
    int64_t last = now();
    while (read.sent < read.bursts) {
      if (c.under_way >= c.window || read.sent >= there) return;
      const int64_t k = read.sent++;
      const int64_t vectors = std::min(read.per_burst, read.vectors - k * read.per_burst);
      const bool way = c.read_leg.size() > 0;
      const size_t route = way ? (read.first_route + static_cast<size_t>(k)) % c.read_leg.size() : 0;
      const size_t pmu = way ? c.read_leg.from[route] : 0;
      const int64_t line =
          slot_line(c, read.token) + k / static_cast<int64_t>(c.pmus->size()) * read.per_burst;
      const PmuPorts::Grant grant = (*c.pmus)[pmu].access(false, now(), line, vectors);
      last = std::max(last, grant.last_cycle + 1);
      c.under_way += vectors;
      const auto number = c.first_read + static_cast<uint32_t>(c.active);
      Burst burst{c.number * 2 + 1, number, static_cast<uint16_t>(k), static_cast<uint16_t>(vectors), 1};
      if (way) burst.copies = c.read_leg.copies[route];
      add_injection(grant.first_cycle + PmuPorts::kAccessLatencyCycles,
                    way ? c.read_leg.sources[route] : BurstNetwork::kNone, way ? c.read_leg.roots[route] : 0,
                    burst);
    }
    if (read.last && read.bursts > 0) wheel_.add(last + c.credit_cycles, {EventKind::kCredit, c.number, 0});
  }
}

void Engine::add_injection(int64_t cycle, uint32_t source, uint32_t root, const Burst& burst) {
  uint32_t at = 0;
  if (free_injections_.empty()) {
    at = static_cast<uint32_t>(injections_.size());
    injections_.emplace_back();
  } else {
    at = free_injections_.back();
    free_injections_.pop_back();
  }
  injections_[at] = {source, root, burst};
  wheel_.add(cycle, {EventKind::kInject, at, 0});
}

void Engine::end_read(CycleChannel& c) {
  const Read& read = c.reads.front();
  RDU_CHECK(read.sent == read.bursts && c.active > 0, "a read of channel {} ends early", c.spec->name);
  if (read.last && read.bursts == 0) wheel_.add(now() + c.credit_cycles, {EventKind::kCredit, c.number, 0});
  c.reads.pop_front();
  ++c.first_read;
  --c.active;
}

void Engine::consume(CycleChannel& c, int64_t vectors, int64_t cycle) {
  wheel_.add(cycle, {EventKind::kPump, c.number, static_cast<uint32_t>(vectors)});
}

void Engine::deliver(const Burst& burst) {
  CycleChannel& c = channels_[burst.owner / 2];
  if (burst.owner % 2 == 0) {
    for (const uint32_t other : c.sent_along)
      written(channels_[other], burst.number, burst.place, burst.vectors);
    return written(c, burst.number, burst.place, burst.vectors);
  }
  Read& read = c.read(burst.number);
  ++read.arrived;
  units_[c.consumer]->operand(c, read, burst.vectors);
}

// ---------------------------------------------------------------------------------------------- memory

uint32_t Engine::add_piece(uint32_t unit, uint32_t token, int64_t bytes) {
  if (free_pieces_.empty()) {
    pieces_.push_back({unit, token, bytes});
    return static_cast<uint32_t>(pieces_.size() - 1);
  }
  const uint32_t at = free_pieces_.back();
  free_pieces_.pop_back();
  pieces_[at] = {unit, token, bytes};
  return at;
}

// Of the earliest iteration, by priority.
StreamUnit* TierPort::next_stream() const {
  StreamUnit* best = nullptr;
  for (StreamUnit* s : streams) {
    if (!s->has_request() || (best != nullptr && s->asking_iteration() >= best->asking_iteration())) continue;
    best = s;
    if (!loops) return best;
  }
  return best;
}

// The next requests: of the first stream that has one, as long as the window and the ports allow.
void Engine::pump_tier(Tier t) {
  TierPort& port = tiers_[static_cast<size_t>(t)];
  while (port.under_way + kPieceBytes <= port.path->window_bytes()) {
    StreamUnit* best = port.next_stream();
    if (best == nullptr) return;
    // The ports ask for as much as they could take.
    const int64_t free = port.issued / port.bytes_per_cycle;
    if (free > now()) {
      if (port.wake_cycle != free) wheel_.add(free, {EventKind::kMemory, static_cast<uint32_t>(t), 1});
      port.wake_cycle = free;
      return;
    }
    const StreamUnit::Request request = best->next_request();
    port.path->request(request.address, request.bytes, request.write, request.piece, now());
    port.under_way += request.bytes;
    port.issued = std::max(port.issued, now() * port.bytes_per_cycle) + request.bytes;
    if (!port.ticking)
      wheel_.add(now() + port.path->step_cycles(), {EventKind::kMemory, static_cast<uint32_t>(t), 0});
    port.ticking = true;
  }
}

void Engine::advance_memory(Tier t) {
  TierPort& port = tiers_[static_cast<size_t>(t)];
  port.path->advance(now());
  for (const MemoryPath::Completion& done : port.path->completions)
    wheel_.add(done.cycle, {EventKind::kData, pieces_[done.tag].unit, done.tag});
  port.path->completions.clear();
  port.ticking = !port.path->idle();
  if (port.ticking)
    wheel_.add(now() + port.path->step_cycles(), {EventKind::kMemory, static_cast<uint32_t>(t), 0});
}

// ---------------------------------------------------------------------------------------------- results

Error Engine::deadlock() const {
  std::string what = fmt::format("nothing moves after cycle {}:", wheel_.now());
  if (network_.bursts_under_way() > 0)
    what += fmt::format("\n  {} bursts stand in the network", network_.bursts_under_way());
  for (const CycleChannel& c : channels_) {
    if (c.ready == c.opened) continue;
    const Token& token = c.tokens[static_cast<size_t>(c.ready) % c.tokens.size()];
    what += fmt::format("\n  channel {}: {} of {} bursts of token {} are written", c.spec->name,
                        token.written, token.bursts, c.ready);
  }
  for (const auto& unit : units_) {
    if (!unit->finished()) what += "\n  " + unit->waits_for();
  }
  return Error{ErrorCode::kDeadlock, "section " + section_.name, std::move(what),
               "a channel on the way needs more capacity_tokens"};
}

SectionOutcome Engine::outcome() const {
  SectionOutcome out;
  std::vector<UnitCounters>& counters = out.counters.emplace_back();
  ByteCounts& bytes = out.bytes.emplace_back();
  for (const auto& unit : units_) {
    counters.push_back(unit->counters());
    UnitCounters& c = counters.back();
    const int64_t end = std::max<int64_t>(0, unit->end_cycle() - launched_cycle());
    out.cycles = std::max(out.cycles, end);
    c.ahead = std::min(c.ahead, launched_cycle());
    c.busy = std::min(c.busy, end);
    c.blocked = std::min(c.blocked, end - c.busy);
    c.starved = end - c.busy - c.blocked;
    out.firings_simulated += c.firings;
    unit->add_bytes(bytes);
  }
  std::vector<int64_t> elements;
  for (const CycleChannel& c : channels_) elements.push_back(c.elements_written * dtype_bytes(c.spec->dtype));
  count_channel_bytes(section_, context_.node.chip, elements, context_.channel_causes, out);
  const auto busy = [&](Tier t) {
    const auto& path = tiers_[static_cast<size_t>(t)].path;
    return path ? path->busy_cycles() : 0;
  };
  out.hbm_busy_cycles = busy(Tier::kHbm);
  out.ddr_busy_cycles = busy(Tier::kDdr);
  out.flits = {network_.vectors_injected(), network_.vectors_delivered(), network_.vector_hops()};
  return out;
}

}  // namespace rdusim::sim::cycle
