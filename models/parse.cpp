// From a config.json to a model of its family: the table of families, and where named models are found.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "models/config_reader.h"
#include "models/model.h"
#include "models/onnx/model.h"

namespace rdusim::models {

using Factory = Result<std::unique_ptr<Model>>(const std::string& name, const DocumentNode& config);
#define RDU_FAMILY(model_type, factory) Factory factory;
#include "models/families.def"
#undef RDU_FAMILY

namespace {

struct Family {
  std::string_view model_type;
  Factory* factory;
};

constexpr Family kFamilies[] = {
#define RDU_FAMILY(model_type, factory) {model_type, &factory},
#include "models/families.def"
#undef RDU_FAMILY
};

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.model_type);
  return names;
}

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

Result<std::unique_ptr<Model>> make_model(const std::string& name, const DocumentNode& config) {
  RDU_ASSIGN(const DocumentNode* type_node, config.at("model_type"));
  RDU_ASSIGN(const std::string type, type_node->as_string());
  for (const Family& family : kFamilies) {
    if (family.model_type == type) return family.factory(name, config);
  }
  return config_error(*type_node, ErrorCode::kUnsupported,
                      fmt::format("model_type {} is not supported", type),
                      fmt::format("supported: {}", fmt::join(family_names(), ", ")));
}

Result<std::unique_ptr<Model>> load_model(const std::string& config_dir, const std::string& name) {
  const std::filesystem::path models = std::filesystem::path(config_dir) / "models";
  std::error_code failure;
  if (const std::optional<std::string> path = onnx_path(name)) return load_onnx_model(*path);
  for (const std::filesystem::path& folder : {std::filesystem::path(name), models / name}) {
    const std::filesystem::path file = folder / "config.json";
    if (name.empty() || !std::filesystem::is_regular_file(file, failure)) continue;
    RDU_ASSIGN(const DocumentNode config, read_document(file.string()));
    const std::filesystem::path clean = std::filesystem::path(name).lexically_normal();
    return make_model((clean.has_filename() ? clean : clean.parent_path()).filename().string(), config);
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
