// Tables of what gathers in a PMU achieve: look-up, file, hash.
#include "base/arch/pmu_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/arch/pmu_service_fields.h"
#include "base/io/file.h"
#include "tests/support/small_chip.h"

namespace rdusim {
namespace {

using ::testing::HasSubstr;

PmuService table() {
  PmuService service;
  service.name = "table";
  service.row_bytes = {2, 8, 32};
  service.gathered_rows = 1000;
  service.efficiency = {0.1, 0.3, 0.6};
  return service;
}

TEST(PmuService, LooksUpBetweenWidthsAndHoldsTheEnds) {
  EXPECT_DOUBLE_EQ(table().gather_efficiency(8), 0.3);
  EXPECT_DOUBLE_EQ(table().gather_efficiency(4), 0.2);
  EXPECT_DOUBLE_EQ(table().gather_efficiency(16), 0.45);
  EXPECT_DOUBLE_EQ(table().gather_efficiency(1), 0.1);
  EXPECT_DOUBLE_EQ(table().gather_efficiency(1000), 0.6);
}

TEST(PmuService, FilesParseBackAndBrokenOnesAreRefused) {
  const auto parse = [](const PmuService& service) {
    return pmu_service_fields().parse(*read_yaml_text(pmu_service_fields().dump(service), "table.yaml"));
  };
  const auto again = parse(table());
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again->efficiency, table().efficiency);
  PmuService broken = table();
  broken.efficiency.pop_back();
  EXPECT_THAT(parse(broken).error().what, HasSubstr("efficiency has 2 values, row_bytes 3"));
  broken = table();
  broken.row_bytes = {2, 2, 4};
  EXPECT_THAT(parse(broken).error().what, HasSubstr("must rise"));
}

TEST(PmuService, TheHashFollowsPortAndGridButNeitherValuesNorCapacity) {
  PmuSpec pmu = testing::small_chip().pmu;
  PmuService service = table();
  const std::string hash = pmu_service_hash(service, pmu);
  service.efficiency[0] = 0.2;
  pmu.capacity_bytes *= 2;
  EXPECT_EQ(pmu_service_hash(service, pmu), hash);
  pmu.port_bytes_per_cycle *= 2;
  EXPECT_NE(pmu_service_hash(service, pmu), hash);
  service.row_bytes = {2, 8, 16};
  EXPECT_NE(pmu_service_hash(service, testing::small_chip().pmu), hash);
}

TEST(PmuService, AStaleTableIsRefusedAndNoneIsTaken) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  const auto fresh = load_node(context, "sn40l-8");
  ASSERT_TRUE(fresh.ok()) << fresh.error().to_string();
  ASSERT_NE(fresh->chip.pmu.service, nullptr);
  context.overrides = {*parse_override("chip.pmu.port_bytes_per_cycle=128")};
  const auto stale = load_node(context, "sn40l-8");
  ASSERT_FALSE(stale.ok());
  EXPECT_THAT(stale.error().to_string(), HasSubstr("ports of 128 bytes a cycle"));
  EXPECT_THAT(stale.error().to_string(), HasSubstr("chip.pmu.service=none"));
  context.overrides.push_back(*parse_override("chip.pmu.service=none"));
  const auto none = load_node(context, "sn40l-8");
  ASSERT_TRUE(none.ok()) << none.error().to_string();
  EXPECT_EQ(none->chip.pmu.service, nullptr);
}

}  // namespace
}  // namespace rdusim
