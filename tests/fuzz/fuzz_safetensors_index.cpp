// libFuzzer target: indices of sharded safetensors (see exercise.h).
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  rdusim::fuzz::exercise_safetensors_index(bytes, size);
  return 0;
}
