// allocate: PCUs to stages, then PMUs to channels and buffers (allocate_pmus.h).
//
// PCUs: the slowest stage sets the rate, so the smallest time T is sought for which every compute stage can
// do its firings within T and the PCUs they need add up to what the chip has (bisection; a stage's time falls
// with its PCUs). A stage whose firings grow may end somewhat later than the others.
//
// PMUs: a few ways to spread operands are placed and routed, and the soonest is taken (spreads.h).
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/program/service.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/section_router.h"
#include "compiler/passes/section_work.h"
#include "compiler/passes/spreads.h"
#include "compiler/passes/stage_memo.h"

namespace rdusim::compiler {
namespace {

// How much longer than its tokens come a stage may work whose firings grow (attention over a sequence), in
// thousandths: 1000 asks for PCUs enough that even the longest firing keeps the pace. A quarter more is what
// a stage whose firings grow evenly takes if it is sized for the sum of its work. The best of them is taken.
constexpr std::array<int64_t, 5> kFinish = {1000, 1050, 1100, 1150, 1250};
constexpr int64_t kAnyFinish = 1 << 20;
// Where few blocks of rows pass, their way through all stages counts more than the slowest stage: the sum of
// the stages' times is least when they are as the square roots of their work. What lies between is tried,
// too.
constexpr std::array<double, 2> kPowers = {0.25, 0.5};
// Each PCU adds an RDN link to its stage. assumed: other flows take half of it; how much they do is known
// only after routing.
constexpr int64_t kLinkSlack = 2;

// What a stage has to do in a launch, by the number of PCUs that it gets.
class Stage {
 public:
  Stage(Section& section, const SectionWork& work, const ChipSpec& chip, size_t u, StageMemo& memo)
      : index_(u), unit_(section.units[u]), kinds_(work.work(u)), chip_(chip) {
    for (size_t i = 0; i < unit_.inputs.size(); ++i)
      port_bytes_ = std::max(port_bytes_, work.operand_bytes(u, i));
    for (const OutputPort& port : unit_.outputs) {
      if (port.channels.empty()) continue;
      const size_t channel = port.channels[0].value;
      const int64_t token = work.largest(channel).elements() * dtype_bytes(section.channels[channel].dtype);
      port_bytes_ = std::max(port_bytes_, token * active_firings(port.phases, unit_.firings));
    }
    costs_ = memo.costs_of(unit_, kinds_, port_bytes_, chip.pcu.count);
  }

