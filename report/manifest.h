// What a result was made from: enough to make it again. Every JSON file, CSV side-car and page carries one.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace rdusim::report {

using Json = nlohmann::ordered_json;

// Version of the field names in JSON output; it grows when a field is renamed or changes its meaning.
inline constexpr int kSchemaVersion = 1;

struct ManifestFile {
  std::string path;
  std::string sha256;
};

struct Manifest {
  std::string version;  // of rdusim
  std::string command;  // as typed, without the options that only say where results are written
  std::vector<ManifestFile> configs;
  uint64_t seed = 0;
};

// {"version", "command", "configs": [{"path", "sha256"}], "seed"}
Json manifest_json(const Manifest& manifest);
// {"schema_version", "manifest", then the members of `body`}
Json with_manifest(const Manifest& manifest, const Json& body);
// Indented by two, ends with a newline. Numbers are printed so that they read back to the same value.
std::string json_text(const Json& value);

}  // namespace rdusim::report
