// run(): checks that the program fits the node, then goes through the schedule. Sections drain before the
// next launch, so a launch leaves no state on the fabric: with fast-forward each distinct section (same
// section, same tiers and shapes of its symbols, same head start) is simulated once, and later launches
// repeat its outcome exactly. Functional runs simulate every launch of every socket, because values differ.
#include "sim/simulator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/program/verify.h"
#include "sim/accounting.h"
#include "sim/analytic.h"
#include "sim/cycle/section_run.h"
#include "sim/hardware.h"
#include "sim/launch_course.h"
#include "sim/launch_section.h"
#include "sim/section_run.h"
#include "sim/stamp_engine.h"
#include "sim/timeline.h"

namespace rdusim::sim {

namespace {

Error run_error(ErrorCode code, const Program& program, std::string what, std::string hint) {
  return Error{code, "program " + program.name, std::move(what), std::move(hint)};
}

Status check_fits(const Program& program, const NodeSpec& node, const RunOptions& options) {
  const ChipSpec& chip = node.chip;
  if (program.sockets > node.sockets) {
    return run_error(
        ErrorCode::kInvalidInput, program,
        fmt::format("needs {} sockets, node {} has {}", program.sockets, node.name, node.sockets),
        "compile it for fewer sockets");
  }
  // Only cycle follows routes. Whoever compiles or reads a program checks them once; here that would cost
  // each of many runs more than the closed form itself.
  RDU_CHECK_OK(options.fidelity == Fidelity::kCycle
                   ? verify_program(program, chip.pcu.count, chip.pmu.count)
                   : verify_structure(program, chip.pcu.count, chip.pmu.count));
  const std::array<int64_t, kTierCount> capacity = {chip.pmu.count * chip.pmu.capacity_bytes,
                                                    chip.hbm.capacity_bytes, chip.ddr.capacity_bytes};
  for (size_t t = 0; t < kTierCount; ++t) {
    if (program.tiers[t].bytes <= capacity[t]) continue;
    return run_error(
        ErrorCode::kCapacity, program,
        fmt::format("needs {} bytes of {} on each socket, node {} has {}", program.tiers[t].bytes,
                    tier_name(static_cast<Tier>(t)), node.name, capacity[t]),
        "use more sockets, or a smaller model or context");
  }
  if (options.memory == nullptr) return {};
  if (options.fidelity != Fidelity::kEvent) {
    return run_error(ErrorCode::kUnsupported, program, "functional runs need event fidelity",
                     "use --fidelity event");
  }
  if (program.sockets > kMaxSockets) {
    return run_error(ErrorCode::kUnsupported, program,
                     fmt::format("functional runs simulate at most {} sockets", kMaxSockets), "");
  }
  return {};
}

class ScheduleRun {
 public:
  ScheduleRun(const Program& program, const NodeSpec& node, const StackSpec& stack, const RunOptions& options)
      : program_(program),
        node_(node),
        options_(options),
        timing_(launch_timing(program, node, stack)),
        accounting_(program, node, timing_, options.fidelity) {}

  Result<RunResult> run() {
    for (const LaunchRun& run : runs_of(program_, timing_)) RDU_CHECK_OK(run_step(run));
    return accounting_.take(simulated_, skipped_);
  }

 private:
  struct Kind {
    LaunchRun run;
    size_t number;
    SectionOutcome outcome;
    Timeline timeline;
  };

  Status run_step(const LaunchRun& run) {
    Kind* kind = find(run);
    const bool repeat = kind != nullptr && options_.memory == nullptr &&
                        (options_.fast_forward || options_.fidelity != Fidelity::kEvent);
    if (!repeat) {
      Timeline timeline(options_.trace_limit);
      RDU_ASSIGN(SectionOutcome outcome, simulate(run, timeline));
      leave_out_head_start(program_, run.launch, outcome);
      count_firings(outcome);
      if (kind == nullptr)
        kind = &kinds_.emplace_back(Kind{run, accounting_.add_section(run, outcome), {}, Timeline(0)});
      kind->outcome = std::move(outcome);
      kind->timeline = std::move(timeline);
    } else {
      skipped_ += kind->outcome.firings_simulated + kind->outcome.firings_skipped;
    }
    trace(run, *kind);
    accounting_.add_run(kind->number, kind->outcome, run.launched);
    return {};
  }

  Kind* find(const LaunchRun& run) {
    const auto it = std::find_if(kinds_.begin(), kinds_.end(),
                                 [&](const Kind& k) { return same_course(program_, k.run, run); });
    return it == kinds_.end() ? nullptr : &*it;
  }

