// The cycle fidelity of one section launch: every unit, channel and memory of the section on the placed and
// routed chip, by next event. Timing only; one socket stands for all, as in event.
//
//   DRAM ─ path ─► AGCU port ─ RDN ─► PMUs of the channel ─ RDN ─► PCUs ─ RDN ─► PMUs ... ─► AGCU ─► DRAM
//   commands        vectors  bursts    banks, ports               steps
//
// What happens in a token is not taken from rates:
//   streams   a token is cut at the memory's address interleave; each piece is a request to the DRAM channels
//             at the symbol's real offset; data come back piece by piece and go on at once
//   channels  a token has its slot in the channel's PMUs before its first vector leaves (credits by token).
//   It
//             is there when its last line is written (for a consumer that only passes it on, when its first
//             is); then it is read, line by line, for every firing that uses it (a held token is read again
//             each time), and its slot is free after the last read, when the news has crossed the control
//             network
//   compute   a firing joins the PCUs' queue when all its tokens are there; its operand vectors then stream
//   in,
//             and each step of its passes waits for its share of them (PcuModel); results leave in order and
//             hold the PCUs when the channel behind has no slot and the output FIFO is full
//   exchange  packets with headers, over the socket's link
//
// Granule: vectors step one by one in PCUs, lines one by one in PMUs, commands one by one in DRAM; on the RDN
// up to eight vectors of a token move as one burst (burst_network.h).
// APPROX: operands arrive at the PCUs of a unit in any order, and steps use them evenly; tokens of the SRAM
// tier move at the rate of event.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "base/arch/dram.h"
#include "base/program/firing_plan.h"
#include "base/program/operand_reads.h"
#include "base/result.h"
#include "sim/cycle/burst_network.h"
#include "sim/cycle/event_wheel.h"
#include "sim/cycle/leg_builder.h"
#include "sim/cycle/memory_path.h"
#include "sim/cycle/pmu_ports.h"
#include "sim/section_context.h"
#include "sim/section_outcome.h"
#include "sim/simulator.h"

namespace rdusim::sim::cycle {

class Engine;

struct Token {
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t bytes = 0;
  int64_t vectors = 0;
  int64_t bursts = 0;  // of its way to the PMUs
  size_t first_route = 0;
  int64_t written = 0;
  int64_t ready_cycle = 0;
  bool ready = false;
};

// A token as it is read for one firing.
struct Read {
  int64_t token = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t vectors = 0;
  int64_t per_burst = 1;
  int64_t bursts = 0;
  size_t first_route = 0;
  int64_t sent = 0;
  int64_t arrived = 0;   // bursts
  int64_t consumed = 0;  // bursts
  bool last = false;     // the slot is free afterwards
};

struct CycleChannel {
  const Channel* spec = nullptr;
  uint32_t number = 0;
  size_t producer = 0;
  size_t consumer = 0;
  size_t input = 0;                       // port of the consumer
  std::vector<PmuPorts>* pmus = nullptr;  // where its tokens lie; null: at the consumer
  bool view = false;                      // they lie in the PMUs of the buffer that made them
  // Who only passes its tokens on takes them through the PMUs as through a FIFO: line by line as they come.
  bool fifo = false;
  std::optional<uint32_t> sent_with;  // the channel whose bursts carry its tokens, copied on the way
  std::vector<uint32_t> sent_along;   // channels whose tokens its bursts carry
  int64_t slot_lines = 0;
  VectorShare share;  // of the vectors in which it is read
  Leg write_leg;
  Leg read_leg;
  // Bursts take the routes of a leg in turn, from token to token: so each carries the same in the long run.
  size_t next_write_route = 0;
  size_t next_read_route = 0;
  int64_t credit_cycles = 0;  // of a freed slot back to the producer

  std::vector<Token> tokens;  // ring
  int64_t opened = 0;
  int64_t ready = 0;
  int64_t taken = 0;
  int64_t released = 0;
  int64_t elements_written = 0;
  bool producer_waits = false;

  std::deque<Read> reads;
  uint32_t first_read = 0;  // number of reads.front()
  size_t active = 0;        // index of the read that is being sent
  int64_t under_way = 0;    // vectors
  int64_t window = 0;       // vectors

  [[nodiscard]] bool has_space() const { return opened - released < static_cast<int64_t>(tokens.size()); }
  [[nodiscard]] bool has_token() const { return ready > taken; }
  int64_t elements(int64_t n) { return token(n).rows * token(n).cols; }
  Token& token(int64_t n) { return tokens[static_cast<size_t>(n) % tokens.size()]; }
  Read& read(uint32_t n) { return reads[n - first_read]; }
};

class CycleUnit {
 public:
  CycleUnit(Engine& engine, size_t index);
  virtual ~CycleUnit() = default;
  CycleUnit(const CycleUnit&) = delete;
  CycleUnit& operator=(const CycleUnit&) = delete;

