#include "report/manifest.h"

#include <nlohmann/json.hpp>

namespace rdusim::report {

Json manifest_json(const Manifest& manifest) {
  Json configs = Json::array();
  for (const auto& file : manifest.configs) configs.push_back({{"path", file.path}, {"sha256", file.sha256}});
  Json json;
  json["version"] = manifest.version;
  json["command"] = manifest.command;
  json["configs"] = std::move(configs);
  json["seed"] = manifest.seed;
  return json;
}

Json with_manifest(const Manifest& manifest, const Json& body) {
  Json json;
  json["schema_version"] = kSchemaVersion;
  json["manifest"] = manifest_json(manifest);
  for (const auto& [key, value] : body.items()) json[key] = value;
  return json;
}

std::string json_text(const Json& value) {
  // Text that is not UTF-8 (a path may be any bytes) prints with replacement characters instead of failing.
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace rdusim::report
