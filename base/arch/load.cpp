// Loading: find the file, read it, apply the overrides to the document, then parse it with the field
// descriptions, so that an override meets the same checks as the file.
#include "base/arch/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/arch/chip_fields.h"
#include "base/arch/memory_service_fields.h"
#include "base/arch/pmu_service_fields.h"
#include "base/arch/serving_build.h"
#include "base/io/document_scalars.h"
#include "base/io/file.h"

namespace rdusim {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNodeFolder = "nodes";

// "configs/..." for what lies below the configs/ folder, else the path itself.
std::string manifest_path(const ConfigContext& context, const std::string& path) {
  std::error_code ignored;
  const fs::path below = fs::weakly_canonical(path, ignored)
                             .lexically_relative(fs::weakly_canonical(context.config_dir, ignored));
  if (below.empty() || *below.begin() == "..") return path;
  return (fs::path("configs") / below).string();
}

// True if `path` is root.something.
bool belongs_to(const std::string& path, const std::string& root) {
  return path.size() > root.size() + 1 && path.starts_with(root) && path[root.size()] == '.';
}

void mark_used(ConfigContext& context, size_t index) {
  context.override_used.resize(context.overrides.size());
  context.override_used[index] = true;
}

Status apply_stack_overrides(ConfigContext& context, DocumentNode& root) {
  DocumentNode* stacks = root.find("stacks");
  if (stacks == nullptr || stacks->items.empty()) return {};
  for (const std::string& path : scalar_paths(stacks->items.front(), "stack"))
    context.known_paths.push_back(path);
  for (size_t i = 0; i < context.overrides.size(); ++i) {
    const Override& change = context.overrides[i];
    if (!belongs_to(change.path, "stack")) continue;
    mark_used(context, i);
    for (DocumentNode& stack : stacks->items) {
      RDU_CHECK_OK(apply_override(stack, std::string_view(change.path).substr(6), change.value, change.path));
    }
  }
  return {};
}

Result<DocumentNode> read_node(ConfigContext& context, const std::string& path) {
  RDU_ASSIGN(DocumentNode root, read_config(context, path));
  RDU_ASSIGN(const DocumentNode* kind, root.at("kind"));
  RDU_ASSIGN(const std::string text, kind->as_string());
  const std::vector<std::string> known = {"rdu_node", "gpu_node"};
  if (std::find(known.begin(), known.end(), text) != known.end()) return root;
  return Error{ErrorCode::kInvalidInput, kind->where, "unknown kind of node " + backquoted(text),
               suggestion(text, known)};
}

Status expect_kind(const DocumentNode& root, std::string_view expected) {
  const DocumentNode* kind = root.find("kind");
  if (kind->text == expected) return {};
  return Error{
      ErrorCode::kInvalidInput, kind->where,
      fmt::format("this node is of kind {}, needed is {}", backquoted(kind->text), backquoted(expected)), ""};
}

Result<ChipSpec> load_chip(ConfigContext& context, const std::string& path) {
  RDU_ASSIGN(DocumentNode root, read_config(context, path));
  RDU_CHECK_OK(apply_overrides(context, root, "chip"));
  RDU_ASSIGN(ChipSpec chip, chip_fields().parse(root));
  for (MemorySpec* memory : {&chip.hbm, &chip.ddr}) {
    if (memory->service_name == "none") continue;
    RDU_ASSIGN(MemoryService service, load_memory_service(context, memory->service_name));
    memory->service = std::make_shared<const MemoryService>(std::move(service));
  }
  if (chip.pmu.service_name != "none") {
    RDU_ASSIGN(PmuService service, load_pmu_service(context, chip.pmu.service_name, chip.pmu));
    chip.pmu.service = std::make_shared<const PmuService>(std::move(service));
  }
  return chip;
}

Result<NodeFile> read_node_file(ConfigContext& context, const std::string& path) {
  RDU_ASSIGN(DocumentNode root, read_node(context, path));
  RDU_CHECK_OK(expect_kind(root, "rdu_node"));
  RDU_CHECK_OK(apply_overrides(context, root, "node"));
  RDU_CHECK_OK(apply_stack_overrides(context, root));
  return node_fields().parse(root);
}

}  // namespace

Result<std::string> find_config(const ConfigContext& context, const std::string& folder,
                                const std::string& name) {
  const fs::path given(name);
  const std::string extension = given.extension().string();
  if (extension == ".yaml" || extension == ".yml" || extension == ".json" ||
      name.find('/') != std::string::npos) {
    return name;
  }
  const fs::path directory = fs::path(context.config_dir) / folder;
  const fs::path path = directory / (name + ".yaml");
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return path.string();
  std::vector<std::string> known;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().extension() == ".yaml") known.push_back(entry.path().stem().string());
  }
  std::sort(known.begin(), known.end());
  return Error{ErrorCode::kNotFound, directory.string(), "no configuration called " + backquoted(name),
               known.empty() ? "give the path of a .yaml file" : suggestion(name, known)};
}

