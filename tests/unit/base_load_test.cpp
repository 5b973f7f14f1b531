// Loading of node files: overrides, their errors, kinds, names, and the folder search.
#include "base/arch/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/io/file.h"

namespace rdusim {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

ConfigContext context_with(const std::vector<std::string>& sets = {}) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  for (const std::string& set : sets) context.overrides.push_back(*parse_override(set));
  return context;
}

std::string node_error(const std::string& set) {
  ConfigContext context = context_with({set});
  const auto node = load_node(context, "sn40l-8");
  if (!node.ok()) return node.error().to_string();
  const Status used = check_overrides_used(context);
  return used.ok() ? "no error" : used.error().to_string();
}

TEST(LoadNode, OverridesReachChipNodeAndStacks) {
  ConfigContext context = context_with({"chip.hbm.bandwidth_bytes_per_s=2.0e12", "node.sockets=4",
                                        "node.link.bandwidth_bytes_per_s=1e11", "stack.step_s=1e-3",
                                        "node.stacks.2024-early.request_s=0.5"});
  const auto node = load_node(context, "sn40l-8");
  ASSERT_TRUE(node.ok()) << node.error().to_string();
  EXPECT_EQ(node->chip.hbm.bandwidth_bytes_per_s, 2.0e12);
  EXPECT_EQ(node->sockets, 4);
  EXPECT_EQ(node->link.bandwidth_bytes_per_s, 1e11);
  for (const StackSpec& stack : node->stacks) EXPECT_EQ(stack.step_s, 1e-3);
  EXPECT_EQ(node->find_stack("2024-early")->request_s, 0.5);
  EXPECT_EQ(node->find_stack("2025"), nullptr);
  EXPECT_TRUE(check_overrides_used(context).ok());
}

TEST(LoadNode, RecordsEveryFileOnceWithItsHash) {
  ConfigContext context = context_with();
  ASSERT_TRUE(load_node(context, "sn40l-8").ok());
  ASSERT_TRUE(load_node(context, "sn40l-8").ok());
  ASSERT_EQ(context.files.size(), 7U);  // and the service table and DRAM device of each tier, and the PMUs'
  EXPECT_EQ(context.files[0].path, "configs/nodes/sn40l-8.yaml");
  EXPECT_EQ(context.files[1].path, "configs/chips/sn40l.yaml");
  EXPECT_EQ(context.files[2].path, "configs/service/sn40l-hbm.yaml");
  EXPECT_EQ(context.files[5].path, "configs/dram/sn40l-ddr.yaml");
  EXPECT_EQ(context.files[6].path, "configs/service/sn40l-pmu.yaml");
  EXPECT_EQ(context.files[1].sha256, *sha256_hex_of_file(context.config_dir + "/chips/sn40l.yaml"));
}

TEST(LoadNode, OverrideErrors) {
  EXPECT_THAT(node_error("chip.hbm.bandwidth=1"),
              HasSubstr("did you mean `chip.hbm.bandwidth_bytes_per_s`?"));
  EXPECT_THAT(node_error("stack.stepp_s=1"), HasSubstr("did you mean `stack.step_s`?"));
  EXPECT_THAT(node_error("chp.clock_hz=1"), HasSubstr("did you mean `chip.clock_hz`?"));
  EXPECT_THAT(
      node_error("chip.clock_hz=1.6"),
      HasSubstr("--set chip.clock_hz: error: clock_hz must be between 1e+06 and 1e+11 Hz, found 1.6"));
  EXPECT_THAT(node_error("chip.pcu.count=many"), HasSubstr("expected an integer, found the string `many`"));
  EXPECT_THAT(node_error("node.default_stack=2023"), HasSubstr("default_stack `2023` is none of the stacks"));
  EXPECT_THAT(node_error("chip.hbm.refresh_cycle_ns=4000"),
              HasSubstr("must be below refresh_interval_ns (3900)"));
  EXPECT_THAT(node_error("node.chip=../chips/none.yaml"), HasSubstr("named by chip: in"));
  EXPECT_THAT(node_error("node.stacks.2024-early.name=2024-late"),
              HasSubstr("two stacks are called `2024-late`"));
}

TEST(LoadNode, NamesAndKinds) {
  ConfigContext context = context_with();
  EXPECT_THAT(load_node(context, "sn40l-9").error().to_string(),
              HasSubstr("no configuration called `sn40l-9`"));
  EXPECT_THAT(load_node(context, "dgx-a100").error().to_string(),
              HasSubstr("this node is of kind `gpu_node`"));
  EXPECT_THAT(load_gpu_node(context, "sn40l-8").error().to_string(), HasSubstr("needed is `gpu_node`"));
  EXPECT_TRUE(*is_gpu_node(context, "dgx-h100"));
  EXPECT_FALSE(*is_gpu_node(context, "sn40l-16"));
  EXPECT_TRUE(load_node(context, context.config_dir + "/nodes/sn40l-16.yaml").ok());
  const std::string path = (fs::path(::testing::TempDir()) / "rdusim_kind.yaml").string();
  ASSERT_TRUE(write_file_atomically(path, "name: x\nkind: gpu\n").ok());
  EXPECT_THAT(load_node(context, path).error().to_string(),
              HasSubstr("rdusim_kind.yaml:2:7: error: unknown kind of "
                        "node `gpu`\n  hint: did you mean `gpu_node`?"));
  fs::remove(path);
}

TEST(LoadGpuNode, Overrides) {
  ConfigContext context = context_with({"gpu_node.hbm_efficiency=0.75"});
  const auto node = load_gpu_node(context, "dgx-a100");
  ASSERT_TRUE(node.ok()) << node.error().to_string();
  EXPECT_EQ(node->hbm_efficiency, 0.75);
}

TEST(FindConfigDir, EnvironmentThenTreeThenInstall) {
  ASSERT_EQ(::unsetenv("RDUSIM_CONFIG_DIR"), 0);
  const std::string tree = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  EXPECT_EQ(*find_config_dir(std::string(RDUSIM_SOURCE_DIR) + "/build/release/rdusim"), tree);
  const fs::path prefix = fs::path(::testing::TempDir()) / "rdusim_prefix";
  fs::create_directories(prefix / "bin");
  EXPECT_THAT(find_config_dir((prefix / "bin/rdusim").string()).error().to_string(),
              HasSubstr("no configs/ folder"));
  fs::create_directories(prefix / "share/rdusim/configs/nodes");
  fs::create_directories(prefix / "share/rdusim/configs/chips");
  EXPECT_EQ(*find_config_dir((prefix / "bin/rdusim").string()), (prefix / "share/rdusim/configs").string());
  ASSERT_EQ(::setenv("RDUSIM_CONFIG_DIR", tree.c_str(), 1), 0);
  EXPECT_EQ(*find_config_dir("/nowhere/rdusim"), tree);
  ASSERT_EQ(::setenv("RDUSIM_CONFIG_DIR", "/nowhere", 1), 0);
  EXPECT_THAT(find_config_dir("/nowhere/rdusim").error().to_string(),
              HasSubstr("RDUSIM_CONFIG_DIR names no folder"));
  ::unsetenv("RDUSIM_CONFIG_DIR");
  fs::remove_all(prefix);
}

}  // namespace
}  // namespace rdusim
