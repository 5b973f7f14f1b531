#define SC_INCLUDE_DYNAMIC_PROCESSES  // the pool grows after elaboration
#include "sim/unit_process.h"

#include <utility>

#include "sim/component.h"

namespace rdusim::sim {

namespace {
// A unit's program is shallow; values live on the heap. assumed: 128 KiB covers error formatting with room to
// spare.
constexpr int kStackBytes = 128 << 10;
}  // namespace

UnitProcess::UnitProcess() {
  sc_core::sc_spawn_options options;
  options.set_stack_size(kStackBytes);
  sc_core::sc_spawn([this] { main(); }, sc_core::sc_gen_unique_name("unit_process"), &options);
}

void UnitProcess::start(Component* component) {
  component_ = component;
  event_.notify(sc_core::SC_ZERO_TIME);
}

void UnitProcess::abort() {
  aborting_ = true;
  event_.notify(sc_core::SC_ZERO_TIME);
}

void UnitProcess::sleep() {
  sc_core::wait(event_);
  if (aborting_) throw Aborted{};
}

void UnitProcess::wait_until(int64_t cycle) {
  const int64_t now = now_cycle();
  if (cycle > now) sc_core::wait(cycles(cycle - now));
}

void UnitProcess::main() {
  while (true) {
    while (component_ == nullptr) sc_core::wait(event_);
    try {
      component_->run();
      component_->finish();
    } catch (const Aborted&) {
      aborting_ = false;
    } catch (const sc_core::sc_unwind_exception&) {
      throw;  // the kernel is being torn down
    } catch (...) {
      failure_ = std::current_exception();  // rethrown outside the kernel
    }
    component_ = nullptr;
  }
}

}  // namespace rdusim::sim
