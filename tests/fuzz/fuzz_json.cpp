// libFuzzer target: JSON text (see exercise.h).
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  rdusim::fuzz::exercise_json(rdusim::fuzz::text_of(bytes, size));
  return 0;
}
