// Labelled prompts as a workload: all there at time 0, in file order; prompt tokens from the text, output
// tokens as the composition says.
#include "runtime/workload/labelled_prompts.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {

bool recognises_prompts(std::string_view first_line) {
  return first_line.starts_with('{') && first_line.find("\"label\"") != std::string_view::npos;
}

Result<Workload> read_prompts(std::string_view text, const std::string& path,
                              const WorkloadOptions& options) {
  RDU_ASSIGN(std::vector<LabelledPrompt> rows, parse_labelled_prompts(text, path));
  WorkloadBuilder builder(path, "labelled-prompts");
  for (LabelledPrompt& row : rows) {
    Request request;
    request.prompt_tokens = approximate_tokens(row.text);
    request.output_tokens = options.defaults.output_tokens;
    builder.add(request, {std::move(row.text), std::move(row.label), "", {}});
  }
  return builder.finish("");
}

}  // namespace rdusim::runtime