  // Fewest PCUs with which it does its work in `cycles`, and is done at `finish` if its tokens come evenly
  // over `cycles`; `limit` + 1 if more than limit.
  int64_t pcus_within(int64_t cycles, int64_t finish, int64_t limit) {
    if (!within(limit, cycles, finish)) return limit + 1;
    int64_t low = 1;
    int64_t high = limit;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (within(middle, cycles, finish)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  // When it is done with `pcus` PCUs if its tokens come evenly over `cycles`: the last moment at which it has
  // work waiting starts with some firing, and what remains from there is done without a pause.
  int64_t finish_cycles(int64_t pcus, int64_t cycles) {
    const StageCost& cost = cost_of(pcus);
    int64_t remaining = 0;
    int64_t firing = unit_.firings;
    int64_t finish = std::max(cycles, cost.ports);
    for (size_t k = kinds_.size(); k-- > 0;) {
      remaining += kinds_[k].count * cost.services[k];
      firing -= kinds_[k].count;
      finish = std::max(finish, cycles * firing / unit_.firings + remaining);
    }
    return finish;
  }

  void give(int64_t pcus) { unit_.pcus = pcus; }
  [[nodiscard]] int64_t pcus() const { return unit_.pcus; }
  [[nodiscard]] size_t unit() const { return index_; }
  // Of a launch.
  int64_t work_cycles(int64_t pcus) { return std::max(cost_of(pcus).sum, cost_of(pcus).ports); }

 private:
  const StageCost& cost_of(int64_t pcus) {
    StageCost& cost = (*costs_)[static_cast<size_t>(pcus)];
    if (!cost.services.empty()) return cost;
    const int64_t before = std::exchange(unit_.pcus, pcus);
    cost.ports = kLinkSlack * ceil_div(port_bytes_, chip_.rdn.link_bytes_per_cycle * pcus);
    for (const FiringKind& kind : kinds_) {
      cost.services.push_back(compute_service(unit_, chip_.pcu, kind.needed, kind.registers));
      cost.sum += kind.count * cost.services.back();
    }
    unit_.pcus = before;
    return cost;
  }

  bool within(int64_t pcus, int64_t cycles, int64_t finish) {
    const StageCost& cost = cost_of(pcus);
    if (std::max(cost.sum, cost.ports) > cycles) return false;
    return kinds_.size() == 1 || finish_cycles(pcus, cycles) <= finish;
  }

  size_t index_;
  Unit& unit_;
  const std::vector<FiringKind>& kinds_;
  const ChipSpec& chip_;
  int64_t port_bytes_ = 0;
  std::shared_ptr<StageCosts> costs_;  // as far as asked for
};

class PcuAllocation {
 public:
  PcuAllocation(Section& section, const SectionWork& work, const ChipSpec& chip, StageMemo& memo)
      : pcus_(chip.pcu.count) {
    for (size_t u = 0; u < section.units.size(); ++u) {
      const UnitKind kind = section.units[u].kind;
      if (kind == UnitKind::kGemm || kind == UnitKind::kSimd)
        stages_.emplace_back(section, work, chip, u, memo);
    }
  }

  [[nodiscard]] size_t stages() const { return stages_.size(); }

  // Gives every stage its PCUs and returns when the slowest is done, in cycles of a launch.
  int64_t assign(int64_t finish_permille) {
    const int64_t cycles = fewest_cycles([&](int64_t within) { return needed(within, finish_permille); });
    int64_t finish = cycles;
    for (Stage& stage : stages_) {
      const int64_t pcus = stage.pcus_within(cycles, cycles * finish_permille / 1000, pcus_);
      stage.give(pcus);
      finish = std::max(finish, stage.finish_cycles(pcus, cycles));
    }
    return finish;
  }

  // As assign, but a stage that works longer may take longer: its time is proportional to a power of its
  // work.
  int64_t assign_uneven(double power) {
    std::vector<double> shares;
    double longest = 1;
    for (Stage& stage : stages_) {
      shares.push_back(std::pow(static_cast<double>(stage.work_cycles(1)), power));
      longest = std::max(longest, shares.back());
    }
    for (double& share : shares) share /= longest;
    const int64_t cycles = fewest_cycles([&](int64_t within) { return needed_uneven(within, shares); });
    int64_t finish = cycles;
    for (size_t s = 0; s < stages_.size(); ++s) {
      const int64_t pcus = stages_[s].pcus_within(part(cycles, shares[s]), kNoFinish, pcus_);
      stages_[s].give(pcus);
      finish = std::max(finish, stages_[s].finish_cycles(pcus, cycles));
    }
    return finish;
  }

  // Work of each unit in a launch with the PCUs that it was given.
  std::vector<int64_t> unit_cycles(size_t units) {
    std::vector<int64_t> cycles(units, 0);
    for (Stage& stage : stages_) cycles[stage.unit()] = stage.work_cycles(stage.pcus());
    return cycles;
  }

 private:
  static constexpr int64_t kNoFinish = std::numeric_limits<int64_t>::max();

  // The fewest cycles for which `pcus_needed` is no more than the chip has. It falls as they grow.
  template <typename PcusNeeded>
  [[nodiscard]] int64_t fewest_cycles(PcusNeeded pcus_needed) const {
    int64_t low = 1;
    int64_t high = 1;
    while (pcus_needed(high) > pcus_) high *= 2;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (pcus_needed(middle) <= pcus_) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  static int64_t part(int64_t cycles, double share) {
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(cycles) * share));
  }

  int64_t needed_uneven(int64_t cycles, const std::vector<double>& shares) {
    int64_t total = 0;
    for (size_t s = 0; s < stages_.size() && total <= pcus_; ++s)
      total += stages_[s].pcus_within(part(cycles, shares[s]), kNoFinish, pcus_);
    return total;
  }

  // PCUs that all stages together need to be done within `cycles`; stops counting past the chip's.
  int64_t needed(int64_t cycles, int64_t finish_permille) {
    int64_t total = 0;
    for (Stage& stage : stages_) {
      total += stage.pcus_within(cycles, cycles * finish_permille / 1000, pcus_);
      if (total > pcus_) break;
    }
    return total;
  }

  int64_t pcus_;
  std::vector<Stage> stages_;
};

// Returns when the slowest stage is done, in cycles of a launch.
Result<int64_t> allocate_pcus(Section& section, const SectionWork& work, const ChipSpec& chip,
                              StageMemo& memo) {
  PcuAllocation allocation(section, work, chip, memo);
  if (allocation.stages() == 0) return int64_t{0};
  if (static_cast<int64_t>(allocation.stages()) > chip.pcu.count) {
    return Error{ErrorCode::kCapacity, "section " + section.name,
                 fmt::format("{} compute stages on {} PCUs", allocation.stages(), chip.pcu.count),
                 "use a smaller fusion"};
  }
  int64_t best = kAnyFinish;
  int64_t soonest = allocation.assign(kAnyFinish);
  for (const int64_t finish : kFinish) {
    const int64_t done = allocation.assign(finish);
    if (done < soonest) soonest = done, best = finish;
  }
  const int64_t even = allocation.assign(best);
  const BlockCourse course = block_course(section);
  if (!course.few()) return even;
  // Until the last block is through: the slowest stage's turns but one, and a block's way through all.
  const auto last = [&](int64_t done) {
    return done - done / course.blocks +
           fill_cycles(section, allocation.unit_cycles(section.units.size()), chip);
  };
  double best_power = 0;
  int64_t soonest_last = last(even);
  for (const double power : kPowers) {
    const int64_t through = last(allocation.assign_uneven(power));
    if (through < soonest_last) soonest_last = through, best_power = power;
  }
  return best_power > 0 ? allocation.assign_uneven(best_power) : allocation.assign(best);
}

}  // namespace

Status allocate(Compilation& compilation) {
  const ChipSpec& chip = *compilation.chip;
  if (!compilation.stages) compilation.stages = std::make_shared<StageMemo>();
  std::vector<SpreadSearch> searches;
  std::vector<int64_t> cycles;  // of a launch of each section, as it is spread first
  for (Section& section : compilation.program.sections) {
    SectionWork work(section);
    RDU_CHECK_OK(work.run());
    RDU_ASSIGN(const int64_t slowest_cycles, allocate_pcus(section, work, chip, *compilation.stages));
    searches.emplace_back(section, std::move(work), chip, slowest_cycles);
    RDU_CHECK_OK(searches.back().begin());
    cycles.push_back(searches.back().cycles_without_ways());
  }
  const std::vector<int64_t> spare = spare_cycles(compilation, cycles);
  std::optional<Mesh> mesh;
  if (!compilation.only_prices) mesh.emplace(chip);
  for (size_t s = 0; s < searches.size(); ++s) {
    if (mesh) RDU_CHECK_OK(searches[s].seek(*mesh, {compilation.options.placement_seed, spare[s]}));
    Spread spread = searches[s].take();
    compilation.program.sections[s] = std::move(spread.section);
    compilation.traffic.push_back(std::move(spread.traffic));
  }
  return {};
}

}  // namespace rdusim::compiler
