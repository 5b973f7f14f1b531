// rdusim models list|show|check: what a model weighs and costs, from its config.json alone.
#include <fmt/format.h>

#include <algorithm>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
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
  json["active_parameters"] = facts.active_parameters;
  json["weight_bytes"] = facts.weight_bytes;
  json["state_bytes"] = facts.state_bytes;
  json["matmul_flops_per_token"] = facts.matmul_flops_per_token;
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
  table.add({"state bytes per sequence", report::format_count(facts.state_bytes),
             report::format_bytes(static_cast<double>(facts.state_bytes))});
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

// One row of the table of expected facts that is not what the configuration gives.
std::string difference(const CsvTable& table, const CsvRow& row, const models::ModelFacts& facts) {
  const std::pair<const char*, int64_t> columns[] = {
      {"total_params", facts.total_parameters},
      {"active_params", facts.active_parameters},
      {"weight_bytes_bf16", facts.weight_bytes},
      {"kv_bytes_per_token_bf16", facts.kv_bytes_per_token},
      {"recurrent_state_bytes_bf16", facts.state_bytes},
      {"flops_per_token_decode", facts.flops_per_token},
      {"matmul_flops_per_token", facts.matmul_flops_per_token}};
  std::string text;
  for (const auto& [column, ours] : columns) {
    const auto at = table.column(column);
    const std::string expected = at.ok() ? row.cells[*at] : "no such column";
    if (expected == fmt::to_string(ours)) continue;
    text += fmt::format("{}{} {} (expected {})", text.empty() ? "" : ", ", column, ours, expected);
  }
  return text;
}

constexpr const char* kNoRow = "not in the table";

// What one configuration gives against its row; empty: equal.
std::string check_one(Session& session, const CsvTable& table, size_t name_column, const std::string& name) {
  const auto model = load_chosen_model(session, name);
  if (!model.ok()) return model.error().what;
  for (const auto& row : table.rows) {
    if (row.cells[name_column] == name) return difference(table, row, (*model)->facts());
  }
  return kNoRow;
}

// Every configuration and every row of the table, exactly equal, or it falls short. A table of the user's own
// may have fewer rows than there are configurations; ours may not.
Result<int> check(Session& session, const std::string& path) {
  const std::string file = path.empty() ? session.config.config_dir + "/models/expected.csv" : path;
  RDU_CHECK_OK(session.record_file(file));
  RDU_ASSIGN(const std::string text, read_text_file(file));
  RDU_ASSIGN(const CsvTable expected, parse_csv(text, file));
  RDU_ASSIGN(auto names, list_models(session.config.config_dir));
  RDU_ASSIGN(const size_t name_column, expected.column("name"));
  for (const auto& row : expected.rows) {
    const std::string& name = row.cells[name_column];
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  report::Table table{{"model", "result"}, {}};
  report::Json models = report::Json::array();
  int64_t equal = 0, wrong = 0;
  for (const auto& name : names) {
    const std::string result = check_one(session, expected, name_column, name);
    const bool passed_over = result == kNoRow && !path.empty();
    equal += result.empty() ? 1 : 0;
    wrong += result.empty() || passed_over ? 0 : 1;
    table.add({name, result.empty() ? "equal" : result});
    models.push_back({{"name", name}, {"equal", result.empty()}, {"difference", result}});
  }
  session.print(report::table_text(table));
  session.print(fmt::format("\n{} of {} configurations equal, {} wrong\n", equal, names.size(), wrong));
  RDU_CHECK_OK(session.write_json({{"models", std::move(models)}, {"wrong", wrong}}));
  return wrong == 0 ? kExitOk : kExitFellShort;
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
  auto* check_command = command->add_subcommand(
      "check", "parameters, bytes and FLOPs of every model of configs/models/ against a table");
  auto expected = std::make_shared<std::string>();
  check_command->add_option(
      "--expected", *expected,
      "the table (default configs/models/expected.csv); of another one every row is checked");
  check_command->callback(
      [&session, expected] { session.body = [expected](Session& s) { return check(s, *expected); }; });

  show_command->callback([&session, name] { session.body = [name](Session& s) { return show(s, *name); }; });
}

}  // namespace rdusim::cli
