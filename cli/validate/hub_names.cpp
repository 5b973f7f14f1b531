#include "cli/validate/hub_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/io/document.h"
#include "base/io/file.h"
#include "cli/inputs.h"

namespace rdusim::cli {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string without_owner(const std::string& name) {
  return name.substr(name.find_last_of('/') + 1);
}

}  // namespace

Result<HubNames> HubNames::load(Session& session) {
  const std::string path = session.config.config_dir + "/models/aliases.csv";
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_CHECK_OK(session.record_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t hub_name, table.column("hub_name"));
  RDU_ASSIGN(const size_t model, table.column("model"));
  RDU_ASSIGN(const size_t differs, table.column("differs"));
  RDU_ASSIGN(const auto folders, list_models(session.config.config_dir));
  HubNames names;
  for (const std::string& folder : folders) names.models_[folder] = {folder, ""};
  for (const CsvRow& row : table.rows) {
    const HubModel alias{row.cells[model], row.cells[differs]};
    if (std::find(folders.begin(), folders.end(), alias.config) == folders.end()) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", path, row.line),
                   "no configuration is called " + alias.config, ""};
    }
    const std::string name = lower(row.cells[hub_name]);
    names.models_[name] = alias;
    names.models_[without_owner(name)] = alias;
  }
  return names;
}

Result<HubModel> HubNames::find(const std::string& name) const {
  const std::string wanted = lower(name);
  for (const std::string& key : {wanted, without_owner(wanted)}) {
    if (const auto known = models_.find(key); known != models_.end()) return known->second;
  }
  std::vector<std::string> keys;
  for (const auto& [key, model] : models_) keys.push_back(key);
  const std::string near = nearest(without_owner(wanted), keys);
  return Error{ErrorCode::kNotFound, name, "no configuration has this model's shape",
               near.empty() ? "rdusim models list shows what there is" : "did you mean " + near + "?"};
}

}  // namespace rdusim::cli
