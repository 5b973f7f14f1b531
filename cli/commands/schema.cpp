// rdusim schema: JSON schemas of the configuration files, for editors and for whoever writes one.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "base/arch/chip_fields.h"
#include "cli/commands/commands.h"
#include "cli/study_spec.h"
#include "cli/sweep_spec.h"
#include "runtime/composition.h"
#include "runtime/workload/generator.h"

namespace rdusim::cli {
namespace {

std::map<std::string, std::string> schemas() {
  std::map<std::string, std::string> all;
  for (const auto& kind : config_kinds()) all[kind.name] = kind.fields->json_schema();
  all["composition"] = runtime::composition_json_schema();
  all["serving"] = runtime::engine_fields().json_schema();
  all["study"] = study_fields().json_schema();
  all["sweep"] = sweep_json_schema();
  all["workload"] = runtime::workload_json_schema();
  return all;
}

Result<int> run(Session& session, const std::string& name) {
  const auto all = schemas();
  if (const auto one = all.find(name); one != all.end()) {
    session.print(one->second);
    RDU_CHECK_OK(session.write_json({{"schemas", {{name, report::Json::parse(one->second)}}}}));
    return kExitOk;
  }
  std::vector<std::string> names;
  for (const auto& [known, schema] : all) names.push_back(known);
  const std::string near = nearest(name, names);
  return Error{ErrorCode::kNotFound, "schema " + name,
               fmt::format("there are schemas of {}", fmt::join(names, ", ")),
               near.empty() ? "" : "did you mean " + near + "?"};
}

}  // namespace

void add_schema(CLI::App& app, Session& session) {
  auto name = std::make_shared<std::string>();
  auto* command = app.add_subcommand("schema", "print the JSON schema of a kind of configuration file");
  command
      ->add_option("KIND", *name,
                   "chip, node, gpu_node, energy, composition, serving, study, sweep or workload")
      ->required();
  command->footer("Example:\n  rdusim schema chip > chip.schema.json");
  command->callback([&session, name] { session.body = [name](Session& s) { return run(s, *name); }; });
}

}  // namespace rdusim::cli
