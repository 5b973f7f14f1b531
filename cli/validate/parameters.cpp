#include "cli/validate/parameters.h"

#include <fmt/format.h>

#include <cmath>

#include "base/arch/load.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {
namespace {

const Fields<FreeParameter>& parameter_fields() {
  static const auto fields =
      Fields<FreeParameter>("parameter", "a number that no publication fixes")
          .text("name", &FreeParameter::name, "as it stands in tables")
          .text("file", &FreeParameter::file, "where it stands, below configs/")
          .text("key", &FreeParameter::key, "in that file; elements of a list by their name")
          .text("set", &FreeParameter::set, "the path that --set takes")
          .text("unit", &FreeParameter::unit, "of the value")
          .text("meaning", &FreeParameter::meaning, "what it stands for")
          .text("how", &FreeParameter::how, "how it was set")
          .choices({"fitted", "derived", "assumed"})
          .text("why", &FreeParameter::why, "from what")
          .real("factor", &FreeParameter::factor, {0.1, 10}, "",
                "by which it is changed to see what hangs on it")
          .optional()
          .real("low", &FreeParameter::low, {}, "", "bound of a fit")
          .optional()
          .real("high", &FreeParameter::high, {}, "", "bound of a fit")
          .optional()
          .check([](const FreeParameter& p) -> std::string {
            const bool bounded = p.low > 0 && p.high > p.low;
            return p.how != "fitted" || bounded ? "" : "a fitted parameter needs 0 < low < high";
          });
  return fields;
}

// The element of a list whose `name` is `name`.
const DocumentNode* named(const DocumentNode& list, std::string_view name) {
  for (const DocumentNode& item : list.items) {
    const DocumentNode* own = item.find("name");
    if (own != nullptr && own->text == name) return &item;
  }
  return nullptr;
}

}  // namespace

const Fields<ParameterFile>& parameter_file_fields() {
  static const auto fields =
      Fields<ParameterFile>("parameters", "the free parameters of the model")
          .list("parameters", &ParameterFile::parameters, parameter_fields())
          .texts("calibration_points", &ParameterFile::calibration_points,
                 "rows that the fitted ones are fitted to, by the beginning of their ids")
          .texts("results", &ParameterFile::results, "rows of the sensitivity table");
  return fields;
}

Result<ParameterFile> load_parameters(Session& session, const std::string& path) {
  const std::string own = session.config.config_dir + "/parameters.yaml";
  RDU_ASSIGN(const DocumentNode root, read_config(session.config, path.empty() ? own : path));
  return parameter_file_fields().parse(root);
}

Result<double> config_value(Session& session, const FreeParameter& parameter) {
  for (const Override& change : session.config.overrides) {
    if (change.path != parameter.set) continue;
    RDU_ASSIGN(const DocumentNode given, read_yaml_text(change.value, "--set " + change.path));
    return given.as_real();
  }
  const std::string path = session.config.config_dir + "/" + parameter.file;
  RDU_ASSIGN(const DocumentNode root, read_config(session.config, path));
  const DocumentNode* node = &root;
  std::string_view rest = parameter.key;
  while (node != nullptr && !rest.empty()) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    node = node->kind == DocumentNode::Kind::kList ? named(*node, part) : node->find(part);
    rest = dot == std::string_view::npos ? "" : rest.substr(dot + 1);
  }
  if (node == nullptr) {
    return Error{ErrorCode::kNotFound, path, "no value " + parameter.key,
                 "named by parameter " + parameter.name};
  }
  return node->as_real();
}

Result<std::map<std::string, ValidationRow>> rows_with(ValidationContext& context,
                                                       const std::vector<std::string>& groups,
                                                       const std::vector<Change>& changes) {
  Session session = context.session;
  for (const Change& change : changes) {
    session.config.overrides.push_back({change.parameter->set, fmt::format("{}", change.value)});
    session.config.override_used.push_back(false);
  }
  ValidationContext inner{session, context.progress, context.stack};
  RDU_ASSIGN(auto rows, run_groups(inner, groups, false));
  context.session.config.files = session.config.files;
  std::map<std::string, ValidationRow> by_id;
  for (ValidationRow& row : rows) by_id.emplace(row.id, std::move(row));
  return by_id;
}

std::vector<std::string> groups_of(const std::vector<std::string>& row_ids) {
  std::vector<std::string> groups;
  for (const std::string& id : row_ids) {
    const std::string group = id.substr(0, id.find('/'));
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  return groups;
}

Result<Sensitivities> sensitivities(ValidationContext& context, const ParameterFile& file) {
  const std::vector<std::string> groups = groups_of(file.results);
  RDU_ASSIGN(const auto base, rows_with(context, groups, {}));
  for (const std::string& id : file.results) {
    if (!base.contains(id)) return Error{ErrorCode::kNotFound, "results", "no row " + id, ""};
  }
  Sensitivities found;
  for (const FreeParameter& parameter : file.parameters) {
    RDU_ASSIGN(const double value, config_value(context.session, parameter));
    found.values.push_back(value);
    auto& slopes = found.slopes.emplace_back(file.results.size(), std::nan(""));
    if (value == 0) continue;
    RDU_ASSIGN(const auto changed, rows_with(context, groups, {{&parameter, value * parameter.factor}}));
    for (size_t r = 0; r < file.results.size(); ++r) {
      const std::string& id = file.results[r];
      slopes[r] = std::log(changed.at(id).simulated / base.at(id).simulated) / std::log(parameter.factor);
    }
  }
  return found;
}

}  // namespace rdusim::cli
