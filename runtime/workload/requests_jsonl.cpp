// Our own JSON lines of requests: {"arrival_s": 0.5, "tenant": "acme", "text": "...", "output_tokens": 20};
// the keys are the columns of the CSV form, and mean the same.
#include "runtime/workload/jsonl.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

Result<std::string> optional_text(const DocumentNode& object, const char* key) {
  const DocumentNode* node = object.find(key);
  if (node == nullptr) return std::string();
  return node->as_string();
}

Result<int64_t> optional_tokens(const DocumentNode& object, const char* key, int64_t otherwise) {
  const DocumentNode* node = object.find(key);
  if (node == nullptr) return otherwise;
  RDU_ASSIGN(const int64_t tokens, node->as_integer());
  RDU_CHECK_OK(check_tokens(tokens, node->where, key));
  return tokens;
}

}  // namespace

bool recognises_requests_jsonl(std::string_view first_line) {
  return first_line.starts_with('{') && first_line.find("\"arrival_s\"") != std::string_view::npos;
}

Result<Workload> read_requests_jsonl(std::string_view text, const std::string& path,
                                     const WorkloadOptions& options) {
  WorkloadBuilder builder(path, "requests-jsonl");
  const auto add_row = [&](const DocumentNode& object, int64_t) -> Status {
    RDU_CHECK_OK(check_known_keys(
        object, {"arrival_s", "tenant", "prompt_tokens", "text", "output_tokens", "label", "expert"}));
    Request request;
    RequestNotes notes;
    RDU_ASSIGN(const DocumentNode* time, object.at("arrival_s"));
    RDU_ASSIGN(const double arrival_s, time->as_real());
    RDU_ASSIGN(request.arrival, check_arrival(arrival_s, time->where));
    RDU_ASSIGN(notes.text, optional_text(object, "text"));
    RDU_ASSIGN(notes.label, optional_text(object, "label"));
    RDU_ASSIGN(notes.expert, optional_text(object, "expert"));
    RDU_ASSIGN(const std::string tenant, optional_text(object, "tenant"));
    const int64_t prompt =
        notes.text.empty() ? options.defaults.prompt_tokens : approximate_tokens(notes.text);
    RDU_ASSIGN(request.prompt_tokens, optional_tokens(object, "prompt_tokens", prompt));
    RDU_ASSIGN(request.output_tokens,
               optional_tokens(object, "output_tokens", options.defaults.output_tokens));
    request.tenant = builder.tenant(tenant.empty() ? "default" : tenant);
    builder.add(request, std::move(notes));
    return {};
  };
  RDU_CHECK_OK(for_each_json_line(text, path, add_row));
  return builder.finish("a row is {\"arrival_s\": 0.5, \"prompt_tokens\": 128, \"output_tokens\": 20}");
}

}  // namespace rdusim::runtime
