// The cycle-level DRAM behind the event engine, and an example of an outside TLM-2.0 memory model in the
// place of ONE channel of several: ChannelInterleaver is all it takes. Each runs in a process of its own,
// because the hardware is elaborated once.
#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdlib>
#include <deque>
#include <systemc>
#include <tlm>

#include "sim/dram/tlm_memory.h"
#include "sim/hardware.h"
#include "sim/simulator.h"
#include "tests/support/dram_bench.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// Knows nothing of our extension: every access takes 500 cycles.
struct OutsideMemory : sc_core::sc_module {
  tlm_utils::simple_target_socket<OutsideMemory> socket;
  int64_t bytes = 0;
  explicit OutsideMemory(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
    socket.register_b_transport(this, &OutsideMemory::b_transport);
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    bytes += payload.get_data_length();
    delay += cycles(500);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

// One target towards the AGCU port, any TLM-2.0 target behind each channel. Pieces of kStripe bytes go round
// the channels; each channel has a process that hands it one piece after another, so channels work side by
// side.
class ChannelInterleaver : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(ChannelInterleaver);
  static constexpr uint64_t kStripe = 64;
  tlm_utils::simple_target_socket<ChannelInterleaver> socket;
  std::deque<tlm_utils::simple_initiator_socket_tagged<ChannelInterleaver>> ports;

  ChannelInterleaver(const sc_core::sc_module_name& name,
                     const std::vector<tlm::tlm_target_socket<>*>& channels)
      : sc_module(name), socket("socket"), queues_(channels.size()) {
    socket.register_b_transport(this, &ChannelInterleaver::b_transport);
    for (size_t c = 0; c < channels.size(); ++c) {
      ports.emplace_back(("port" + std::to_string(c)).c_str());
      ports.back().bind(*channels[c]);
      sc_core::sc_spawn([this, c] { serve(c); }, ("channel" + std::to_string(c)).c_str());
    }
  }

 private:
  struct Transaction {
    int64_t left = 0;
    sc_core::sc_event done;
  };
  struct Piece {
    uint64_t address = 0;
    tlm::tlm_command command = tlm::TLM_READ_COMMAND;
    Transaction* of = nullptr;
  };
  struct Queue {
    std::deque<Piece> pieces;
    sc_core::sc_event filled;
  };

  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
    Transaction transaction;
    for (uint64_t at = 0; at < payload.get_data_length(); at += kStripe) {
      const uint64_t stripe = (payload.get_address() + at) / kStripe;
      Queue& queue = queues_[stripe % queues_.size()];
      queue.pieces.push_back({stripe / queues_.size() * kStripe, payload.get_command(), &transaction});
      queue.filled.notify(sc_core::SC_ZERO_TIME);
      ++transaction.left;
    }
    if (transaction.left > 0) sc_core::wait(transaction.done);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }
  void serve(size_t channel) {
    Queue& queue = queues_[channel];
    while (true) {
      while (queue.pieces.empty()) sc_core::wait(queue.filled);
      const Piece piece = queue.pieces.front();
      queue.pieces.pop_front();
      tlm::tlm_generic_payload payload;
      payload.set_command(piece.command);
      payload.set_address(piece.address);
      payload.set_data_length(kStripe);
      payload.set_streaming_width(kStripe);
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      ports[channel]->b_transport(payload, delay);
      sc_core::wait(delay);
      if (--piece.of->left == 0) piece.of->done.notify();
    }
  }
  std::deque<Queue> queues_;
};

Program copy(int64_t rows) {
  ProgramBuilder b;
  const ChannelId a = b.channel("a", 4, 16);
  b.load("load", b.symbol("x", rows, 16), 4, {a});
  b.store("store", b.symbol("y", rows, 16), 4, a);
  return b.finish();
}

DramSpec one_channel() {
  DramSpec spec = dram("hbm3-6400");
  spec.controller.refresh = "none";
  return spec;
}

// One token of 256 bytes each way: eight bursts, then the data of the last.
void run_on_dram() {
  DramMemory* memory = nullptr;
  const NodeSpec node = small_node(1);
  Hardware::set_target_factory([&](int64_t socket, Tier tier) -> tlm::tlm_target_socket<>* {
    if (socket != 0 || tier != Tier::kHbm) return nullptr;
    memory = new DramMemory("dram", one_channel(), node.chip.clock_hz, 0);
    return &memory->socket;
  });
  const auto result = run(copy(64), node, node.stacks[0], {});
  bool right = result.ok() && memory != nullptr;
  if (right) {
    const DramStats& s = memory->channel(0).stats();
    right = s.reads + s.forwarded_reads == 64 * 16 * 4 / 32 && s.writes + s.coalesced_writes <= s.reads &&
            s.writes > 0 && result->cycles > 0;
  }
  std::_Exit(right ? 0 : 1);
}

// Four channels, the second one from outside: it gets every fourth stripe, and as the slow one it sets the
// time.
void run_with_one_outside_channel() {
  OutsideMemory* outside = nullptr;
  const NodeSpec node = small_node(1);
  Hardware::set_target_factory([&](int64_t socket, Tier tier) -> tlm::tlm_target_socket<>* {
    if (socket != 0 || tier != Tier::kHbm) return nullptr;
    outside = new OutsideMemory("outside");
    std::vector<tlm::tlm_target_socket<>*> channels;
    for (const char* name : {"dram0", "", "dram2", "dram3"}) {
      if (*name == '\0') {
        channels.push_back(&outside->socket);
      } else {
        channels.push_back(&(new DramMemory(name, one_channel(), node.chip.clock_hz, 0))->socket);
      }
    }
    return &(new ChannelInterleaver("channels", channels))->socket;
  });
  const auto result = run(copy(4), node, node.stacks[0], {});
  const bool right = result.ok() && outside != nullptr && outside->bytes == 2 * 64 &&
                     result->cycles >= 1000 && result->cycles < 1100;
  std::_Exit(right ? 0 : 1);
}

TEST(SimDramTlm, StandsBehindTheEventEngine) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_on_dram(), ::testing::ExitedWithCode(0), "");
}

TEST(SimDramTlm, AnOutsideModelInThePlaceOfOneChannel) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_with_one_outside_channel(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace rdusim::sim
