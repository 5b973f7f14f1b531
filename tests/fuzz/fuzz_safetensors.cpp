// libFuzzer target: safetensors files (see exercise.h).
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  rdusim::fuzz::exercise_safetensors(bytes, size);
  return 0;
}
