// libFuzzer target: request files of every format, labelled prompts, router files.

// fuzz-libraries: rdusim_runtime
#include "tests/fuzz/exercise_trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  rdusim::fuzz::exercise_trace({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
