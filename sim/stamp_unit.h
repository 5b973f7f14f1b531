// The units of the stamp engine: what component.h's units do to time, and nothing else. A unit fires as often
// as its tokens, slots and turns allow, then waits; so a section runs in one thread without an event kernel.
//
// Each class has its twin in compute_unit.h, memory_unit.h or exchange_unit.h, which is the specification:
// tests hold that both count the same in every counter.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/firing_cost.h"
#include "sim/section_context.h"
#include "sim/stamp.h"
#include "sim/stamp_channel.h"
#include "sim/stamp_server.h"
#include "sim/stream_access.h"

namespace rdusim::sim {

template <typename Stamp>
struct StampFabric;

// Of what begins when the launch is complete, so many cycles into the run.
template <typename Stamp>
Stamp begin_stamp(int64_t head_start_cycles) {
  return after(Stamp{}, head_start_cycles, {StepKind::kLaunch, 0, static_cast<double>(head_start_cycles)});
}

template <typename Stamp>
class StampUnit {
 public:
  using Fabric = StampFabric<Stamp>;
  using Channel = StampChannel<Stamp>;
  using Token = StampToken<Stamp>;

  StampUnit(const SectionContext& context, Fabric& fabric, size_t index)
      : context_(context),
        fabric_(fabric),
        unit_(context.section.units[index]),
        index_(index),
        firings_per_iteration_(context.firings_per_iteration(index)),
        time_(begin_stamp<Stamp>(context.head_start.begin_of(index))) {}
  virtual ~StampUnit() = default;
  StampUnit(const StampUnit&) = delete;
  StampUnit& operator=(const StampUnit&) = delete;

  // Fires until it has to wait or is done.
  virtual void run() = 0;
  void walk(StateWalk& state);
  // No stamp below this cycle can change what it does.
  [[nodiscard]] virtual int64_t floor() const { return cycle_of(time_); }

  [[nodiscard]] int64_t firings() const { return counters_.firings; }
  [[nodiscard]] bool finished() const { return counters_.firings == unit_.firings; }
  [[nodiscard]] Stamp end() const { return later(end_, time_); }
  [[nodiscard]] virtual UnitCounters counters() const { return counters_; }
  // Of a looping launch that prefetches: of its next firing.
  [[nodiscard]] int64_t iteration() const { return counters_.firings / firings_per_iteration_; }
  // Who waits for the end of its iterations gets a token there.
  void tell(Channel* iteration_end) { iteration_ends_.push_back(iteration_end); }
  // What it moved over memory channels and links.
  void add_bytes(ByteCounts& bytes) const {
    if (wire_ == Wire::kSram && unit_.kind == UnitKind::kLoad) return;  // an operand read
    bytes[static_cast<size_t>(wire_)][static_cast<size_t>(cause_)] += bytes_moved_;
  }

 protected:
  virtual void walk_more(StateWalk& state) = 0;

  bool has_token(Channel& channel) {
    if (channel.has_token()) return true;
    channel.waiting_consumer = this;
    return false;
  }
  bool have_space(const std::vector<Channel*>& channels) {
    for (Channel* channel : channels) {
      if (channel->has_space()) continue;
      channel->waiting_producer = this;
      return false;
    }
    return true;
  }
  // When the last of the next slots was free; they are claimed.
  static Stamp claim(const std::vector<Channel*>& channels, Stamp since) {
    for (Channel* channel : channels) {
      since = later(since, channel->space());
      channel->claim();
    }
    return since;
  }
  void finish_firing() {
    ++counters_.firings;
    if (iteration_ends_.empty() || counters_.firings % firings_per_iteration_ != 0) return;
    for (Channel* channel : iteration_ends_) {
      channel->claim();
      channel->write({end(), 0, 0});
    }
  }
  void work_until(const Stamp& until) { pass(until, counters_.busy); }
  void starve_until(const Stamp& until) { pass(until, counters_.starved); }
  void block_until(const Stamp& until) { pass(until, counters_.blocked); }

