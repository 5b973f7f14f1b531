// libFuzzer target: a model's config.json, from text to facts and to the graph of a decode step.

// fuzz-libraries: rdusim_models
#include <string_view>

#include "base/io/document.h"
#include "models/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace rdusim;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto document = read_json_text(text, "config.json");
  if (!document.ok()) return 0;
  const auto model = models::make_model("fuzzed", *document);
  if (!model.ok()) return 0;
  (void)(*model)->facts();
  if ((*model)->layers() > 64) return 0;  // a graph of a million layers is slow, not wrong
  models::GraphRequest request;
  request.past_tokens = 3;
  (void)(*model)->build(request).ok();
  return 0;
}
