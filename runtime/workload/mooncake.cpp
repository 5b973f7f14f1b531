// Mooncake trace (kvcache-ai/Mooncake, FAST 2025): timestamp (ms from the start), input_length,
// output_length, hash_ids (one id per 512-token block of the prompt; equal ids are a shared prefix). The
// blocks are kept for prefix reuse; lengths alone set the time today.
#include "runtime/workload/jsonl.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

Result<int64_t> tokens_of(const DocumentNode& object, const char* key) {
  RDU_ASSIGN(const DocumentNode* node, object.at(key));
  RDU_ASSIGN(const int64_t tokens, node->as_integer());
  RDU_CHECK_OK(check_tokens(tokens, node->where, key));
  return tokens;
}

Result<std::vector<int64_t>> blocks_of(const DocumentNode& object) {
  std::vector<int64_t> blocks;
  const DocumentNode* node = object.find("hash_ids");
  if (node == nullptr) return blocks;
  if (node->kind != DocumentNode::Kind::kList) {
    return Error{ErrorCode::kInvalidInput, node->where, "hash_ids is not a list",
                 "one whole number a 512-token block"};
  }
  for (const DocumentNode& item : node->items) {
    RDU_ASSIGN(const int64_t id, item.as_integer());
    blocks.push_back(id);
  }
  return blocks;
}

}  // namespace

bool recognises_mooncake(std::string_view first_line) {
  return first_line.starts_with('{') && first_line.find("\"input_length\"") != std::string_view::npos;
}

Result<Workload> read_mooncake(std::string_view text, const std::string& path, const WorkloadOptions&) {
  WorkloadBuilder builder(path, "mooncake");
  const auto add_row = [&](const DocumentNode& object, int64_t) -> Status {
    RDU_CHECK_OK(check_known_keys(object, {"timestamp", "input_length", "output_length", "hash_ids"}));
    Request request;
    RDU_ASSIGN(const DocumentNode* time, object.at("timestamp"));
    RDU_ASSIGN(const double milliseconds, time->as_real());
    RDU_ASSIGN(request.arrival, check_arrival(milliseconds * 1e-3, time->where));
    RDU_ASSIGN(request.prompt_tokens, tokens_of(object, "input_length"));
    RDU_ASSIGN(request.output_tokens, tokens_of(object, "output_length"));
    RequestNotes notes;
    RDU_ASSIGN(notes.prefix_blocks, blocks_of(object));
    builder.add(request, std::move(notes));
    return {};
  };
  RDU_CHECK_OK(for_each_json_line(text, path, add_row));
  return builder.finish(
      "a row is {\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": []}");
}

}  // namespace rdusim::runtime
