#include "compiler/passes/spreads.h"

#include <algorithm>
#include <array>

#include "base/program/operand_reads.h"
#include "compiler/passes/launch_course.h"

namespace rdusim::compiler {

namespace {

// The pace that operands are first read at, and what PMUs that are left bring them to. More ports read
// faster, but lie farther away; and a PMU more or less changes which ways meet.
constexpr std::array<PmuSpread, 5> kSpreads = {{{1000, 0}, {1000, 250}, {900, 0}, {1100, 0}, {900, 250}}};

// No other is tried when the ways over the mesh make a launch no longer than this many thousandths.
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

SpreadSearch::SpreadSearch(const Section& section, SectionWork work, const ChipSpec& chip,
                           int64_t slowest_cycles)
    : section_(section),
      work_(std::move(work)),
      chip_(chip),
      slowest_cycles_(slowest_cycles),
      launch_(std::make_shared<const LaunchWork>(launch_work(section, work_, chip))) {}

Result<std::unique_ptr<Spread>> SpreadSearch::spread_over(const PmuSpread& choice) const {
  auto spread = std::make_unique<Spread>(Spread{section_, {}});
  RDU_ASSIGN(const int64_t read_cycles,
             allocate_pmus(spread->section, work_, chip_, slowest_cycles_, choice));
  spread->traffic = section_traffic(spread->section, work_, chip_);
  spread->traffic.launch = launch_;
  spread->traffic.work_cycles = slowest_cycles_;
  spread->traffic.read_cycles = read_cycles;
  spread->traffic.stage_cycles = std::max(slowest_cycles_, read_cycles);
  return spread;
}

Status SpreadSearch::begin() {
  RDU_ASSIGN(best_, spread_over(kSpreads[0]));
  return {};
}

int64_t SpreadSearch::cycles_without_ways() const {
  return launch_cycles(best_->section, *launch_, chip_);
}

bool SpreadSearch::known(const Spread& spread) const {
  return std::any_of(tried_.begin(), tried_.end(),
                     [&](const Tried& t) { return same_spread(t.spread->section, spread.section, chip_); });
}

// Where ways cost much, a few draws tell only roughly which is best, and the best are drawn anew.
Status SpreadSearch::seek(const Mesh& mesh, const DrawOptions& options) {
  const auto sooner = [](const Tried& a, const Tried& b) { return a.end() < b.end(); };
  const auto best_within = [&](int64_t permille) {
    const Tried& best = *std::min_element(tried_.begin(), tried_.end(), sooner);
    const int64_t without = best.mapping->cycles_without_ways();
    return best.end() <= std::max(without * permille / 1000, without + options.spare_cycles);
  };
  for (const PmuSpread& choice : kSpreads) {
    std::unique_ptr<Spread> spread;
    if (tried_.empty()) {
      spread = std::move(best_);
    } else {
      RDU_ASSIGN(spread, spread_over(choice));
      if (known(*spread)) continue;
    }
    auto mapping = std::make_unique<MappingSearch>(spread->section, spread->traffic, mesh, options);
    RDU_CHECK_OK(mapping->route(kFewDraws));
    tried_.push_back({std::move(spread), std::move(mapping), tried_.size()});
    if (best_within(kWellSpread)) break;
  }
  std::stable_sort(tried_.begin(), tried_.end(), sooner);
  if (tried_.size() > 1 && !best_within(kWaysMatter)) {
    tried_.resize(std::min(tried_.size(), kFinalists));
    for (Tried& t : tried_) RDU_CHECK_OK(t.mapping->route(kManyDraws));
  }
  std::sort(tried_.begin(), tried_.end(), [](const Tried& a, const Tried& b) { return a.number < b.number; });
  auto chosen = tried_.begin();
  for (auto t = chosen + 1; t < tried_.end(); ++t) {
    if (t->end() < chosen->end() * kWorthPmus / 1000) chosen = t;
  }
  Tried& best = *chosen;
  best.spread->traffic.layout = best.mapping->best().layout;
  best_ = std::move(best.spread);
  tried_.clear();
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
