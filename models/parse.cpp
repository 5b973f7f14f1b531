// From a config.json to a model of its family: the table of families, and where named models are found.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "models/config_reader.h"
#include "models/context.h"
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
  if (const std::optional<std::string> path = onnx_path(name)) return load_onnx_model(*path);
  RDU_ASSIGN(const std::string file, find_model_config(config_dir, name));
  RDU_ASSIGN(const DocumentNode config, read_document(file));
  const std::filesystem::path clean = std::filesystem::path(name).lexically_normal();
  return make_model((clean.has_filename() ? clean : clean.parent_path()).filename().string(), config);
}

}  // namespace rdusim::models
