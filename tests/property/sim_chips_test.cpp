// What must hold on every chip that ships: more bandwidth never hurts and less never helps, no channel is
// above its peak, counters add up, results do not depend on the order in which a section was put together,
// energy adds up.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/arch/chip_fields.h"
#include "base/arch/energy.h"
#include "base/arch/load.h"
#include "base/io/document.h"
#include "base/program/program_text.h"
#include "sim/energy.h"
#include "sim/simulator.h"
#include "tests/support/random_program.h"
#include "tests/support/run_equality.h"
#include "tests/support/shuffled_program.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

const std::string kConfigs = std::string(RDUSIM_SOURCE_DIR) + "/configs";

// Every chip file in the paper's node of eight.
std::vector<NodeSpec> every_node() {
  std::vector<std::string> chips;
  for (const auto& entry : std::filesystem::directory_iterator(kConfigs + "/chips"))
    chips.push_back(entry.path().string());
  std::sort(chips.begin(), chips.end());
  std::vector<NodeSpec> nodes;
  for (const std::string& path : chips) {
    ConfigContext context;
    context.config_dir = kConfigs;
    auto node = load_node(context, "sn40l-8");
    auto chip = chip_fields().parse(*read_document(path));
    EXPECT_TRUE(node.ok() && chip.ok()) << path;
    node->chip = *chip;
    node->stacks[0].hardware_launch_s = 1e-6;
    nodes.push_back(*node);
  }
  return nodes;
}

RunResult timed(const Program& p, const NodeSpec& node) {
  auto result = run(p, node, node.stacks[0], {});
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return *result;
}

std::vector<Program> programs(uint64_t seed, int count) {
  ProgramGenerator generator(seed, 24);
  std::vector<Program> out;
  for (int i = 0; i < count; ++i)
    out.push_back(with_links_and_tiers(generator.make().program, static_cast<uint64_t>(i)));
  return out;
}

struct Bandwidth {
  std::string name;
  std::function<void(NodeSpec&, bool doubled)> scale;
};

std::vector<Bandwidth> bandwidths() {
  const auto real = [](double& x, bool doubled) { x *= doubled ? 2 : 0.5; };
  const auto whole = [](int64_t& x, bool doubled) { x = doubled ? x * 2 : x / 2; };
  return {
      {"hbm", [=](NodeSpec& n, bool d) { real(n.chip.hbm.bandwidth_bytes_per_s, d); }},
      {"ddr", [=](NodeSpec& n, bool d) { real(n.chip.ddr.bandwidth_bytes_per_s, d); }},
      {"link", [=](NodeSpec& n, bool d) { real(n.link.bandwidth_bytes_per_s, d); }},
      {"rdn link", [=](NodeSpec& n, bool d) { whole(n.chip.rdn.link_bytes_per_cycle, d); }},
      {"pmu port", [=](NodeSpec& n, bool d) { whole(n.chip.pmu.port_bytes_per_cycle, d); }},
      {"agcu port", [=](NodeSpec& n, bool d) { whole(n.chip.agcu_port_bytes_per_cycle, d); }},
  };
}

// Every stream with a memory to itself, and at most one exchange: nothing takes turns.
bool without_contention(Program& p) {
  int64_t exchanges = 0;
  for (const Unit& unit : p.sections[0].units) exchanges += unit.kind == UnitKind::kSend ? 1 : 0;
  p.tiers = {};
  for (Symbol& s : p.symbols) {
    s.tier = s.name == "x" ? Tier::kHbm : s.name == "y" ? Tier::kDdr : Tier::kSram;
    int64_t& mark = p.tiers[static_cast<size_t>(s.tier)].bytes;
    s.offset_bytes = mark;
    mark += (s.bytes() + 63) / 64 * 64;
  }
  return exchanges <= 1;
}

// Largest share by which more bandwidth hurt, or less helped.
double worst_anomaly(const Program& p, const NodeSpec& node) {
  const auto cycles = static_cast<double>(timed(p, node).cycles);
  double worst = 0;
  for (const Bandwidth& bandwidth : bandwidths()) {
    NodeSpec more = node;
    NodeSpec less = node;
    bandwidth.scale(more, true);
    bandwidth.scale(less, false);
    worst = std::max(worst, static_cast<double>(timed(p, more).cycles) / cycles - 1);
    worst = std::max(worst, cycles / static_cast<double>(timed(p, less).cycles) - 1);
  }
  return worst;
}

TEST(EveryChip, MoreBandwidthNeverHurtsAndLessNeverHelps) {
  for (const NodeSpec& node : every_node()) {
    int64_t checked = 0;
    for (Program& p : programs(77, 40)) {
      if (!without_contention(p)) continue;
      ++checked;
      EXPECT_EQ(worst_anomaly(p, node), 0) << node.chip.name << "\n" << print_program(p);
    }
    EXPECT_GT(checked, 20);
  }
}

