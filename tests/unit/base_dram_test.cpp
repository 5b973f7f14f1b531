// The DRAM files and the address mapping's two notations; wrong ones say what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/arch/dram_fields.h"
#include "base/arch/dram_mapping.h"

namespace rdusim {
namespace {

using ::testing::HasSubstr;

ConfigContext context() {
  ConfigContext out;
  out.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  return out;
}

DramSpec hbm3() {
  auto files = context();
  return *load_dram(files, "hbm3-6400");
}

std::string mapping_error(const std::string& text) {
  const auto mapping = parse_dram_mapping(text, hbm3().organisation);
  return mapping.ok() ? "" : mapping.error().what;
}

TEST(DramMapping, BothNotations) {
  DramSpec spec = hbm3();
  const auto mapping =
      parse_dram_mapping("LSB-first co1 bg2 pc1 co4 si1 ba2 ro14 +XOR(row)", spec.organisation);
  ASSERT_TRUE(mapping.ok());
  EXPECT_TRUE(mapping->xor_row);
  EXPECT_EQ(dump_dram_mapping(*mapping), "co1 bg2 pc1 co4 ra1 ba2 ro14 +xor");
  EXPECT_EQ(*parse_dram_mapping(dump_dram_mapping(*mapping), spec.organisation), *mapping);

  auto files = context();
  const DramSpec ddr4 = *load_dram(files, "ddr4-3200");
  const auto letters = parse_dram_mapping("DRAMsim3 rorabacochbg (MSB->LSB, lowest)", ddr4.organisation);
  ASSERT_TRUE(letters.ok());
  EXPECT_EQ(dump_dram_mapping(*letters), "bg2 co7 ba2 ra1 ro16");
}

TEST(DramMapping, Errors) {
  EXPECT_THAT(mapping_error(""), HasSubstr("no field"));
  EXPECT_THAT(mapping_error("co5 xx2"), HasSubstr("unknown field `xx2`"));
  EXPECT_THAT(mapping_error("co5 bg"), HasSubstr("`bg` needs a width"));
  EXPECT_THAT(mapping_error("co5 bg99"), HasSubstr("`bg99` needs a width"));
  EXPECT_THAT(mapping_error("co5 bg2 ba2 ra1 ro14"), HasSubstr("field `pc` has 0 bits, the device needs 1"));
  EXPECT_THAT(mapping_error("roracoco"), HasSubstr("field `co` stands twice"));
  EXPECT_THAT(mapping_error("rorazz"), HasSubstr("unknown field `zz`"));
}

TEST(DramSpecs, DumpAndParseBackAndAliases) {
  for (const char* name : {"hbm3-6400", "hbm2-2000", "ddr5-4800", "ddr4-3200", "sn40l-hbm", "sn40l-ddr"}) {
    auto files = context();
    const auto spec = load_dram(files, name);
    ASSERT_TRUE(spec.ok()) << spec.error().to_string();
    EXPECT_EQ(spec->name, name);
    const auto again = dram_fields().parse(*read_yaml_text(dump_dram(*spec), "dump"));
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_EQ(dump_dram(*again), dump_dram(*spec));
    for (const std::string& alias : spec->aliases) EXPECT_EQ(load_dram(files, alias)->name, name);
  }
  auto files = context();
  EXPECT_THAT(load_dram(files, "hbm3").error().what, HasSubstr("no configuration called `hbm3`"));
}

TEST(DramSpecs, Checks) {
  const auto broken = [](const std::function<void(DramSpec&)>& change) {
    DramSpec spec = hbm3();
    change(spec);
    const Status status = check_dram(spec);
    return status.ok() ? std::string() : status.error().what;
  };
  EXPECT_EQ(broken([](DramSpec&) {}), "");
  EXPECT_THAT(broken([](DramSpec& s) { s.organisation.banks = 3; }), HasSubstr("banks 3 is no power of two"));
  EXPECT_THAT(broken([](DramSpec& s) { s.organisation.ranks = 8; }),
              HasSubstr("128 banks of a pseudo channel"));
  EXPECT_THAT(broken([](DramSpec& s) { s.timings.refi = 1000; }), HasSubstr("no time between refreshes"));
  EXPECT_THAT(broken([](DramSpec& s) { s.timings.rc = 100; }), HasSubstr("rc is shorter"));
  EXPECT_THAT(broken([](DramSpec& s) { s.timings.ccd_l = 2; }), HasSubstr("shorter than across bank groups"));
  EXPECT_THAT(broken([](DramSpec& s) { s.controller.kind = "per_bank_queue"; }),
              HasSubstr("needs bank_queue"));
  EXPECT_THAT(broken([](DramSpec& s) { s.controller.mapping = "co1"; }), HasSubstr("has 1 bits"));
}

}  // namespace
}  // namespace rdusim
