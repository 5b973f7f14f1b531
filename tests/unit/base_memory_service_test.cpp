// Service tables: values between the points of the grid, what a broken or stale file says, and that a chip
// whose bandwidth is changed keeps its table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/arch/dram_fields.h"
#include "base/arch/memory_service_fields.h"
#include "base/io/file.h"

namespace rdusim {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

MemoryService table() {
  MemoryService service;
  service.name = "table";
  service.device = "hbm3-6400";
  service.streams = {1, 4};
  service.granule_bytes = {512, 2048};
  service.write_shares = {0, 0.5};
  service.bursts_per_channel = 1000;
  //                     1 stream: 512 B      2 KiB      4 streams: 512 B  2 KiB
  service.efficiency = {1.0, 0.8, 0.9, 0.7, 0.6, 0.4, 0.5, 0.3};
  return service;
}

ConfigContext context_with(const std::vector<std::string>& sets = {}) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  for (const std::string& set : sets) context.overrides.push_back(*parse_override(set));
  return context;
}

TEST(MemoryService, PointsOfTheGridAreItsValues) {
  const MemoryService service = table();
  size_t at = 0;
  for (const double streams : {1.0, 4.0}) {
    for (const double granule : {512.0, 2048.0}) {
      for (const double share : {0.0, 0.5}) {
        EXPECT_DOUBLE_EQ(service.efficiency_of({streams, granule, share}), service.efficiency[at++]);
      }
    }
  }
}

TEST(MemoryService, BetweenThePointsItIsLinearInLogarithmsAndShares) {
  const MemoryService service = table();
  EXPECT_DOUBLE_EQ(service.efficiency_of({2, 512, 0}), 0.8);       // half of the way from 1 to 4
  EXPECT_DOUBLE_EQ(service.efficiency_of({1, 1024, 0}), 0.95);     // half of the way from 512 to 2048
  EXPECT_DOUBLE_EQ(service.efficiency_of({1, 512, 0.125}), 0.95);  // a quarter of the way from 0 to 0.5
  EXPECT_DOUBLE_EQ(service.efficiency_of({2, 1024, 0.25}), 0.65);  // the mean of all eight
}

TEST(MemoryService, OutsideTheGridItIsHeldAndRefreshComesOnTop) {
  MemoryService service = table();
  EXPECT_DOUBLE_EQ(service.efficiency_of({0.5, 64, 0}), 1.0);
  EXPECT_DOUBLE_EQ(service.efficiency_of({1000, 1e9, 1}), 0.3);
  service.refresh_efficiency = 0.5;
  EXPECT_DOUBLE_EQ(service.efficiency_of({1, 512, 0}), 0.5);
}

TEST(MemoryService, FilesParseBackAndBrokenOnesAreRefused) {
  MemoryService service = table();
  service.inputs_sha256 = "x";
  const auto parse = [](const std::string& text) {
    return memory_service_fields().parse(*read_yaml_text(text, "table.yaml"));
  };
  const auto again = parse(memory_service_fields().dump(service));
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again->efficiency, service.efficiency);
  service.efficiency.pop_back();
  EXPECT_THAT(parse(memory_service_fields().dump(service)).error().what,
              HasSubstr("efficiency has 7 values, the grid has 8 points"));
  service = table();
  service.streams = {4, 1};
  EXPECT_THAT(parse(memory_service_fields().dump(service)).error().what, HasSubstr("must rise"));
}

TEST(MemoryService, TheHashFollowsDeviceAndGridButNotTheValues) {
  ConfigContext context = context_with();
  const DramSpec device = *load_dram(context, "hbm3-6400");
  MemoryService service = table();
  const std::string hash = memory_service_hash(service, device);
  service.efficiency[0] = 0.5;
  EXPECT_EQ(memory_service_hash(service, device), hash);
  service.streams = {1, 8};
  EXPECT_NE(memory_service_hash(service, device), hash);
  DramSpec other = device;
  ++other.timings.rp;
  EXPECT_NE(memory_service_hash(table(), other), hash);
}

TEST(MemoryService, AStaleTableIsRefusedWithTheCommandThatMakesItAnew) {
  const fs::path path = fs::path(::testing::TempDir()) / "stale_service.yaml";
  MemoryService service = table();
  service.inputs_sha256 = "of something else";
  ASSERT_TRUE(write_file_atomically(path.string(), memory_service_fields().dump(service)).ok());
  ConfigContext context = context_with();
  const auto loaded = load_memory_service(context, path.string());
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().to_string(), HasSubstr("made from other inputs than DRAM device hbm3-6400"));
  EXPECT_THAT(loaded.error().to_string(), HasSubstr("rdusim characterize table writes it anew"));
}

TEST(MemoryService, AChipKeepsItsTableWhenItsBandwidthChanges) {
  ConfigContext plain = context_with();
  ConfigContext twice = context_with({"chip.hbm.bandwidth_bytes_per_s=3.6e12"});
  const auto a = load_node(plain, "sn40l-8");
  const auto b = load_node(twice, "sn40l-8");
  ASSERT_TRUE(a.ok()) << a.error().to_string();
  ASSERT_TRUE(b.ok()) << b.error().to_string();
  ASSERT_NE(a->chip.hbm.service, nullptr);
  const MemoryPattern mixed{16, 4096, 0.25};
  EXPECT_LT(a->chip.hbm.achieved_bytes_per_s(mixed), 0.95 * a->chip.hbm.achieved_bytes_per_s());
  EXPECT_DOUBLE_EQ(b->chip.hbm.achieved_bytes_per_s(mixed), 2 * a->chip.hbm.achieved_bytes_per_s(mixed));
}

TEST(MemoryService, AChipWithoutATableHasThePeakLessRefresh) {
  ConfigContext context = context_with({"chip.hbm.service=none"});
  const auto node = load_node(context, "sn40l-8");
  ASSERT_TRUE(node.ok()) << node.error().to_string();
  EXPECT_EQ(node->chip.hbm.service, nullptr);
  EXPECT_EQ(node->chip.hbm.achieved_bytes_per_s({16, 4096, 0.25}), node->chip.hbm.achieved_bytes_per_s());
}

TEST(MemoryService, ADeviceThatIsOverriddenHasNoTable) {
  ConfigContext context = context_with({"dram.timings.wr=48"});
  const auto node = load_node(context, "sn40l-8");
  ASSERT_FALSE(node.ok());
  EXPECT_THAT(node.error().to_string(), HasSubstr("made from other inputs"));
}

}  // namespace
}  // namespace rdusim