Result<DocumentNode> read_config(ConfigContext& context, const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path, DocumentLimits{}.max_bytes));
  const std::string recorded = manifest_path(context, path);
  const auto same = [&](const ConfigFile& file) { return file.path == recorded; };
  if (std::none_of(context.files.begin(), context.files.end(), same)) {
    context.files.push_back({recorded, sha256_hex(text)});
  }
  return path.ends_with(".json") ? read_json_text(text, path) : read_yaml_text(text, path);
}

Status apply_overrides(ConfigContext& context, DocumentNode& root, const std::string& root_name) {
  for (const std::string& path : scalar_paths(root, root_name)) context.known_paths.push_back(path);
  for (size_t i = 0; i < context.overrides.size(); ++i) {
    const Override& change = context.overrides[i];
    if (!belongs_to(change.path, root_name)) continue;
    mark_used(context, i);
    const std::string_view below = std::string_view(change.path).substr(root_name.size() + 1);
    RDU_CHECK_OK(apply_override(root, below, change.value, change.path));
  }
  return {};
}

Result<bool> is_gpu_node(ConfigContext& context, const std::string& name) {
  RDU_ASSIGN(const std::string path, find_config(context, std::string(kNodeFolder), name));
  RDU_ASSIGN(const DocumentNode root, read_node(context, path));
  return root.find("kind")->text == "gpu_node";
}

Result<NodeSpec> load_node(ConfigContext& context, const std::string& name) {
  RDU_ASSIGN(const std::string path, find_config(context, std::string(kNodeFolder), name));
  RDU_ASSIGN(NodeFile file, read_node_file(context, path));
  const fs::path chip_path = (fs::path(path).parent_path() / file.chip).lexically_normal();
  auto chip = load_chip(context, chip_path.string());
  if (!chip.ok()) {
    Error error = chip.take_error();
    if (error.code == ErrorCode::kNotFound && error.hint.empty()) error.hint = "named by chip: in " + path;
    return error;
  }
  std::vector<StackSpec> stacks(file.stacks.begin(), file.stacks.end());
  return NodeSpec{file.name, file.sockets,      std::move(*chip),
                  file.link, std::move(stacks), file.default_stack};
}

Result<SequenceBucket> load_sequence_bucket(ConfigContext& context, const std::string& node,
                                            const std::string& stack) {
  RDU_ASSIGN(const std::string path, find_config(context, std::string(kNodeFolder), node));
  RDU_ASSIGN(const NodeFile file, read_node_file(context, path));
  const std::string wanted = stack.empty() ? file.default_stack : stack;
  std::vector<std::string> names;
  for (const StackFile& known : file.stacks) {
    if (known.name == wanted)
      return SequenceBucket{known.sequence_bucket_tokens, known.sequence_bucket_within_context};
    names.push_back(known.name);
  }
  return Error{ErrorCode::kNotFound, path, "no stack called " + backquoted(wanted),
               suggestion(wanted, names)};
}

Result<GpuNodeSpec> load_gpu_node(ConfigContext& context, const std::string& name) {
  RDU_ASSIGN(const std::string path, find_config(context, std::string(kNodeFolder), name));
  RDU_ASSIGN(DocumentNode root, read_node(context, path));
  RDU_CHECK_OK(expect_kind(root, "gpu_node"));
  RDU_CHECK_OK(apply_overrides(context, root, "gpu_node"));
  if (const DocumentNode* own = root.find("name"); own != nullptr)
    RDU_CHECK_OK(apply_overrides(context, root, own->text));
  return gpu_node_fields().parse(root);
}

Status check_overrides_used(const ConfigContext& context) {
  for (size_t i = 0; i < context.overrides.size(); ++i) {
    if (i < context.override_used.size() && context.override_used[i]) continue;
    const std::string& path = context.overrides[i].path;
    return Error{ErrorCode::kNotFound, "--set " + path,
                 "nothing that was loaded has a value " + backquoted(path),
                 suggestion(path, context.known_paths)};
  }
  return {};
}

Result<std::string> find_config_dir(const std::string& executable_path) {
  const auto usable = [](const fs::path& folder) {
    std::error_code ignored;
    return fs::is_directory(folder / "nodes", ignored) && fs::is_directory(folder / "chips", ignored);
  };
  if (const char* given = std::getenv("RDUSIM_CONFIG_DIR"); given != nullptr && *given != '\0') {
    if (usable(given)) return std::string(given);
    return Error{ErrorCode::kNotFound, given, "RDUSIM_CONFIG_DIR names no folder with chips/ and nodes/", ""};
  }
  std::error_code ignored;
  const fs::path start = fs::weakly_canonical(executable_path, ignored).parent_path();
  if (usable(start / "../share/rdusim/configs")) {
    return (start / "../share/rdusim/configs").lexically_normal().string();
  }
  for (fs::path folder = start; !folder.empty(); folder = folder.parent_path()) {
    if (usable(folder / "configs")) return (folder / "configs").string();
    if (folder == folder.root_path()) break;
  }
  return Error{ErrorCode::kNotFound, executable_path, "no configs/ folder near the program",
               "set RDUSIM_CONFIG_DIR to the configs/ folder"};
}

}  // namespace rdusim
