// libFuzzer target: a program's text form. What parses prints and parses back to itself, and the verifier
// never crashes on it.
#include <cstdlib>
#include <string_view>

#include "base/program/program_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace rdusim;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto program = parse_program(text, "fuzzed");
  if (!program.ok()) return 0;
  (void)verify_program(*program, 1040, 1040).ok();
  const auto again = parse_program(print_program(*program), "again");
  if (!again.ok() || print_program(*again) != print_program(*program)) std::abort();
  return 0;
}
