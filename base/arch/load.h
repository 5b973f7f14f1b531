// Reads configs/: chips, nodes (which name their chip file), GPU nodes. Unknown and missing keys, wrong types
// and values out of range are errors with file:line:col. Records every file read, for the manifest.
#pragma once

#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/io/document.h"
#include "base/result.h"

namespace rdusim {

struct ConfigFile {
  std::string path;  // files below the configs/ folder: "configs/...", so that it repeats on any machine
  std::string sha256;
};

struct ConfigContext {
  std::string config_dir;                // the configs/ folder
  std::vector<Override> overrides;       // --set; each must be used by something that is loaded
  std::vector<ConfigFile> files;         // every file that was read, each once
  std::vector<bool> override_used;       // parallel to overrides
  std::vector<std::string> known_paths;  // what overrides could have named in what was loaded
};

// `name` is a path to a YAML file, or the name of one in configs/nodes/. Overrides answer to chip.*, node.*
// and stack.* (every software stack of the node; node.stacks.<name>.* is one of them).
Result<NodeSpec> load_node(ConfigContext& context, const std::string& name);
// Overrides answer to gpu_node.* (every GPU node that is loaded).
Result<GpuNodeSpec> load_gpu_node(ConfigContext& context, const std::string& name);
// Which kind a node file describes, by its top-level `kind: rdu_node | gpu_node`.
Result<bool> is_gpu_node(ConfigContext& context, const std::string& name);

// The parts, for configuration of other rooms (compositions, sweeps).
// Path of `name`: itself if it has an extension or a slash, else configs/<folder>/<name>.yaml; the error
// lists what the folder holds and suggests the nearest.
Result<std::string> find_config(const ConfigContext& context, const std::string& folder,
                                const std::string& name);
// Reads a YAML or JSON file and records it.
Result<DocumentNode> read_config(ConfigContext& context, const std::string& path);
// Applies the overrides whose path starts with `root_name`.
Status apply_overrides(ConfigContext& context, DocumentNode& root, const std::string& root_name);

// Error naming the first override that nothing used, with the nearest known path.
Status check_overrides_used(const ConfigContext& context);
// The configs/ folder: $RDUSIM_CONFIG_DIR, else beside the binary's source tree or ../share/rdusim/configs.
Result<std::string> find_config_dir(const std::string& executable_path);

}  // namespace rdusim