  Result<SectionOutcome> simulate(const LaunchRun& run, Timeline& timeline) {
    if (options_.fidelity == Fidelity::kAnalytic) return analytic_section(program_, run, node_);
    if (options_.fidelity == Fidelity::kCycle && run.launch.prefetch) return simulate_part(run);
    const LaunchSection section(program_, run);
    SectionContext context = section.context(node_);
    if (options_.fidelity == Fidelity::kCycle) {
      RDU_ASSIGN(cycle::CycleRun simulated, cycle::run_section(context, options_.devices));
      return std::move(simulated.outcome);
    }
    context.functional = options_.memory != nullptr;
    context.memory = options_.memory;
    context.simulated_sockets = context.functional ? program_.sockets : 1;
    context.timeline = options_.trace == nullptr ? nullptr : &timeline;
    if (options_.fast_forward && !context.functional && context.timeline == nullptr &&
        !Hardware::has_outside_memory()) {
      if (auto outcome = StampEngine<int64_t>(context, true).run()) return std::move(*outcome);
      // It failed or stopped: SystemC says how.
    }
    return run_on_hardware(context);
  }

  // Cycle fidelity of a looping launch that prefetches: a few of its iterations, the third of which stands
  // for those left out. APPROX: that it does; each begins with what the one before has prefetched, so from
  // the second on they differ only in how requests fall on banks, until the last two: beside these less is
  // loaded for others, and where channels hold most of a layer they end far sooner.
  Result<SectionOutcome> simulate_part(const LaunchRun& whole) {
    const Launch& launch = whole.launch;
    constexpr int64_t kSimulated = 5;
    constexpr size_t kTypical = 2;
    const int64_t simulated = std::min(kSimulated, launch.iterations);
    LaunchRun part = whole;
    part.launch.iterations = simulated;
    part.launch.bindings.resize(launch.row(0).size() * static_cast<size_t>(simulated));
    const LaunchSection section(program_, part);
    const SectionContext context = section.context(node_);
    RDU_ASSIGN(cycle::CycleRun run, cycle::run_section(context, options_.devices));
    SectionOutcome& outcome = run.outcome;
    const std::vector<int64_t>& ends = run.iteration_ends;
    const int64_t more = launch.iterations - simulated;
    const int64_t skipped = more > 0 ? more * (ends[kTypical] - ends[kTypical - 1]) : 0;
    extend(outcome, simulated, launch.iterations, outcome.cycles + skipped);
    return std::move(outcome);
  }

  Result<SectionOutcome> run_on_hardware(SectionContext& context) {
    Hardware& hardware = Hardware::instance();
    if (!hardware_configured_) hardware.configure(node_);
    hardware_configured_ = true;
    hardware.configure_memory(node_.chip, context.memory_bytes_per_s);
    context.hardware = &hardware;
    // Units' clocks may have run ahead of the kernel's in the last section; they have drained, so start after
    // both.
    context.begin_cycle = std::max(now_cycle(), hardware.drained_cycle());
    auto outcome = SectionRun(context).run();
    if (outcome.ok())
      hardware.set_drained_cycle(context.begin_cycle + context.head_start.cycles + outcome->cycles);
    return outcome;
  }

  void count_firings(const SectionOutcome& outcome) {
    simulated_ += outcome.firings_simulated;
    skipped_ += outcome.firings_skipped;
  }

  void trace(const LaunchRun& run, const Kind& kind) {
    if (options_.trace == nullptr) return;
    const std::string& name = program_.sections[run.launch.section.value].name;
    const int64_t begin = accounting_.cycles();
    const int64_t ready = begin + (run.launched ? accounting_.launch_cycles() : 0);
    if (static_cast<int64_t>(options_.trace->size()) + 2 > options_.trace_limit) return;
    if (run.launched) options_.trace->push_back({"schedule", "launch", begin, accounting_.launch_cycles()});
    options_.trace->push_back({"schedule", name, ready, kind.outcome.cycles});
    kind.timeline.replay(ready - run.head_start.cycles, *options_.trace);
  }

  const Program& program_;
  const NodeSpec& node_;
  const RunOptions& options_;
  const LaunchTiming timing_;
  Accounting accounting_;
  std::vector<Kind> kinds_;
  int64_t simulated_ = 0;
  int64_t skipped_ = 0;
  bool hardware_configured_ = false;
};

}  // namespace

Result<RunResult> run(const Program& program, const NodeSpec& node, const StackSpec& stack,
                      const RunOptions& options) {
  RDU_CHECK_OK(check_fits(program, node, options));
  return ScheduleRun(program, node, stack, options).run();
}

}  // namespace rdusim::sim
