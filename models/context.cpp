#include "models/context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace rdusim::models {
namespace {

std::vector<std::string> models_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    if (std::filesystem::exists(entry.path() / "config.json", failure))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<int64_t> context_tokens(const DocumentNode& config) {
  const DocumentNode* language = config.find("text_config");
  for (const DocumentNode* owner : {language, &config}) {
    if (owner == nullptr) continue;
    for (const char* key : {"max_position_embeddings", "max_seq_len", "seq_length"}) {
      const DocumentNode* node = owner->find(key);
      if (node != nullptr && node->kind != DocumentNode::Kind::kNull) return node->as_integer();
    }
  }
  return int64_t{0};
}

Result<std::string> find_model_config(const std::string& config_dir, const std::string& name) {
  const std::filesystem::path models = std::filesystem::path(config_dir) / "models";
  std::error_code failure;
  for (const std::filesystem::path& folder : {std::filesystem::path(name), models / name}) {
    const std::filesystem::path file = folder / "config.json";
    if (!name.empty() && std::filesystem::is_regular_file(file, failure)) return file.string();
  }
  const std::vector<std::string> known = models_in(models);
  const std::string suggestion = nearest(name, known);
  return Error{
      ErrorCode::kNotFound, fmt::format("model {}", name),
      fmt::format("no such model: neither {} nor {} holds a config.json", name, (models / name).string()),
      suggestion.empty() ? fmt::format("models: {}", fmt::join(known, ", "))
                         : fmt::format("did you mean {}? models: {}", suggestion, fmt::join(known, ", "))};
}

}  // namespace rdusim::models