  const SectionContext& context_;
  Fabric& fabric_;
  const Unit& unit_;
  const size_t index_;
  const int64_t firings_per_iteration_;
  UnitCounters counters_;
  Wire wire_ = Wire::kSram;
  Cause cause_ = Cause::kActivations;
  int64_t bytes_moved_ = 0;
  Stamp time_;
  Stamp end_{};

 private:
  std::vector<Channel*> iteration_ends_;

  void pass(const Stamp& until, int64_t& counter) {
    const int64_t cycles = cycle_of(until) - cycle_of(time_);
    if (cycles <= 0) return;
    counter += cycles;
    if (cycle_of(time_) < context_.head_start.cycles) leave_out_head_start(until, counter);
    time_ = until;
  }
  void leave_out_head_start(const Stamp& until, int64_t& counter) {
    const int64_t ahead = std::min(cycle_of(until), context_.head_start.cycles) - cycle_of(time_);
    counter -= ahead;
    if (&counter == &counters_.busy) counters_.ahead += ahead;
  }
};

// Gemm, simd and buffer units.
template <typename Stamp>
class StampCompute : public StampUnit<Stamp> {
 public:
  using Base = StampUnit<Stamp>;
  using typename Base::Channel;
  using typename Base::Fabric;
  using typename Base::Token;
  StampCompute(const SectionContext& context, Fabric& fabric, size_t index);
  void run() override;
  [[nodiscard]] UnitCounters counters() const override;
  // Results leave while their firing works, so slots that came free meanwhile still count.
  [[nodiscard]] int64_t floor() const override { return cycle_of(fired_ ? begin_ : time_); }

 private:
  using Base::block_until;
  using Base::claim;
  using Base::context_;
  using Base::counters_;
  using Base::fabric_;
  using Base::finish_firing;
  using Base::finished;
  using Base::has_token;
  using Base::have_space;
  using Base::index_;
  using Base::starve_until;
  using Base::time_;
  using Base::unit_;
  using Base::work_until;
  struct Input {
    Channel* channel = nullptr;
    Phases phases;
    int64_t phase = 0;
    bool held = false;
  };
  struct Output {
    std::vector<Channel*> channels;
    const OutputPort* port = nullptr;
    int64_t phase = 0;
    int64_t reset_phase = 0;
    bool filled = false;
    Extent tile;
  };
  [[nodiscard]] Step step(StepKind kind, int64_t cycles) const {
    return {kind, static_cast<uint32_t>(index_), static_cast<double>(cycles)};
  }
  bool fire();
  bool give();
  bool update(Output& output, bool active, const Extent& source);
  void release_inputs();
  void walk_more(StateWalk& state) override;

  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<Extent> extents_;  // of the held tokens; rows -1: none
  FiringCost cost_;
  StepKind work_kind_;  // what its firings do, and what they read their operands from
  StepKind read_kind_;
  int64_t latency_cycles_ = 0;  // of the firing whose results wait
  int64_t result_cycles_ = 0;
  Stamp begin_{};          // of that firing
  Stamp results_ready_{};  // of the firing before: results leave in order
  bool fired_ = false;     // results wait for space
};

// Load and store units.
template <typename Stamp>
class StampStream : public StampUnit<Stamp> {
 public:
  using Base = StampUnit<Stamp>;
  using typename Base::Channel;
  using typename Base::Fabric;
  using typename Base::Token;
  StampStream(const SectionContext& context, Fabric& fabric, size_t index);
  void run() override;
  // Its turn has come.
  void granted(const Service<Stamp>& service);
  // Its next iteration begins after a token of this channel.
  void wait_for(Channel* iteration_end) { awaited_.push_back(iteration_end); }
  [[nodiscard]] int64_t floor() const override { return std::min(cycle_of(now_), cycle_of(time_)); }
  [[nodiscard]] UnitCounters counters() const override;

