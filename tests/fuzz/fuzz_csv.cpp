// libFuzzer target: CSV text (see exercise.h).
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  rdusim::fuzz::exercise_csv(rdusim::fuzz::text_of(bytes, size));
  return 0;
}
