// libFuzzer target: ONNX files, from bytes to tensors (see exercise.h) and to the graph of one pass.

// fuzz-libraries: rdusim_models
#include "models/onnx/model.h"
#include "tests/fuzz/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace rdusim;
  fuzz::exercise_onnx(bytes, size);
  const auto file = OnnxFile::from_bytes({bytes, bytes + size}, "fuzz");
  if (!file.ok()) return 0;
  models::GraphRequest request;
  request.phase = models::Phase::kEncode;
  request.query_tokens = 3;
  const auto import = models::onnx::import_graph(*file, request, "fuzz");
  RDU_CHECK(import.ok() || !import.error().where.empty(), "an error without a place");
  return 0;
}