 private:
  using Base::block_until;
  using Base::bytes_moved_;
  using Base::cause_;
  using Base::claim;
  using Base::context_;
  using Base::counters_;
  using Base::end_;
  using Base::fabric_;
  using Base::finish_firing;
  using Base::finished;
  using Base::firings_per_iteration_;
  using Base::has_token;
  using Base::have_space;
  using Base::index_;
  using Base::starve_until;
  using Base::time_;
  using Base::unit_;
  using Base::wire_;
  using Base::work_until;
  struct Transfer {
    Stamp start{};
    Stamp finish{};
    Stamp first{};  // first byte has arrived, and last
    Stamp done{};
  };
  bool ask();  // false: it has to wait
  bool iteration_may_begin();
  void transfer(int64_t runs);
  void complete(const Transfer& transfer);
  void walk_more(StateWalk& state) override;

  const MemoryStream& stream_;
  const bool store_;
  StreamAccess moves_;
  StreamWalk rows_;
  Channel* input_ = nullptr;  // of a store, or the row numbers of a gather
  std::vector<Channel*> outputs_;
  MemoryTurns<Stamp>* memory_;  // null: SRAM
  int64_t latency_cycles_;
  double latency_scaling_;
  StepKind latency_kind_;
  Stamp now_{};  // no request arrives before
  Stamp sram_free_{};
  std::vector<Channel*> awaited_;
  bool begun_ = true;  // the iteration of the next token
  // of the token on its way
  bool asked_ = false;
  Stamp token_ready_{};  // of the input token
  Stamp space_{};        // of the output slots
  int64_t token_rows_ = 0;
  MemoryTurn<Stamp> turn_;
};

template <typename Stamp>
class StampSend : public StampUnit<Stamp> {
 public:
  using Base = StampUnit<Stamp>;
  using typename Base::Channel;
  using typename Base::Fabric;
  using typename Base::Token;
  StampSend(const SectionContext& context, Fabric& fabric, size_t index);
  void run() override;
  void left(const Stamp& at, const Stamp& decided);  // the last message of the token

 private:
  using Base::block_until;
  using Base::bytes_moved_;
  using Base::cause_;
  using Base::claim;
  using Base::context_;
  using Base::counters_;
  using Base::fabric_;
  using Base::finish_firing;
  using Base::finished;
  using Base::has_token;
  using Base::have_space;
  using Base::index_;
  using Base::starve_until;
  using Base::time_;
  using Base::unit_;
  using Base::wire_;
  using Base::work_until;
  bool give_own();
  bool post();
  void done();
  void walk_more(StateWalk& state) override;

  Channel* input_;
  std::vector<Channel*> outputs_;
  std::vector<Channel*> mailboxes_;  // of our receive unit, which stands for the peers'
  int64_t sockets_;
  Stamp now_{};
  enum class Stage : uint8_t { kInput, kOwn, kPost, kLeaving };
  Stage stage_ = Stage::kInput;
  Token token_;
};

template <typename Stamp>
class StampReceive : public StampUnit<Stamp> {
 public:
  using Base = StampUnit<Stamp>;
  using typename Base::Channel;
  using typename Base::Fabric;
  using typename Base::Token;
  StampReceive(const SectionContext& context, Fabric& fabric, size_t index);
  void run() override;

 private:
  using Base::block_until;
  using Base::claim;
  using Base::context_;
  using Base::counters_;
  using Base::fabric_;
  using Base::finish_firing;
  using Base::finished;
  using Base::has_token;
  using Base::have_space;
  using Base::index_;
  using Base::starve_until;
  using Base::time_;
  using Base::unit_;
  using Base::work_until;
  bool combine();
  void walk_more(StateWalk& state) override;

  std::vector<Channel*> inputs_;  // own, then the mailboxes
  std::vector<Channel*> outputs_;
  int64_t sockets_;
  int64_t port_bytes_per_cycle_;
  std::vector<Extent> parts_;  // by socket
  Extent result_;
  bool combined_ = false;
};

}  // namespace rdusim::sim
