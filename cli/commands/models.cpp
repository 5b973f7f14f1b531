// rdusim models list|show: what a model weighs and costs, from its config.json alone.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "report/format.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

report::Json facts_json(const std::string& name, const models::Model& model) {
  const auto facts = model.facts();
  report::Json json;
  json["name"] = name;
  json["family"] = model.family();
  json["layers"] = model.layers();
  json["total_parameters"] = facts.total_parameters;
  json["weight_bytes"] = facts.weight_bytes;
  json["kv_bytes_per_token"] = facts.kv_bytes_per_token;
  json["flops_per_token"] = facts.flops_per_token;
  return json;
}

std::string last_part(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const std::string trimmed = path.substr(0, end + 1);
  return trimmed.substr(trimmed.find_last_of('/') + 1);
}

Result<int> show(Session& session, const std::string& name) {
  RDU_ASSIGN(const auto model, load_chosen_model(session, name));
  const auto facts = model->facts();
  report::Table table{{last_part(name), "", ""}, {}};
  table.add({"family", model->family(), ""});
  table.add({"layers", fmt::to_string(model->layers()), ""});
  table.add({"parameters", report::format_count(facts.total_parameters), ""});
  table.add({"weight bytes (BF16)", report::format_count(facts.weight_bytes),
             report::format_bytes(static_cast<double>(facts.weight_bytes))});
  table.add({"KV bytes per token", report::format_count(facts.kv_bytes_per_token),
             report::format_bytes(static_cast<double>(facts.kv_bytes_per_token))});
  table.add({"FLOPs per token", report::format_count(facts.flops_per_token),
             report::format_flops(static_cast<double>(facts.flops_per_token))});
  session.print(report::table_text(table));
  RDU_CHECK_OK(session.write_json(facts_json(last_part(name), *model)));
  return kExitOk;
}

// A configuration that is not modelled yet has its row too, with the reason in place of numbers.
Result<int> list(Session& session) {
  RDU_ASSIGN(const auto names, list_models(session.config.config_dir));
  report::Table table{
      {"model", "family", "layers", "parameters", "weights", "KV per token", "FLOPs per token"}, {}};
  report::Json models = report::Json::array();
  report::Json unsupported = report::Json::array();
  for (const auto& name : names) {
    const auto model = load_chosen_model(session, name);
    if (!model.ok()) {
      unsupported.push_back({{"name", name}, {"reason", model.error().what}});
      continue;
    }
    const auto facts = (*model)->facts();
    table.add({name, (*model)->family(), fmt::to_string((*model)->layers()),
               report::format_count(facts.total_parameters),
               report::format_bytes(static_cast<double>(facts.weight_bytes)),
               report::format_bytes(static_cast<double>(facts.kv_bytes_per_token)),
               report::format_flops(static_cast<double>(facts.flops_per_token))});
    models.push_back(facts_json(name, **model));
  }
  session.print(report::table_text(table));
  if (!unsupported.empty()) {
    session.print(fmt::format("\nnot modelled yet ({}):\n", unsupported.size()));
    for (const auto& one : unsupported) {
      session.print(
          fmt::format("  {}: {}\n", one["name"].get<std::string>(), one["reason"].get<std::string>()));
    }
  }
  RDU_CHECK_OK(session.write_json({{"models", std::move(models)}, {"unsupported", std::move(unsupported)}}));
  return kExitOk;
}

}  // namespace

void add_models(CLI::App& app, Session& session) {
  auto* command =
      app.add_subcommand("models", "list the models that ship, or show one's parameters, bytes and FLOPs");
  command->require_subcommand(1);
  command->footer("Examples:\n  rdusim models list\n  rdusim models show llama-2-7b --json -");

  auto* list_command = command->add_subcommand("list", "every model of configs/models/");
  list_command->callback([&session] { session.body = list; });

  auto* show_command = command->add_subcommand("show", "one model");
  auto name = std::make_shared<std::string>();
  show_command->add_option("NAME", *name, "a name of configs/models/, or a folder with a config.json")
      ->required();
  show_command->footer(
      "Parameters count every tensor of the checkpoint; bytes are BF16; FLOPs per token are two for each "
      "parameter\n"
      "that one decoded token reads.\n\nExample:\n  rdusim models show llama-3-8b");
  show_command->callback([&session, name] { session.body = [name](Session& s) { return show(s, *name); }; });
}

}  // namespace rdusim::cli
