#include "compiler/passes/spreads.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "base/program/operand_reads.h"
#include "compiler/passes/launch_course.h"
#include "compiler/passes/pcu_allocation.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

namespace {

// Sizings: powers of the stages' work that their times are proportional to, and thousandths of a launch in
// which a stage has tokens to work on, down to those of one among some thirty.
constexpr std::array<double, 4> kPowers = {0, 0.25, 0.5, 0.75};
constexpr std::array<int64_t, 6> kTurns = {1000, 500, 250, 125, 60, 30};
constexpr std::array<double, 2> kRoughPowers = {0, 0.5};
constexpr std::array<int64_t, 2> kRoughTurns = {1000, 60};

struct Sizings {
  std::span<const double> powers;
  std::span<const int64_t> turns;
};

Sizings sizings(Sizing sizing, Effort effort, const Section& section) {
  if (sizing == Sizing::kSteady && !block_course(section).few())
    return {std::span(kPowers).first(1), std::span(kTurns).first(1)};
  if (effort == Effort::kRoughPrice) return {kRoughPowers, kRoughTurns};
  return {kPowers, kTurns};
}

// No other is tried when a launch takes no longer than this many thousandths of what memory and work ask for.
constexpr int64_t kAtBound = 1020;
// So many are routed, as far as they are not later than the soonest by more than these thousandths.
constexpr size_t kSizingsRouted = 3;
constexpr int64_t kNearSoonest = 1100;

// The pace that operands are first read at, and what PMUs that are left bring them to. More ports read
// faster, but lie farther away; and a PMU more or less changes which ways meet.
constexpr std::array<PmuSpread, 5> kSpreads = {{{1000, 0}, {1000, 250}, {900, 0}, {1100, 0}, {900, 250}}};

// No other is tried when the ways over the mesh make a launch no longer than this many thousandths. assumed,
// as the next two: how much compile time a search of the rest is worth.
constexpr int64_t kWellSpread = 1020;
// The best are compared anew when they make it longer than these.
constexpr int64_t kWaysMatter = 1100;
constexpr size_t kFinalists = 2;

// A later one is taken if a launch is no longer than this beside the one before: below that the judge errs as
// much.
constexpr int64_t kWorthPmus = 980;

// Ways that make a program no longer than by this part are not looked into. assumed: half a percent is what
// the judge of mappings tells apart.
constexpr int64_t kSparePart = 200;

int64_t permille_of(int64_t cycles, int64_t permille) {
  return cycles * permille / 1000;
}

// Of two that are routed.
constexpr auto sooner = [](const auto& a, const auto& b) { return a.end() < b.end(); };

// Views of a buffer that are read as operands: the buffer's PMUs set their pace, whatever their links.
std::vector<bool> operand_views(const Section& section, const ChipSpec& chip) {
  const std::vector<int64_t> rates = operand_rates(section, chip);
  std::vector<bool> views;
  for (size_t c = 0; c < rates.size(); ++c) views.push_back(section.channels[c].pmus == 0 && rates[c] > 0);
  return views;
}

// But for what does not matter.
bool same_spread(const Section& a, const Section& b, const ChipSpec& chip) {
  if (a.units != b.units) return false;
  const std::vector<bool> views = operand_views(a, chip);
  for (size_t c = 0; c < views.size(); ++c) {
    Channel like = b.channels[c];
    if (views[c] && like.links > 0) like.links = a.channels[c].links;
    if (like != a.channels[c]) return false;
  }
  return true;
}

}  // namespace

SpreadSearch::SpreadSearch(const Section& section, SectionWork work, const ChipSpec& chip, StageMemo& memo)
    : section_(section), work_(std::move(work)), chip_(chip), memo_(memo) {}

Result<std::shared_ptr<const SpreadSearch::Sized>> SpreadSearch::give_pcus(double power) const {
  Sized sized{section_, 0, nullptr};
  RDU_ASSIGN(sized.slowest_cycles, allocate_pcus(sized.section, work_, chip_, power, memo_));
  sized.launch = std::make_shared<const LaunchWork>(launch_work(sized.section, work_, chip_));
  return std::make_shared<const Sized>(std::move(sized));
}

Result<SpreadSearch::Tried> SpreadSearch::spread_over(const std::shared_ptr<const Sized>& sized,
                                                      const PmuSpread& choice) const {
  Tried tried{sized, choice, std::make_unique<Spread>(Spread{sized->section, {}}), 0, 0, nullptr};
  Spread& spread = *tried.spread;
  RDU_ASSIGN(const int64_t read_cycles,
             allocate_pmus(spread.section, work_, chip_, sized->slowest_cycles, choice));
  spread.traffic = section_traffic(spread.section, work_, chip_);
  spread.traffic.launch = sized->launch;
  spread.traffic.work_cycles = sized->slowest_cycles;
  spread.traffic.read_cycles = read_cycles;
  spread.traffic.stage_cycles = std::max(sized->slowest_cycles, read_cycles);
  return tried;
}

bool SpreadSearch::is_known(const Tried& other) const {
  return std::any_of(tried_.begin(), tried_.end(), [&](const Tried& t) {
    return same_spread(t.spread->section, other.spread->section, chip_);
  });
}

