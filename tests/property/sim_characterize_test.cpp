// The shipped service tables are what the model gives today (points of each, not all), efficiency does not
// depend on the clock, and the normalised table foretells a run with refresh.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/arch/chip_fields.h"
#include "base/arch/dram_fields.h"
#include "base/arch/memory_service_fields.h"
#include "base/arch/pmu_service_fields.h"
#include "sim/dram/characterize.h"
#include "sim/dram/traffic.h"
#include "sim/pmu/characterize.h"

namespace rdusim::sim {
namespace {

ConfigContext context() {
  ConfigContext c;
  c.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  return c;
}

std::vector<std::string> shipped() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(context().config_dir + "/service")) {
    const std::string name = entry.path().stem().string();
    if (!name.ends_with("-pmu")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(CharacterizeProperty, ShippedTablesRegenerate) {
  ASSERT_GE(shipped().size(), 4U);
  for (const std::string& name : shipped()) {
    ConfigContext files = context();
    const auto service = load_memory_service(files, name);
    ASSERT_TRUE(service.ok()) << service.error().to_string();
    const DramSpec device = *load_dram(files, service->device);
    const size_t granules = service->granule_bytes.size();
    const size_t shares = service->write_shares.size();
    for (const auto& [s, g, w] : {std::tuple{size_t{0}, size_t{1}, size_t{0}}, {2, 0, 2}, {4, 1, 1}}) {
      const auto efficiency = memory_efficiency(device, service->streams[s], service->granule_bytes[g],
                                                service->write_shares[w], service->bursts_per_channel);
      ASSERT_TRUE(efficiency.ok()) << efficiency.error().to_string();
      EXPECT_EQ(*efficiency, service->efficiency[(s * granules + g) * shares + w])
          << name << ": rdusim characterize " << name << " writes it anew; raise kDramModelVersion";
    }
  }
}

TEST(CharacterizeProperty, ShippedPmuTablesRegenerate) {
  for (const std::string chip : {"sn40l", "sn40l-sixteenth"}) {
    ConfigContext files = context();
    const auto root = read_config(files, *find_config(files, "chips", chip));
    ASSERT_TRUE(root.ok()) << root.error().to_string();
    const auto spec = chip_fields().parse(*root);
    ASSERT_TRUE(spec.ok()) << spec.error().to_string();
    EXPECT_EQ(spec->pmu.service_name, chip + "-pmu");
    const auto service = load_pmu_service(files, spec->pmu.service_name, spec->pmu);
    ASSERT_TRUE(service.ok()) << service.error().to_string();
    PmuService again = pmu_service_grid(chip + "-pmu", spec->pmu);
    ASSERT_TRUE(characterize_pmu(spec->pmu, again).ok());
    EXPECT_EQ(again.row_bytes, service->row_bytes);
    EXPECT_EQ(again.efficiency, service->efficiency)
        << "rdusim characterize --chip " << chip << " writes it anew; raise kPmuModelVersion";
    // Wider rows bring more of the port, none more than four addresses a cycle reach.
    for (size_t i = 0; i < again.row_bytes.size(); ++i) {
      const double reached =
          4.0 * static_cast<double>(again.row_bytes[i]) / static_cast<double>(spec->pmu.port_bytes_per_cycle);
      EXPECT_LE(again.efficiency[i], std::min(1.0, reached)) << again.row_bytes[i];
    }
    EXPECT_LT(again.efficiency.front(), again.efficiency.back());
  }
}

TEST(CharacterizeProperty, EfficiencyDoesNotDependOnTheClock) {
  ConfigContext files = context();
  DramSpec device = *load_dram(files, "sn40l-sixteenth-ddr");
  const auto before = memory_efficiency(device, 4, 4096, 0.25, 1000);
  device.timings.tick_ps /= 2;
  EXPECT_EQ(*memory_efficiency(device, 4, 4096, 0.25, 1000), *before);
}

TEST(CharacterizeProperty, TheTableForetellsARunWithRefresh) {
  ConfigContext files = context();
  const auto service = load_memory_service(files, "sn40l-sixteenth-ddr");
  ASSERT_TRUE(service.ok()) << service.error().to_string();
  const DramSpec device = *load_dram(files, service->device);
  const double tax = static_cast<double>(device.timings.rfc) / static_cast<double>(device.timings.refi);
  DramTraffic traffic{.pattern = DramPattern::kStreams, .granule_bytes = 4096, .bursts = 60'000};
  for (const int64_t streams : {1, 8}) {
    traffic.streams = streams;
    const auto run = run_dram_traffic(device, traffic);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    const double foretold = (1 - tax) * service->efficiency_of({static_cast<double>(streams), 4096, 0});
    EXPECT_NEAR(run->fraction_of_peak / foretold, 1, 0.02) << streams;
  }
}

TEST(CharacterizeProperty, WriteSharesAreKeptExactly) {
  ConfigContext files = context();
  const DramSpec device = *load_dram(files, "ddr5-4800");
  for (const double share : {0.0625, 0.25, 0.5, 0.75}) {
    DramTraffic traffic{.pattern = DramPattern::kStreams,
                        .direction = DramDirection::kShare,
                        .granule_bytes = 512,
                        .streams = 8,
                        .write_share = share,
                        .bursts = 8 * 4096};
    const auto run = run_dram_traffic(device, traffic);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    const auto all = static_cast<double>(run->stats.reads + run->stats.writes + run->stats.forwarded_reads +
                                         run->stats.coalesced_writes);
    EXPECT_NEAR(static_cast<double>(run->stats.writes + run->stats.coalesced_writes) / all, share, 0.002);
  }
  DramTraffic wrong{.direction = DramDirection::kShare, .write_share = 0.5};
  EXPECT_EQ(run_dram_traffic(device, wrong).error().what,
            "a write share between 0 and 1 goes with pattern streams");
}

}  // namespace
}  // namespace rdusim::sim
