// Prompts with the kind of task they belong to: what routers are trained and judged on. JSON lines:
// {"id": "train-00000", "source": "...", "label": "math", "text": "..."}; id and source may be absent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rdusim::runtime {

struct LabelledPrompt {
  std::string id;
  std::string source;
  std::string label;
  std::string text;
};

// Fails with path:line:col on a line that is no such object, an empty label or text, or a file without rows.
Result<std::vector<LabelledPrompt>> parse_labelled_prompts(std::string_view text, const std::string& path);
Result<std::vector<LabelledPrompt>> read_labelled_prompts(const std::string& path);  // *.gz too

}  // namespace rdusim::runtime