  // Does what can be done now: called at the start and when a token or a slot has come.
  virtual void advance() = 0;
  // A burst of a read of input channel `c` has come.
  virtual void operand(CycleChannel& c, Read& read, int64_t vectors) { (void)c, (void)read, (void)vectors; }
  virtual void event(uint32_t what) { (void)what; }
  // A request to memory is complete.
  virtual void data(uint32_t piece) { (void)piece; }
  // Of a looping launch that prefetches: iterations done, and who is told of the end of one.
  [[nodiscard]] int64_t iterations_done() const { return done_ / firings_per_iteration_; }
  void tell(uint32_t unit) { told_.push_back(unit); }
  [[nodiscard]] bool finished() const { return done_ == unit_.firings; }
  [[nodiscard]] virtual UnitCounters counters() const { return counters_; }
  [[nodiscard]] int64_t end_cycle() const { return end_cycle_; }
  [[nodiscard]] int64_t done() const { return done_; }
  // What it waits for, in words.
  [[nodiscard]] std::string waits_for() const;
  void add_bytes(ByteCounts& bytes) const;

 protected:
  [[nodiscard]] int64_t now() const;
  [[nodiscard]] bool tokens_there(int64_t firing) const;
  // Space in all the channels of the ports that are active in the firing; who has none tells us when it has.
  bool space_there(int64_t firing);
  void finish_firing();
  // Works, or has worked, from `begin` to `end`; what lies in the head start is told apart.
  void count_busy(int64_t begin, int64_t end);

  Engine& engine_;
  const Unit& unit_;
  const size_t index_;
  const int64_t firings_per_iteration_;
  UnitCounters counters_;
  std::vector<uint32_t> told_;
  std::vector<CycleChannel*> inputs_;
  std::vector<std::vector<CycleChannel*>> outputs_;  // by port
  int64_t begun_ = 0;                                // firings
  int64_t done_ = 0;
  int64_t end_cycle_ = 0;
  int64_t bytes_moved_ = 0;
  Wire wire_ = Wire::kSram;
  Cause cause_ = Cause::kActivations;
};

// The next of a leg's routes, and the one that `bursts` later is the next.
inline size_t take_routes(size_t& next, int64_t bursts, size_t routes) {
  const size_t first = next;
  if (routes > 0) next = (next + static_cast<size_t>(bursts)) % routes;
  return first;
}

// A token's vectors over the routes of a leg: equal parts, in bursts.
inline int64_t vectors_per_burst(int64_t vectors, size_t routes) {
  const auto n = static_cast<int64_t>(std::max<size_t>(1, routes));
  return std::clamp<int64_t>((vectors + n - 1) / n, 1, kBurstVectors);
}
inline int64_t burst_count(int64_t vectors, size_t routes) {
  const int64_t per_burst = vectors_per_burst(vectors, routes);
  return (vectors + per_burst - 1) / per_burst;
}

// Requests end at multiples of it, as far as a stream stays in one memory channel (configs/dram).
inline constexpr int64_t kPieceBytes = 512;

class StreamUnit;

// One memory tier and the streams that share it.
struct TierPort {
  std::unique_ptr<MemoryPath> path;
  std::vector<StreamUnit*> streams;  // by priority, then rank
  int64_t under_way = 0;             // bytes
  int64_t issued = 0;            // bytes that the ports would have asked for since the begin, idle ones too
  int64_t bytes_per_cycle = 64;  // of the AGCU ports together
  int64_t wake_cycle = -1;
  bool ticking = false;
  bool loops = false;  // several iterations of a section may ask at once
  // Who asks next; null: nobody.
  [[nodiscard]] StreamUnit* next_stream() const;
};

// When the socket's link to its peers is free, out and in: all exchanges of a section take turns at it.
struct PeerLinkTime {
  double out_free_cycle = 0;
  double in_free_cycle = 0;
};

class Engine {
 public:
  // `memories` [HBM, DDR]: null where no stream goes there.
  Engine(const SectionContext& context, const MemoryDevices& memories);
  Result<SectionOutcome> run();
  // After run(): the last unit's end of each iteration.
  [[nodiscard]] const std::vector<int64_t>& iteration_ends() const { return iteration_ends_; }

