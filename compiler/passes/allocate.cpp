// allocate: PCUs to stages (pcu_allocation.h), then PMUs to channels and buffers (allocate_pmus.h).
//
// How much room a stage and what it reads should get depends on how a launch goes: where many blocks of rows
// pass, all stages work at once and the slowest sets the rate; where one passes alone, or a few, stages
// follow one another and the sum of their times counts. So a section is sized in several ways, between these
// two, and its launch followed token by token (launch_course.h). The soonest are placed and routed, and the
// best of them in a few ways to spread operands (routed_cost.h), so that a small change of the chip does not
// decide between two that differ much.
#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "compiler/passes/allocate_pmus.h"
#include "compiler/passes/launch_course.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/pcu_allocation.h"
#include "compiler/passes/routed_cost.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {
namespace {

// Sizings that are tried: powers of the stages' work that their times are proportional to, and thousandths of
// a launch in which a stage has tokens to work on, down to those of one among some thirty.
constexpr std::array<double, 4> kPowers = {0, 0.25, 0.5, 0.75};
constexpr std::array<int64_t, 6> kTurns = {1000, 500, 250, 125, 60, 30};
// The same where hundreds of prices are asked for.
constexpr std::array<double, 2> kRoughPowers = {0, 0.5};
constexpr std::array<int64_t, 2> kRoughTurns = {1000, 60};
// No other is tried when a launch takes no longer than this many thousandths of what memory and work ask for.
constexpr int64_t kAtBound = 1020;
// So many are routed, as far as they are not later than the soonest by more than these thousandths.
constexpr size_t kSizingsRouted = 3;
constexpr int64_t kNearSoonest = 1100;

// Spreads that are tried: the pace that operands are first read at, and what PMUs that are left bring them
// to. More ports read faster, but lie farther away; and a PMU more or less changes which ways meet.
constexpr std::array<PmuSpread, 5> kSpreads = {{{1000, 0}, {1000, 250}, {900, 0}, {1100, 0}, {900, 250}}};

// No other is tried when the ways over the mesh make a launch no longer than this many thousandths.
constexpr int64_t kWellSpread = 1020;
// The best are compared anew when they make it longer than these.
constexpr int64_t kWaysMatter = 1100;
constexpr size_t kFinalists = 2;

// A section whose stages have their PCUs.
struct Sized {
  Section section;
  int64_t slowest_cycles = 0;
  std::shared_ptr<const LaunchWork> launch;
};

// And its channels and buffers their PMUs.
struct Spread {
  std::shared_ptr<const Sized> sized;
  PmuSpread choice;
  Section section;
  SectionTraffic traffic;
  int64_t without_ways = 0;  // cycles of a launch
  int64_t end = 0;           // the same, with its ways over the mesh; 0: not routed
};

int64_t permille_of(int64_t cycles, int64_t permille) {
  return cycles * permille / 1000;
}

class SpreadSearch {
 public:
  SpreadSearch(const Section& section, const SectionWork& work, const ChipSpec& chip, uint64_t seed)
      : section_(section), work_(work), chip_(chip), seed_(seed) {}

  // The sizing with which a launch is done first as far as its ways do not hold it up: what prices are made
  // of.
  Result<Spread> without_ways() {
    RDU_CHECK_OK(try_sizings(kRoughPowers, kRoughTurns));
    return std::move(spreads_[0]);
  }

  // The spread with which a launch is done first.
  Result<Spread> best() {
    RDU_CHECK_OK(try_sizings(kPowers, kTurns));
    RDU_CHECK_OK(route_sizings());
    RDU_CHECK_OK(route_spreads());
    RDU_CHECK_OK(compare_anew());
    return std::move(soonest());
  }

 private:
  Result<std::shared_ptr<const Sized>> size(double power) const {
    Sized sized{section_, 0, nullptr};
    RDU_ASSIGN(sized.slowest_cycles, allocate_pcus(sized.section, work_, chip_, power));
    sized.launch = std::make_shared<const LaunchWork>(launch_work(sized.section, work_, chip_));
    return std::make_shared<const Sized>(std::move(sized));
  }

  Result<Spread> spread_over(const std::shared_ptr<const Sized>& sized, const PmuSpread& choice) const {
    Spread spread{sized, choice, sized->section, {}, 0, 0};
    RDU_ASSIGN(const int64_t read_cycles,
               allocate_pmus(spread.section, work_, chip_, sized->slowest_cycles, choice));
    spread.traffic = section_traffic(spread.section, work_, chip_);
    spread.traffic.launch = sized->launch;
    spread.traffic.work_cycles = sized->slowest_cycles;
    spread.traffic.read_cycles = read_cycles;
    spread.traffic.stage_cycles = std::max(sized->slowest_cycles, read_cycles);
    return spread;
  }

