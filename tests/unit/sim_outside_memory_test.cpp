// An outside TLM-2.0 memory model stands in for the HBM controller: any target with a b_transport that adds
// its delay.
#include <gtest/gtest.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdlib>
#include <systemc>
#include <tlm>

#include "sim/hardware.h"
#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// Every access takes 500 cycles and knows nothing of our extension.
struct SlowMemory : sc_core::sc_module {
  tlm_utils::simple_target_socket<SlowMemory> socket;
  int64_t bytes = 0;
  explicit SlowMemory(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
    socket.register_b_transport(this, &SlowMemory::b_transport);
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    bytes += payload.get_data_length();
    delay += cycles(500);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

Program copy_one_token() {
  ProgramBuilder b;
  const ChannelId a = b.channel("a", 4, 16);
  b.load("load", b.symbol("x", 4, 16), 4, {a});
  b.store("store", b.symbol("y", 4, 16), 4, a);
  return b.finish();
}

// In a process of its own: hardware is elaborated once.
void run_on_slow_memory() {
  SlowMemory* memory = nullptr;
  Hardware::set_target_factory([&](int64_t socket, Tier tier) -> tlm::tlm_target_socket<>* {
    if (socket != 0 || tier != Tier::kHbm) return nullptr;
    memory = new SlowMemory("slow_memory");
    return &memory->socket;
  });
  const NodeSpec node = small_node(1);
  auto result = run(copy_one_token(), node, node.stacks[0], {});
  const bool right = result.ok() && result->cycles == 1000 && memory != nullptr && memory->bytes == 512;
  std::_Exit(right ? 0 : 1);
}

TEST(SimOutsideMemory, StandsInForTheController) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_on_slow_memory(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace rdusim::sim