  // --- what units use
  [[nodiscard]] int64_t now() const { return wheel_.now(); }
  [[nodiscard]] const SectionContext& context() const { return context_; }
  [[nodiscard]] const Section& section() const { return section_; }
  [[nodiscard]] CycleChannel& channel(ChannelId c) { return channels_[c.value]; }
  [[nodiscard]] const CycleUnit& unit(size_t index) const { return *units_[index]; }
  // The launch is complete; before, only units that run ahead do anything.
  [[nodiscard]] int64_t launched_cycle() const { return context_.head_start.cycles; }
  void end_iteration(int64_t iteration) {
    int64_t& end = iteration_ends_[static_cast<size_t>(iteration)];
    end = std::max(end, now());
  }
  std::vector<PmuPorts>& unit_pmus(size_t unit) { return unit_pmus_[unit]; }
  void add_event(int64_t cycle, EventKind kind, uint32_t a, uint32_t b) { wheel_.add(cycle, {kind, a, b}); }
  TierPort& tier(Tier t) { return tiers_[static_cast<size_t>(t)]; }
  PeerLinkTime& peer_link() { return peer_link_; }
  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }

  // A slot is taken; the token will have that shape. Returns its number.
  int64_t open_token(CycleChannel& c, int64_t rows, int64_t cols);
  // Burst `k` of the token leaves its producer now.
  void put(CycleChannel& c, int64_t token, int64_t k);
  // The token is in its place from `cycle` on, without a way to go.
  void token_there(CycleChannel& c, int64_t token, int64_t cycle);
  // The consumer takes the next token.
  int64_t take(CycleChannel& c) { return c.taken++; }
  // Reads so many elements of a taken token for a firing.
  Read& start_read(CycleChannel& c, int64_t token, int64_t elements, bool last);
  // The first read's operands were used up; its slot is free if that was its last.
  void end_read(CycleChannel& c);
  void consume(CycleChannel& c, int64_t vectors, int64_t cycle);
  void pump_tier(Tier t);
  [[nodiscard]] uint32_t add_piece(uint32_t unit, uint32_t token, int64_t bytes);
  struct Piece {
    uint32_t unit = 0;
    uint32_t token = 0;
    int64_t bytes = 0;
  };
  [[nodiscard]] const Piece& piece(uint32_t number) const { return pieces_[number]; }
  void free_piece(uint32_t number) { free_pieces_.push_back(number); }

 private:
  struct Injection {
    uint32_t source = 0;
    uint32_t root = 0;
    Burst burst;
  };
  struct Layout;  // what only the building needs
  Status build();
  Status build_channels(const Fabric& fabric);
  void build_channel(Layout& layout, CycleChannel& c);
  void build_write_leg(Layout& layout, CycleChannel& c, const LegSpec& leg);
  bool join_sibling(Layout& layout, CycleChannel& c, const LegSpec& leg);
  void build_read_leg(Layout& layout, CycleChannel& c, const LegSpec& leg);
  Status build_tiers();
  void build_units();
  std::unique_ptr<CycleUnit> make_unit(size_t u);
  void join_exchanges();
  void begin_units();
  // A token, a slot or an iteration's end has come for it.
  void advance(size_t unit) {
    if (now() >= context_.head_start.begin_of(unit)) units_[unit]->advance();
  }
  void handle(const Event& event);
  void deliver(const Burst& burst);
  void written(CycleChannel& c, uint32_t token, int64_t k, int64_t vectors);
  void line_there(CycleChannel& c, uint32_t token);
  void pump_read(CycleChannel& c);
  void release(CycleChannel& c);
  void token_ready(CycleChannel& c);
  void advance_memory(Tier t);
  void add_injection(int64_t cycle, uint32_t source, uint32_t root, const Burst& burst);
  [[nodiscard]] int64_t line_bytes() const { return context_.node.chip.rdn.link_bytes_per_cycle; }
  [[nodiscard]] int64_t slot_line(const CycleChannel& c, int64_t token) const;
  [[nodiscard]] Error deadlock() const;
  [[nodiscard]] SectionOutcome outcome() const;

  const SectionContext& context_;
  const MemoryDevices& memories_;
  Section section_;
  EventWheel wheel_;
  BurstNetwork network_;
  std::vector<CycleChannel> channels_;
  std::vector<std::vector<PmuPorts>> channel_pmus_;
  std::vector<std::vector<PmuPorts>> unit_pmus_;  // of buffers
  std::vector<std::unique_ptr<CycleUnit>> units_;
  std::array<TierPort, kTierCount> tiers_;
  PeerLinkTime peer_link_;
  std::vector<Injection> injections_;
  std::vector<uint32_t> free_injections_;
  std::vector<Piece> pieces_;
  std::vector<uint32_t> free_pieces_;
  std::vector<int64_t> iteration_ends_;
  std::optional<Error> error_;
};

std::unique_ptr<CycleUnit> make_compute_unit(Engine& engine, size_t index);
std::unique_ptr<CycleUnit> make_buffer_unit(Engine& engine, size_t index);
std::unique_ptr<CycleUnit> make_exchange_unit(Engine& engine, size_t index);
// The two ends of one exchange.
void join_exchange(CycleUnit& send, CycleUnit& receive);

}  // namespace rdusim::sim::cycle
