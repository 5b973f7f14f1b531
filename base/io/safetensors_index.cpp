// Sharded safetensors: an index {"metadata": {...}, "weight_map": {tensor: file}} beside the files it names.
// Every tensor is in the file that the index says and in no other, and the files hold no tensor beside. File
// names are plain names: nothing outside the index's folder is opened.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/io/document.h"
#include "base/io/document_scalars.h"
#include "base/io/file.h"
#include "base/io/tensor_file.h"

namespace rdusim {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

bool plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
}

}  // namespace

Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view json,
                                                                   const std::string& name) {
  constexpr size_t kMaxIndexBytes = 100'000'000;  // a header's limit
  RDU_ASSIGN(const DocumentNode root, read_json_text(json, name, {.max_bytes = kMaxIndexBytes}));
  RDU_ASSIGN(const DocumentNode* map, root.at("weight_map"));
  if (map->kind != DocumentNode::Kind::kMap) {
    return Error{ErrorCode::kInvalidInput, name, "`weight_map` must be a map, found " + describe(*map), ""};
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, node] : map->members) {
    RDU_ASSIGN(const std::string file, node.as_string());
    if (!plain_name(file)) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}: tensor {}", name, backquoted(tensor)),
                   "is in " + backquoted(file), "files of an index are names in its own folder"};
    }
    files[tensor] = file;
  }
  if (!files.empty()) return files;
  return Error{ErrorCode::kInvalidInput, name, "`weight_map` names no tensor", ""};
}

Result<SafetensorsFile> SafetensorsFile::open_index(const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_ASSIGN(const auto file_of, parse_safetensors_index(text, path));
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  SafetensorsFile all;
  all.path_ = path;
  std::vector<std::string> names;
  for (const auto& [tensor, file] : file_of) names.push_back(file);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    RDU_ASSIGN(SafetensorsFile shard, open((folder / name).string()));
    for (TensorEntry& entry : shard.entries_) {
      const auto mapped = file_of.find(entry.name);
      if (mapped == file_of.end() || mapped->second != name) {
        return Error{ErrorCode::kInvalidInput, shard.path_,
                     fmt::format("holds tensor {}, which the index {}", backquoted(entry.name),
                                 mapped == file_of.end() ? "does not name" : "has in " + mapped->second),
                     "index and files are of one model"};
      }
      entry.file = all.files_.size();
      all.entries_.push_back(std::move(entry));
    }
    all.files_.push_back(shard.path_);
  }
  std::sort(all.entries_.begin(), all.entries_.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  for (const auto& [tensor, file] : file_of) {
    if (all.find(tensor) != nullptr) continue;
    return Error{ErrorCode::kNotFound, (folder / file).string(), "no tensor " + backquoted(tensor),
                 "the index says that it is there"};
  }
  return all;
}

Result<SafetensorsFile> SafetensorsFile::open_model(const std::string& folder) {
  const std::filesystem::path path(folder);
  if (std::filesystem::exists(path / kSingle)) return open((path / kSingle).string());
  if (std::filesystem::exists(path / kIndex)) return open_index((path / kIndex).string());
  return Error{ErrorCode::kNotFound, folder, fmt::format("has neither {} nor {}", kSingle, kIndex), ""};
}

}  // namespace rdusim
