// JSON and terminal text of an explanation. Field names are a contract.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/explanation.h"
#include "report/format.h"

namespace rdusim::report {

Json parameters_json(const std::vector<ParameterRow>& rows) {
  Json json = Json::array();
  for (const auto& r : rows) {
    json.push_back({{"name", r.name},
                    {"unit", r.unit},
                    {"value", r.value},
                    {"elasticity", r.elasticity},
                    {"derivative_s_per_unit", r.derivative_s_per_unit},
                    {"gain_of_10_percent_s", r.gain_of_10_percent_s}});
  }
  return json;
}

Table parameter_table(const std::vector<ParameterRow>& rows) {
  Table table;
  table.header = {"parameter", "value", "unit", "elasticity", "10 % saves"};
  for (const auto& r : rows) {
    table.add({r.name, format_number(r.value), r.unit, fmt::format("{:.4f}", r.elasticity),
               format_time(r.gain_of_10_percent_s)});
  }
  return table;
}

Json explanation_json(const Explanation& e) {
  Json json;
  json["kind"] = "simulate";
  json["program"] = e.program;
  json["fidelity"] = e.fidelity;
  json["latency_s"] = e.latency_s;
  json["cycles"] = e.cycles;
  json["clock_hz"] = e.clock_hz;
  json["bottleneck"] = e.bottleneck;
  json["sentences"] = e.sentences;
  json["stalls"] = e.stalls;
  json["resources"] = Json::array();
  for (const auto& r : e.resources) {
    json["resources"].push_back(
        {{"resource", r.resource}, {"cycles", r.cycles}, {"time_s", r.time_s}, {"share", r.share}});
  }
  json["path"] = Json::array();
  for (const auto& r : e.path) {
    json["path"].push_back({{"section", r.section},
                            {"unit", r.unit},
                            {"step", r.step},
                            {"resource", r.resource},
                            {"cycles", r.cycles},
                            {"time_s", r.time_s},
                            {"share", r.share}});
  }
  json["parameters"] = parameters_json(e.parameters);
  json["bounds"] = Json::array();
  for (const auto& r : e.bounds) {
    json["bounds"].push_back(
        {{"name", r.name}, {"time_s", r.time_s}, {"share_of_reached", r.share_of_reached}});
  }
  return json;
}

std::string explanation_text(const Explanation& e) {
  std::string text;
  for (const auto& sentence : e.sentences) text += sentence + "\n";
  Table resources;
  resources.header = {"resource", "time", "share"};
  for (const auto& r : e.resources)
    resources.add({r.resource, format_time(r.time_s), format_percent(r.share)});
  Table path;
  path.header = {"section", "step", "unit", "time", "share"};
  for (const auto& r : e.path) {
    if (std::abs(r.share) < 0.01) continue;  // the JSON has all
    path.add({r.section, r.step, r.unit, format_time(r.time_s), format_percent(r.share)});
  }
  Table bounds;
  bounds.header = {"bound", "time", "of what is reached"};
  for (const auto& r : e.bounds)
    bounds.add({r.name, format_time(r.time_s), format_percent(r.share_of_reached)});
  text += "\n" + table_text(resources) + "\ncritical path, parts of 1 % and more:\n" + table_text(path) +
          "\n" + table_text(parameter_table(e.parameters)) + "\n" + table_text(bounds) +
          "\nwho waits most:\n";
  for (const auto& stall : e.stalls) text += "  " + stall + "\n";
  return text;
}

}  // namespace rdusim::report
