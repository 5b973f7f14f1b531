// Reading a fixture's folder; see fixture.h.
#include <fmt/format.h>

#include <filesystem>

#include "models/fixture.h"

namespace rdusim::models {
namespace {

Result<std::vector<int64_t>> integers(const DocumentNode& list) {
  if (list.kind != DocumentNode::Kind::kList || list.items.empty()) {
    return Error{ErrorCode::kInvalidInput, list.where, "a prompt must be a list of token ids, at least one",
                 ""};
  }
  std::vector<int64_t> ids;
  for (const DocumentNode& item : list.items) {
    RDU_ASSIGN(const int64_t id, item.as_integer());
    ids.push_back(id);
  }
  return ids;
}

Status read_prompts(const std::string& path, Fixture& fixture) {
  RDU_ASSIGN(const DocumentNode inputs, read_document(path));
  const bool texts = inputs.find("texts") != nullptr;
  RDU_ASSIGN(const DocumentNode* prompts, inputs.at(texts ? "texts" : "prompts"));
  for (const DocumentNode& prompt : prompts->items) {
    RDU_ASSIGN(std::vector<int64_t> ids, integers(prompt));
    fixture.prompts.push_back(std::move(ids));
  }
  if (fixture.prompts.empty())
    return Error{ErrorCode::kInvalidInput, prompts->where, "there are no prompts", ""};
  if (const DocumentNode* steps = inputs.find("num_decode_steps")) {
    RDU_ASSIGN(fixture.decode_steps, steps->as_integer());
  }
  return {};
}

Status read_queries(const std::string& path, const DocumentNode& config, Fixture& fixture) {
  RDU_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  RDU_ASSIGN(fixture.queries, file.read("queries"));
  RDU_ASSIGN(const DocumentNode* threshold, config.at("entropy_threshold"));
  RDU_ASSIGN(fixture.entropy_threshold, threshold->as_real());
  return {};
}

// Pixels or flattened patches; padding rows at the end are dropped.
Status read_images(const std::string& path, const DocumentNode& config, Fixture& fixture) {
  if (!std::filesystem::exists(path)) return {};
  RDU_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  if (file.find("pixel_values") != nullptr) {
    RDU_ASSIGN(fixture.pixels, file.read("pixel_values"));
    const DocumentNode* vision = config.find("vision_config");
    RDU_ASSIGN(const DocumentNode* patch, (vision != nullptr ? *vision : config).at("patch_size"));
    RDU_ASSIGN(fixture.patch_size, patch->as_integer());
  }
  if (const DocumentNode* token = config.find("image_token_index")) {
    RDU_ASSIGN(fixture.image_token, token->as_integer());
  }
  if (fixture.weights.find("logit_scale") != nullptr) {
    RDU_ASSIGN(const Tensor scale, fixture.weights.read("logit_scale"));
    fixture.logit_scale = static_cast<double>(scale.values.front());
  }
  if (file.find("flattened_patches") == nullptr) return {};
  RDU_ASSIGN(fixture.patches, file.read("flattened_patches"));
  RDU_ASSIGN(const Tensor mask, file.read("attention_mask"));
  int64_t rows = 0;
  for (const float m : mask.values) rows += m != 0 ? 1 : 0;
  const int64_t cols = fixture.patches.cols();
  fixture.patches.shape = Shape{{rows, cols}};
  fixture.patches.values.resize(static_cast<size_t>(rows * cols));
  return {};
}

Status read_expected(const std::string& path, Fixture& fixture) {
  RDU_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  for (const TensorEntry& entry : file.entries()) {
    RDU_ASSIGN(fixture.expected[entry.name], file.read(entry.name));
  }
  return {};
}

}  // namespace

Result<Fixture> load_fixture(const std::string& folder) {
  const std::filesystem::path lexical = std::filesystem::path(folder).lexically_normal();
  const std::filesystem::path path = lexical.has_filename() ? lexical : lexical.parent_path();
  Fixture fixture;
  fixture.folder = path.string();
  fixture.name = path.filename().string();
  RDU_ASSIGN(const DocumentNode config, read_document((path / "config.json").string()));
  RDU_ASSIGN(fixture.model, make_model(fixture.name, config));
  RDU_ASSIGN(fixture.weights, SafetensorsFile::open_model(folder));
  RDU_CHECK_OK(read_expected((path / "expected.safetensors").string(), fixture));
  if (fixture.model->supports(Phase::kRoute)) {
    RDU_CHECK_OK(read_queries((path / "inputs.safetensors").string(), config, fixture));
  } else {
    RDU_CHECK_OK(read_images((path / "inputs.safetensors").string(), config, fixture));
    const bool texts = fixture.pixels.values.empty() || std::filesystem::exists(path / "inputs.json");
    if (texts) RDU_CHECK_OK(read_prompts((path / "inputs.json").string(), fixture));
  }
  RDU_ASSIGN(const DocumentNode all, read_document((path.parent_path() / "tolerances.json").string()));
  RDU_ASSIGN(const DocumentNode* own, all.at(fixture.name));
  fixture.tolerances = *own;
  return fixture;
}

}  // namespace rdusim::models
