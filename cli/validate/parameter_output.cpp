#include "cli/validate/parameter_output.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace rdusim::cli {

report::Table parameter_list(const ParameterFile& file, const Sensitivities& found) {
  report::Table table{{"parameter", "value", "unit", "set how", "meaning", "from"}, {}};
  for (size_t i = 0; i < file.parameters.size(); ++i) {
    const FreeParameter& p = file.parameters[i];
    table.add({p.name, fmt::format("{:.4g}", found.values[i]), p.unit, p.how, p.meaning, p.why});
  }
  return table;
}

report::Table sensitivity_table(const ParameterFile& file, const Sensitivities& found) {
  report::Table table{{"parameter", "changed by"}, {}};
  for (size_t r = 0; r < file.results.size(); ++r) table.header.push_back(fmt::format("R{}", r + 1));
  for (size_t i = 0; i < file.parameters.size(); ++i) {
    const FreeParameter& p = file.parameters[i];
    table.add({p.name, fmt::format("{:+.3g} %", (p.factor - 1) * 100)});
    for (const double slope : found.slopes[i])
      table.rows.back().push_back(std::isnan(slope) ? "-" : fmt::format("{:+.3f}", slope));
  }
  return table;
}

std::string result_list(const ParameterFile& file) {
  std::string text;
  for (size_t r = 0; r < file.results.size(); ++r)
    text += fmt::format("{}R{}: {}", r == 0 ? "" : "; ", r + 1, file.results[r]);
  return text + "\n";
}

report::Json parameters_json(const ParameterFile& file, const Sensitivities& found) {
  report::Json json = report::Json::array();
  for (size_t i = 0; i < file.parameters.size(); ++i) {
    const FreeParameter& p = file.parameters[i];
    report::Json slopes = report::Json::object();
    for (size_t r = 0; r < file.results.size(); ++r) {
      const double slope = found.slopes[i][r];
      slopes[file.results[r]] = std::isnan(slope) ? report::Json(nullptr) : report::Json(slope);
    }
    json.push_back({{"name", p.name},
                    {"value", found.values[i]},
                    {"unit", p.unit},
                    {"meaning", p.meaning},
                    {"how", p.how},
                    {"from", p.why},
                    {"set", p.set},
                    {"sensitivity", std::move(slopes)}});
  }
  return json;
}

}  // namespace rdusim::cli
