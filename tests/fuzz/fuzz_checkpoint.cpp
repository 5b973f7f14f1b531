// The reader of a serve's checkpoint: its header, and lists and texts of any bytes after a header that fits.
// fuzz-libraries: rdusim_runtime
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "runtime/serving/archive.h"
#include "runtime/serving/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rdusim::runtime;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string fingerprint(64, '0');
  const auto raw = read_checkpoint(input, fingerprint, "fuzz");
  RDU_CHECK(raw.ok() || raw.error().where == "fuzz", "an error without a place");
  const std::string file = checkpoint_file(fingerprint, input);
  const auto state = read_checkpoint(file, fingerprint, "fuzz");
  RDU_CHECK(state.ok() && *state == input, "a file that was written does not read back");
  Archive archive(*state);
  std::vector<uint64_t> numbers;
  std::vector<bool> bits;
  std::string text;
  archive.mark("HEAD");
  archive.pods(numbers);
  archive.bits(bits);
  archive.text(text);
  RDU_CHECK(numbers.size() * 8 + bits.size() + text.size() <= size, "more was read than there is");
  (void)archive.status();
  return 0;
}
