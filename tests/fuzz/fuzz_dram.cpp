// libFuzzer target: DRAM files and address mappings. What parses must dump to text that parses to the same.
#include "base/arch/dram_fields.h"
#include "base/arch/dram_mapping.h"
#include "base/check.h"
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace rdusim;  // NOLINT: a target of a few lines
  const std::string text(fuzz::text_of(bytes, size));
  DramOrganisation organisation{1, 2, 2, 4, 4, 16384, 1024, 32};
  if (const auto mapping = parse_dram_mapping(text, organisation); mapping.ok()) {
    const auto again = parse_dram_mapping(dump_dram_mapping(*mapping), organisation);
    RDU_CHECK(again.ok() && *again == *mapping, "mapping {}", text);
  }
  const auto document = read_yaml_text(text, "fuzz");
  if (!document.ok()) return 0;
  if (const auto spec = dram_fields().parse(*document); spec.ok()) {
    const auto again = dram_fields().parse(*read_yaml_text(dump_dram(*spec), "dump"));
    RDU_CHECK(again.ok() && dump_dram(*again) == dump_dram(*spec), "spec {}", text);
  }
  return 0;
}
