// Reader of labelled prompts.
#include "runtime/workload/labelled_prompts.h"

#include "base/io/file.h"
#include "runtime/workload/jsonl.h"

namespace rdusim::runtime {
namespace {

Result<std::string> filled_string(const DocumentNode& object, const char* key) {
  RDU_ASSIGN(const DocumentNode* node, object.at(key));
  RDU_ASSIGN(std::string value, node->as_string());
  if (!value.empty()) return value;
  return Error{ErrorCode::kInvalidInput, node->where, std::string(key) + " is empty",
               "give every prompt a label and a text"};
}

Result<std::string> optional_string(const DocumentNode& object, const char* key) {
  const DocumentNode* node = object.find(key);
  if (node == nullptr) return std::string();
  return node->as_string();
}

}  // namespace

Result<std::vector<LabelledPrompt>> parse_labelled_prompts(std::string_view text, const std::string& path) {
  std::vector<LabelledPrompt> rows;
  const auto add_row = [&](const DocumentNode& object, int64_t) -> Status {
    RDU_CHECK_OK(check_known_keys(object, {"id", "source", "label", "text"}));
    LabelledPrompt row;
    RDU_ASSIGN(row.label, filled_string(object, "label"));
    RDU_ASSIGN(row.text, filled_string(object, "text"));
    RDU_ASSIGN(row.id, optional_string(object, "id"));
    RDU_ASSIGN(row.source, optional_string(object, "source"));
    rows.push_back(std::move(row));
    return {};
  };
  RDU_CHECK_OK(for_each_json_line(text, path, add_row));
  if (!rows.empty()) return rows;
  return Error{ErrorCode::kInvalidInput, path, "the file has no rows",
               R"(write one object a line: {"label": "math", "text": "What is 2 + 2?"})"};
}

Result<std::vector<LabelledPrompt>> read_labelled_prompts(const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  return parse_labelled_prompts(text, path);
}

}  // namespace rdusim::runtime