// Then no other sizing is needed.
bool SpreadSearch::first_is_at_bound() const {
  const SectionTraffic& traffic = tried_[0].spread->traffic;
  return tried_[0].without_ways <=
         permille_of(std::max(traffic.work_cycles, traffic.stream_cycles), kAtBound);
}

void SpreadSearch::keep_first(size_t count) {
  while (tried_.size() > count) tried_.pop_back();
}

Status SpreadSearch::size(Sizing sizing, Effort effort) {
  const Sizings ways = sizings(sizing, effort, section_);
  for (const double power : ways.powers) {
    RDU_ASSIGN(const std::shared_ptr<const Sized> sized, give_pcus(power));
    for (const int64_t turn : ways.turns) {
      PmuSpread choice = kSpreads[0];
      choice.turn_permille = turn;
      RDU_ASSIGN(Tried tried, spread_over(sized, choice));
      if (is_known(tried)) continue;
      tried.without_ways = launch_cycles(tried.spread->section, *sized->launch, chip_);
      tried_.push_back(std::move(tried));
      if (tried_.size() == 1 && first_is_at_bound()) return {};
    }
  }
  std::stable_sort(tried_.begin(), tried_.end(),
                   [](const Tried& a, const Tried& b) { return a.without_ways < b.without_ways; });
  const int64_t latest = permille_of(tried_[0].without_ways, kNearSoonest);
  while (tried_.back().without_ways > latest) tried_.pop_back();
  keep_first(effort == Effort::kRoughPrice ? 1 : kSizingsRouted);
  return {};
}

const SpreadSearch::Tried& SpreadSearch::soonest() const {
  return *std::min_element(tried_.begin(), tried_.end(), sooner);
}

bool SpreadSearch::soonest_within(int64_t permille, int64_t spare_cycles) const {
  const int64_t without = soonest().mapping->cycles_without_ways();
  return soonest().end() <= std::max(permille_of(without, permille), without + spare_cycles);
}

// Leaves those that were routed.
Status SpreadSearch::route_sizings(const Mesh& mesh, const DrawOptions& options) {
  const int64_t without = tried_[0].without_ways;
  const int64_t good = std::max(permille_of(without, kWellSpread), without + options.spare_cycles);
  for (size_t t = 0; t < tried_.size(); ++t) {
    Spread& spread = *tried_[t].spread;
    tried_[t].mapping = std::make_unique<MappingSearch>(spread.section, spread.traffic, mesh, options);
    RDU_CHECK_OK(tried_[t].mapping->route(kFewDraws));
    if (tried_[t].end() <= good) keep_first(t + 1);
  }
  return {};
}

// Of the sizing that is done first.
Status SpreadSearch::route_spreads(const Mesh& mesh, const DrawOptions& options) {
  const std::shared_ptr<const Sized> sized = soonest().sized;
  const int64_t turn = soonest().choice.turn_permille;
  for (size_t c = 1; c < kSpreads.size() && !soonest_within(kWellSpread, options.spare_cycles); ++c) {
    PmuSpread choice = kSpreads[c];
    choice.turn_permille = turn;
    RDU_ASSIGN(Tried tried, spread_over(sized, choice));
    if (is_known(tried)) continue;
    tried.mapping =
        std::make_unique<MappingSearch>(tried.spread->section, tried.spread->traffic, mesh, options);
    RDU_CHECK_OK(tried.mapping->route(kFewDraws));
    tried.number = tried_.size();
    tried_.push_back(std::move(tried));
  }
  return {};
}

// In the order in which they were tried, a later one if it is sooner by enough; to the front.
void SpreadSearch::choose() {
  std::sort(tried_.begin(), tried_.end(), [](const Tried& a, const Tried& b) { return a.number < b.number; });
  auto chosen = tried_.begin();
  for (auto t = chosen + 1; t < tried_.end(); ++t) {
    if (t->end() < permille_of(chosen->end(), kWorthPmus)) chosen = t;
  }
  std::iter_swap(tried_.begin(), chosen);
}

// Where ways cost much, a few draws tell only roughly which is best, and the best are drawn anew.
Status SpreadSearch::seek(const Mesh& mesh, const DrawOptions& options) {
  for (size_t t = 0; t < tried_.size(); ++t) tried_[t].number = t;
  RDU_CHECK_OK(route_sizings(mesh, options));
  RDU_CHECK_OK(route_spreads(mesh, options));
  std::stable_sort(tried_.begin(), tried_.end(), sooner);
  if (tried_.size() > 1 && !soonest_within(kWaysMatter, options.spare_cycles)) {
    keep_first(kFinalists);
    for (Tried& t : tried_) RDU_CHECK_OK(t.mapping->route(kManyDraws));
  }
  choose();
  tried_[0].spread->traffic.layout = tried_[0].mapping->best().layout;
  return {};
}

std::vector<int64_t> spare_cycles(const Compilation& compilation, const std::vector<int64_t>& cycles) {
  std::vector<int64_t> launches(cycles.size(), 0);
  for (const Group& group : compilation.groups) ++launches[group.section];
  int64_t all = 0;
  for (size_t s = 0; s < cycles.size(); ++s) all += launches[s] * cycles[s];
  std::vector<int64_t> spare;
  for (const int64_t n : launches) spare.push_back(all / kSparePart / std::max<int64_t>(1, n));
  return spare;
}

}  // namespace rdusim::compiler
