#include "sim/pcu/pcu_model.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim {

PcuModel::PcuModel(const Sizes& sizes) : sizes_(sizes), slots_untouched_(sizes.output_slots) {}

void PcuModel::start(const FiringPlan& plan) {
  Firing firing;
  firing.plan = &plan;
  while (firing.pass < plan.passes.size() && plan.passes[firing.pass].steps == 0) ++firing.pass;
  RDU_CHECK(firing.pass < plan.passes.size(), "a firing without a vector");
  RDU_CHECK(plan.passes.back().block_results <= sizes_.output_slots,
            "{} results of a block do not fit {} output slots", plan.passes.back().block_results,
            sizes_.output_slots);
  firing.counters.start(plan.passes[firing.pass]);
  firings_.push_back(firing);
}

void PcuModel::operands_arrive(int64_t cycle, int64_t steps) {
  if (steps > 0) arrivals_.push_back({cycle, steps});
}

void PcuModel::space_freed(int64_t cycle) {
  freed_.push_back(cycle);
}

bool PcuModel::ends_block(const Firing& firing, const Pass& pass) {
  HeaderCounters next = firing.counters;
  return pass.block_steps == 1 || next.advance().block;
}

// When the slots that the next step's results need are free: results arrive `latency` after the step, so a
// slot may be free just then. Nothing: a slot is taken and nobody has said when it will be free.
std::optional<int64_t> PcuModel::space_for(const Firing& firing, const Pass& pass) const {
  constexpr int64_t kAlways = INT64_MIN / 2;
  if (sizes_.output_slots == kUnbounded || firing.pass + 1 < firing.plan->passes.size()) return kAlways;
  if (!ends_block(firing, pass)) return kAlways;
  const int64_t reused = pass.block_results - slots_untouched_;
  if (reused <= 0) return kAlways;
  if (reused > static_cast<int64_t>(freed_.size())) return std::nullopt;
  return freed_[static_cast<size_t>(reused - 1)] - pass.latency_cycles - 1;
}

std::optional<PcuModel::Choice> PcuModel::candidate(size_t index) const {
  const Firing& firing = firings_[index];
  const Pass& pass = firing.plan->passes[firing.pass];
  Choice choice;
  choice.firing = index;
  choice.cycle = free_cycle_;
  choice.own = pass.after >= 0 && !firing.begun ? firing.last_result : free_cycle_;
  choice.operands = free_cycle_;
  const bool first = firing.pass == 0 || firing.plan->passes[firing.pass - 1].steps == 0;
  if (first) {
    if (arrivals_.empty()) return std::nullopt;
    choice.operands = arrivals_.front().cycle;
  }
  const auto space = space_for(firing, pass);
  if (!space) return std::nullopt;
  choice.space = *space;
  choice.cycle = std::max({choice.cycle, choice.own, choice.operands, choice.space});
  return choice;
}

std::optional<PcuModel::Choice> PcuModel::choose() const {
  if (active_) return candidate(*active_);
  std::optional<Choice> best;
  const auto limit = static_cast<size_t>(std::min<int64_t>(sizes_.firings_in_flight, PcuModel::kUnbounded));
  for (size_t i = 0; i < firings_.size() && i < limit; ++i) {
    const auto c = candidate(i);
    if (c && (!best || c->cycle < best->cycle)) best = c;
    if (best && best->cycle == free_cycle_) break;
    if (firings_[i].pass == 0) break;  // firings take their first operands in order
  }
  return best;
}

std::optional<int64_t> PcuModel::next_cycle() const {
  const auto choice = choose();
  if (!choice) return std::nullopt;
  return choice->cycle;
}

void PcuModel::count(const Choice& c) {
  // What came last is what it waited for.
  const int64_t waited = c.cycle - free_cycle_;
  if (waited <= 0) return;
  if (c.cycle == c.operands) {
    counters_.operand_cycles += waited;
  } else if (c.cycle == c.own) {
    counters_.own_result_cycles += waited;
  } else {
    counters_.space_cycles += waited;
  }
}

void PcuModel::emit(const Pass& pass, Firing& firing, Step& step) {
  int64_t done = step.cycle + 1 + pass.latency_cycles;
  if (firing.pass + 1 < firing.plan->passes.size()) {
    firing.last_result = std::max(firing.last_result, done);
    return;
  }
  // The token is whole when all passes are done, also those that the last one did not need.
  if (step.pass_done) done = std::max(done, firing.last_result);
  step.results = pass.block_results;
  step.results_cycle = std::max(done, last_leave_ + pass.block_results);
  last_leave_ = step.results_cycle;
  if (sizes_.output_slots == kUnbounded) return;
  const int64_t untouched = std::min(slots_untouched_, pass.block_results);
  slots_untouched_ -= untouched;
  for (int64_t i = untouched; i < pass.block_results; ++i) freed_.pop_front();
}

void PcuModel::advance_pass(Firing& firing, size_t at, Step& step) {
  firing.begun = false;
  active_.reset();
  const auto& passes = firing.plan->passes;
  do {
    ++firing.pass;
  } while (firing.pass < passes.size() && passes[firing.pass].steps == 0);
  if (firing.pass < passes.size()) {
    firing.counters.start(passes[firing.pass]);
    return;
  }
  step.firing_done = true;
  ++counters_.firings;
  firings_.erase(firings_.begin() + static_cast<std::ptrdiff_t>(at));
}

PcuModel::Step PcuModel::step() {
  const auto choice = choose();
  RDU_CHECK(choice.has_value(), "a step while nothing can go on");
  Firing& firing = firings_[choice->firing];
  const Pass& pass = firing.plan->passes[firing.pass];
  count(*choice);
  const bool first = firing.pass == 0 || firing.plan->passes[firing.pass - 1].steps == 0;
  if (first) {
    Arrival& arrival = arrivals_.front();
    ++arrival.cycle;
    if (--arrival.steps == 0) arrivals_.pop_front();
  }
  if (!firing.begun) {
    firing.begun = true;
    active_ = choice->firing;
  }
  if (firing.counters.first_of_block()) firing.block_start = choice->cycle;
  Step step;
  step.cycle = choice->cycle;
  step.pass = static_cast<int32_t>(firing.pass);
  free_cycle_ = step.cycle + 1;
  const HeaderCounters::Done done = firing.counters.advance();
  step.block_done = done.block;
  step.pass_done = done.pass;
  if (done.block) {
    // A drain or a slower tail holds the header until the block has left.
    free_cycle_ = std::max(free_cycle_, firing.block_start + pass.min_block_cycles);
    emit(pass, firing, step);
  }
  ++counters_.steps;
  counters_.busy_cycles += free_cycle_ - step.cycle;
  if (done.pass) advance_pass(firing, choice->firing, step);
  return step;
}

}  // namespace rdusim::sim