// Where streams take turns at a memory channel or a link, a transfer under way is not broken off: a request
// that comes a little earlier may go just before a more urgent one, which then waits. Such anomalies are
// those of every list schedule (Graham, SIAM J. Appl. Math. 1969), on the chip as in the model. They are rare
// and worth a few transfers.
TEST(EveryChip, WhereStreamsTakeTurnsAnomaliesAreRareAndSmall) {
  int64_t anomalies = 0;
  int64_t cases = 0;
  double worst = 0;
  for (const NodeSpec& node : every_node()) {
    for (const Program& p : programs(77, 40)) {
      const double share = worst_anomaly(p, node);
      worst = std::max(worst, share);
      anomalies += share > 0 ? 1 : 0;
      ++cases;
    }
  }
  std::printf("anomalies in %d of %d programs, at most %.2f %%\n", static_cast<int>(anomalies),
              static_cast<int>(cases), 100 * worst);
  // These programs have some 20 tokens a stream: one transfer out of turn is up to 1/20 of a run.
  EXPECT_LT(worst, 0.05);
  EXPECT_LT(anomalies, cases / 8);
}

int64_t on_wire(const ByteCounts& bytes, Wire wire) {
  const auto& causes = bytes[static_cast<size_t>(wire)];
  return std::accumulate(causes.begin(), causes.end(), int64_t{0});
}

TEST(EveryChip, NoChannelIsAboveItsPeak) {
  for (const NodeSpec& node : every_node()) {
    for (const Program& p : programs(78, 40)) {
      SCOPED_TRACE(node.chip.name + "\n" + print_program(p));
      const RunResult r = timed(p, node);
      for (const SectionResult& s : r.sections) {
        const double seconds = static_cast<double>(s.cycles_per_launch) / r.clock_hz;
        const auto rate = [&](Wire wire) { return static_cast<double>(on_wire(s.bytes, wire)) / seconds; };
        EXPECT_LE(rate(Wire::kHbm), node.chip.hbm.achieved_bytes_per_s());
        EXPECT_LE(rate(Wire::kDdr), node.chip.ddr.achieved_bytes_per_s());
        EXPECT_LE(rate(Wire::kLink), node.link.bandwidth_bytes_per_s);
        for (size_t u = 0; u < s.units.size(); ++u) {
          const auto macs = static_cast<double>(s.units[u].work[0] + s.units[u].work[1]);
          const double peak = static_cast<double>(s.units[u].pcus * node.chip.pcu.lanes *
                                                  node.chip.pcu.stages * s.cycles_per_launch);
          EXPECT_LE(macs, peak) << s.units[u].name;
        }
      }
    }
  }
}

TEST(EveryChip, UnitCyclesAndBytesAddUp) {
  for (const NodeSpec& node : every_node()) {
    for (const Program& p : programs(79, 40)) {
      SCOPED_TRACE(node.chip.name + "\n" + print_program(p));
      const RunResult r = timed(p, node);
      const int64_t units = node.chip.pcu.count + node.chip.pmu.count;
      EXPECT_EQ(r.unit_cycles.total(), units * r.cycles * p.sockets);
      ByteCounts bytes{};
      for (const SectionResult& s : r.sections) {
        for (size_t w = 0; w < kWireCount; ++w) {
          for (size_t c = 0; c < kCauseCount; ++c) bytes[w][c] += s.bytes[w][c] * s.launches * p.sockets;
        }
      }
      EXPECT_EQ(bytes, r.bytes);
    }
  }
}

TEST(EveryChip, ResultsDoNotDependOnTheOrderOfConstruction) {
  Random random(5);
  for (const NodeSpec& node : every_node()) {
    for (const Program& p : programs(80, 40)) {
      SCOPED_TRACE(node.chip.name + "\n" + print_program(p));
      RunResult straight = timed(p, node);
      RunResult other = timed(shuffled(p, random), node);
      sort_units(straight);
      sort_units(other);
      // Of two units that are equally busy, either may be named.
      for (size_t s = 0; s < other.sections.size(); ++s) {
        const std::string& bound = straight.sections[s].bound_by;
        if (bound.starts_with("unit ") || bound.starts_with("PMU reads of "))
          other.sections[s].bound_by = straight.sections[s].bound_by;
      }
      expect_same_run(straight, other);
    }
  }
}

EnergySpec public_energy() {
  ConfigContext context;
  context.config_dir = kConfigs;
  auto energy = load_energy(context, "public-7nm");
  EXPECT_TRUE(energy.ok()) << energy.error().to_string();
  return *energy;
}

TEST(EveryChip, EnergyByPartByCauseAndInTotalIsTheSame) {
  const EnergySpec spec = public_energy();
  for (const NodeSpec& node : every_node()) {
    for (const Program& p : programs(81, 30)) {
      const RunResult r = timed(p, node);
      const Energy e = energy_of(r, spec);
      double by_part = 0;
      double by_cause = 0;
      for (size_t i = 0; i < kEnergyPartCount; ++i) by_part += e.of_part(static_cast<EnergyPart>(i));
      for (size_t i = 0; i < kEnergyCauseCount; ++i) by_cause += e.of_cause(i);
      // The same terms in two orders of summation: a few roundings apart.
      EXPECT_NEAR(by_part, by_cause, 1e-14 * by_part);
      EXPECT_EQ(e.total(), by_part);
      EXPECT_GT(e.of_part(EnergyPart::kHbm), 0);
      EXPECT_DOUBLE_EQ(e.of_part(EnergyPart::kStatic),
                       156.0 * static_cast<double>(p.sockets) * static_cast<double>(r.cycles) / r.clock_hz);
    }
  }
}

}  // namespace
}  // namespace rdusim::sim