  [[nodiscard]] bool is_known(const Spread& spread) const {
    return std::any_of(spreads_.begin(), spreads_.end(),
                       [&](const Spread& s) { return s.section == spread.section; });
  }

  void keep_first(size_t count) {
    while (spreads_.size() > count) spreads_.pop_back();
  }

  // The sizings with which a launch is done soonest as far as its ways do not hold it up, the best first.
  Status try_sizings(std::span<const double> powers, std::span<const int64_t> turns) {
    for (const double power : powers) {
      RDU_ASSIGN(const std::shared_ptr<const Sized> sized, size(power));
      for (const int64_t turn : turns) {
        PmuSpread choice = kSpreads[0];
        choice.turn_permille = turn;
        RDU_ASSIGN(Spread spread, spread_over(sized, choice));
        if (is_known(spread)) continue;
        spread.without_ways = launch_cycles(spread.section, *sized->launch, chip_);
        spreads_.push_back(std::move(spread));
        if (is_at_bound()) return {};
      }
    }
    std::stable_sort(spreads_.begin(), spreads_.end(),
                     [](const Spread& a, const Spread& b) { return a.without_ways < b.without_ways; });
    const int64_t latest = permille_of(spreads_[0].without_ways, kNearSoonest);
    while (spreads_.back().without_ways > latest) spreads_.pop_back();
    keep_first(kSizingsRouted);
    return {};
  }

  // Of the first sizing: it needs no other. Later ones are no better bounds.
  [[nodiscard]] bool is_at_bound() const {
    if (spreads_.size() > 1) return false;
    const SectionTraffic& traffic = spreads_[0].traffic;
    const int64_t bound = std::max(traffic.work_cycles, traffic.stream_cycles);
    return spreads_[0].without_ways <= permille_of(bound, kAtBound);
  }

  // When a launch ends, its ways over the mesh included; notes the layout.
  Status route_one(Spread& spread, const DrawOptions& draws) const {
    spread.traffic.layout.reset();
    RDU_ASSIGN(const Mapping mapping, best_mapping(spread.section, spread.traffic, chip_, draws));
    spread.traffic.layout = mapping.layout;
    spread.end = mapping.cycles;
    return {};
  }

  Spread& soonest() {
    return *std::min_element(spreads_.begin(), spreads_.end(),
                             [](const Spread& a, const Spread& b) { return a.end < b.end; });
  }
  [[nodiscard]] bool soonest_within(int64_t permille) {
    return soonest().end <= permille_of(soonest().without_ways, permille);
  }

  // Leaves those that were routed.
  Status route_sizings() {
    const int64_t good = permille_of(spreads_[0].without_ways, kWellSpread);
    for (size_t s = 0; s < spreads_.size(); ++s) {
      RDU_CHECK_OK(route_one(spreads_[s], {kFewDraws, 1, seed_}));
      if (spreads_[s].end <= good) keep_first(s + 1);
    }
    return {};
  }

  // The other spreads of the sizing that is done first.
  Status route_spreads() {
    const std::shared_ptr<const Sized> sized = soonest().sized;
    const int64_t turn = soonest().choice.turn_permille;
    for (size_t c = 1; c < kSpreads.size() && !soonest_within(kWellSpread); ++c) {
      PmuSpread choice = kSpreads[c];
      choice.turn_permille = turn;
      RDU_ASSIGN(Spread spread, spread_over(sized, choice));
      if (is_known(spread)) continue;
      spread.without_ways = launch_cycles(spread.section, *sized->launch, chip_);
      RDU_CHECK_OK(route_one(spread, {kFewDraws, 1, seed_}));
      spreads_.push_back(std::move(spread));
    }
    return {};
  }

  // Where ways cost much, a few draws tell only roughly which is best, and the best are drawn anew.
  Status compare_anew() {
    if (spreads_.size() == 1 || soonest_within(kWaysMatter)) return {};
    std::stable_sort(spreads_.begin(), spreads_.end(),
                     [](const Spread& a, const Spread& b) { return a.end < b.end; });
    keep_first(kFinalists);
    for (Spread& spread : spreads_) RDU_CHECK_OK(route_one(spread, {kManyDraws, 1, seed_}));
    return {};
  }

  const Section& section_;
  const SectionWork& work_;
  const ChipSpec& chip_;
  uint64_t seed_;
  std::vector<Spread> spreads_;
};

}  // namespace

Status allocate(Compilation& compilation) {
  for (Section& section : compilation.program.sections) {
    SectionWork work(section);
    RDU_CHECK_OK(work.run());
    SpreadSearch search(section, work, *compilation.chip, compilation.options.placement_seed);
    RDU_ASSIGN(Spread spread, compilation.only_prices ? search.without_ways() : search.best());
    section = std::move(spread.section);
    compilation.traffic.push_back(std::move(spread.traffic));
  }
  return {};
}

}  // namespace rdusim::compiler
