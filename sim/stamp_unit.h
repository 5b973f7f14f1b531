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
#include "sim/stamp_channel.h"
#include "sim/stamp_server.h"
#include "sim/stream_access.h"

namespace rdusim::sim {

struct StampFabric;

class StampUnit {
 public:
  StampUnit(const SectionContext& context, StampFabric& fabric, size_t index)
      : context_(context), fabric_(fabric), unit_(context.section.units[index]), index_(index) {}
  virtual ~StampUnit() = default;
  StampUnit(const StampUnit&) = delete;
  StampUnit& operator=(const StampUnit&) = delete;

  // Fires until it has to wait or is done.
  virtual void run() = 0;
  void walk(StateWalk& state);
  // No stamp below this cycle can change what it does.
  [[nodiscard]] virtual int64_t floor() const { return time_; }

  [[nodiscard]] int64_t firings() const { return counters_.firings; }
  [[nodiscard]] bool finished() const { return counters_.firings == unit_.firings; }
  [[nodiscard]] int64_t end_cycle() const { return std::max(end_cycle_, time_); }
  [[nodiscard]] virtual UnitCounters counters() const { return counters_; }
  // What it moved over memory channels and links.
  void add_bytes(ByteCounts& bytes) const {
    if (wire_ == Wire::kSram && unit_.kind == UnitKind::kLoad) return;  // an operand read
    bytes[static_cast<size_t>(wire_)][static_cast<size_t>(cause_)] += bytes_moved_;
  }

 protected:
  virtual void walk_more(StateWalk& state) = 0;

  bool has_token(StampChannel& channel) {
    if (channel.has_token()) return true;
    channel.waiting_consumer = this;
    return false;
  }
  bool have_space(const std::vector<StampChannel*>& channels) {
    for (StampChannel* channel : channels) {
      if (channel->has_space()) continue;
      channel->waiting_producer = this;
      return false;
    }
    return true;
  }
  // When the last of the next slots was free; they are claimed.
  static int64_t claim(const std::vector<StampChannel*>& channels, int64_t since) {
    for (StampChannel* channel : channels) {
      since = std::max(since, channel->space_cycle());
      channel->claim();
    }
    return since;
  }
  void work_until(int64_t cycle) { pass(cycle, counters_.busy); }
  void starve_until(int64_t cycle) { pass(cycle, counters_.starved); }
  void block_until(int64_t cycle) { pass(cycle, counters_.blocked); }

  const SectionContext& context_;
  StampFabric& fabric_;
  const Unit& unit_;
  const size_t index_;
  UnitCounters counters_;
  Wire wire_ = Wire::kSram;
  Cause cause_ = Cause::kActivations;
  int64_t bytes_moved_ = 0;
  int64_t time_ = 0;
  int64_t end_cycle_ = 0;

 private:
  void pass(int64_t cycle, int64_t& counter) {
    if (cycle <= time_) return;
    counter += cycle - time_;
    time_ = cycle;
  }
};

// Gemm, simd and buffer units.
class StampCompute : public StampUnit {
 public:
  StampCompute(const SectionContext& context, StampFabric& fabric, size_t index);
  void run() override;
  [[nodiscard]] UnitCounters counters() const override;
  // Results leave while their firing works, so slots that came free meanwhile still count.
  [[nodiscard]] int64_t floor() const override { return fired_ ? begin_ : time_; }

 private:
  struct Input {
    StampChannel* channel = nullptr;
    Phases phases;
    int64_t phase = 0;
    bool held = false;
  };
  struct Output {
    std::vector<StampChannel*> channels;
    const OutputPort* port = nullptr;
    int64_t phase = 0;
    int64_t reset_phase = 0;
    bool filled = false;
    Extent tile;
  };
  bool fire();
  bool give();
  bool update(Output& output, bool active, const Extent& source);
  void release_inputs();
  void walk_more(StateWalk& state) override;

  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<Extent> extents_;  // of the held tokens; rows -1: none
  FiringCost cost_;
  int64_t latency_cycles_ = 0;  // of the firing whose results wait
  int64_t result_cycles_ = 0;
  int64_t begin_ = 0;                // of that firing
  int64_t results_ready_cycle_ = 0;  // of the firing before: results leave in order
  bool fired_ = false;               // results wait for space
};

// Load and store units.
class StampStream : public StampUnit {
 public:
  StampStream(const SectionContext& context, StampFabric& fabric, size_t index);
  void run() override;
  // Its turn has come: decided at the end of `decision_cycle`.
  void granted(int64_t decision_cycle, ServiceClock::Span span);
  [[nodiscard]] int64_t floor() const override { return std::min(now_, time_); }
  [[nodiscard]] UnitCounters counters() const override;

 private:
  struct Transfer {
    int64_t start_cycle = 0;
    int64_t finish_cycle = 0;
    int64_t done_cycle = 0;
    // First byte has arrived.
    [[nodiscard]] int64_t first_cycle() const { return done_cycle - (finish_cycle - start_cycle); }
  };
  bool ask();  // false: it has to wait
  bool take_input();
  void transfer(int64_t runs);
  void complete(const Transfer& transfer);
  void walk_more(StateWalk& state) override;

  const MemoryStream& stream_;
  const bool store_;
  StreamAccess moves_;
  StreamWalk rows_;
  StampChannel* input_ = nullptr;  // of a store, or the row numbers of a gather
  std::vector<StampChannel*> outputs_;
  MemoryTurns* memory_;  // null: SRAM
  int64_t latency_cycles_;
  int64_t now_ = 0;  // no request arrives before
  int64_t sram_free_cycle_ = 0;
  // of the token on its way
  bool asked_ = false;
  int64_t token_ready_ = 0;  // of the input token
  int64_t space_ = 0;        // of the output slots
  int64_t token_rows_ = 0;
  MemoryTurn turn_;
};

class StampSend : public StampUnit {
 public:
  StampSend(const SectionContext& context, StampFabric& fabric, size_t index);
  void run() override;
  void left(int64_t cycle, int64_t decision_cycle);  // the last message of the token

 private:
  bool give_own();
  bool post();
  void done();
  void walk_more(StateWalk& state) override;

  StampChannel* input_;
  std::vector<StampChannel*> outputs_;
  std::vector<StampChannel*> mailboxes_;  // of our receive unit, which stands for the peers'
  int64_t sockets_;
  int64_t now_ = 0;
  enum class Stage : uint8_t { kInput, kOwn, kPost, kLeaving };
  Stage stage_ = Stage::kInput;
  StampToken token_;
};

class StampReceive : public StampUnit {
 public:
  StampReceive(const SectionContext& context, StampFabric& fabric, size_t index);
  void run() override;

 private:
  bool combine();
  void walk_more(StateWalk& state) override;

  std::vector<StampChannel*> inputs_;  // own, then the mailboxes
  std::vector<StampChannel*> outputs_;
  int64_t sockets_;
  int64_t port_bytes_per_cycle_;
  std::vector<Extent> parts_;  // by socket
  Extent result_;
  bool combined_ = false;
};

}  // namespace rdusim::sim
