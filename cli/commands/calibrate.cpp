// rdusim calibrate: the fitted parameters, fitted again to the published points that they are declared for.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/validate/calibration.h"
#include "cli/validate/markdown.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string file;
  std::string markdown;
};

double percent(double value, double of) {
  return (value / of - 1) * 100;
}

report::Table parameter_table(const Calibration& fit) {
  report::Table table{{"parameter", "in configs", "fitted", "change %", "unit", "bounds"}, {}};
  for (size_t j = 0; j < fit.parameters.size(); ++j) {
    const FreeParameter& p = fit.parameters[j];
    table.add({p.name, fmt::format("{:.4g}", fit.configs[j]), fmt::format("{:.4g}", fit.fitted[j]),
               fmt::format("{:+.1f}", percent(fit.fitted[j], fit.configs[j])), p.unit,
               fmt::format("{:.3g} to {:.3g}", p.low, p.high)});
  }
  return table;
}

report::Table point_table(const Calibration& fit) {
  report::Table table{{"point", "published", "with configs", "fitted", "error %", "left out: error %"}, {}};
  for (const FreeParameter& p : fit.parameters) table.header.push_back("hangs on " + p.name);
  for (const CalibrationPoint& point : fit.points) {
    table.add({point.what, fmt::format("{:.4g}", point.published), fmt::format("{:.4g}", point.with_configs),
               fmt::format("{:.4g}", point.fitted),
               fmt::format("{:+.1f}", percent(point.fitted, point.published)),
               fmt::format("{:+.1f}", percent(point.left_out, point.published))});
    for (const double slope : point.slopes) table.rows.back().push_back(fmt::format("{:+.2f}", slope));
  }
  return table;
}

std::string summary(const Calibration& fit) {
  return fmt::format(
      "{} parameters on {} points, {} steps: root mean square error {:.2f} % with the values in configs, "
      "{:.2f} % "
      "fitted, {:.2f} % of points left out of the fit\n",
      fit.parameters.size(), fit.points.size(), fit.steps, fit.rms_configs_percent, fit.rms_fitted_percent,
      fit.rms_left_out_percent);
}

report::Json fit_json(const Calibration& fit) {
  report::Json parameters = report::Json::array();
  for (size_t j = 0; j < fit.parameters.size(); ++j) {
    const FreeParameter& p = fit.parameters[j];
    parameters.push_back({{"name", p.name},
                          {"set", p.set},
                          {"unit", p.unit},
                          {"meaning", p.meaning},
                          {"in_configs", fit.configs[j]},
                          {"fitted", fit.fitted[j]},
                          {"low", p.low},
                          {"high", p.high}});
  }
  report::Json points = report::Json::array();
  for (const CalibrationPoint& point : fit.points) {
    report::Json slopes = report::Json::object();
    for (size_t j = 0; j < fit.parameters.size(); ++j) slopes[fit.parameters[j].name] = point.slopes[j];
    points.push_back({{"id", point.id},
                      {"published", point.published},
                      {"with_configs", point.with_configs},
                      {"fitted", point.fitted},
                      {"left_out", point.left_out},
                      {"sensitivity", std::move(slopes)}});
  }
  return {{"parameters", std::move(parameters)},
          {"points", std::move(points)},
          {"steps", fit.steps},
          {"rms_configs_percent", fit.rms_configs_percent},
          {"rms_fitted_percent", fit.rms_fitted_percent},
          {"rms_left_out_percent", fit.rms_left_out_percent}};
}

Result<int> run(Session& session, const Options& options) {
  Progress progress("calibrating", session.quiet);
  ValidationContext context{session, progress, ""};
  RDU_ASSIGN(const ParameterFile file, load_parameters(session, options.file));
  RDU_ASSIGN(const Calibration fit, calibrate(context, file));
  session.print(report::table_text(parameter_table(fit)) + "\n" + report::table_text(point_table(fit)) +
                "\n" + summary(fit));
  if (!options.markdown.empty()) {
    RDU_CHECK_OK(update_page(options.markdown,
                             {{"calibration", markdown_table(parameter_table(fit)) + "\n" +
                                                  markdown_table(point_table(fit)) + "\n" + summary(fit)}}));
  }
  RDU_CHECK_OK(session.write_json(fit_json(fit)));
  return kExitOk;
}

}  // namespace

void add_calibrate(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("calibrate", "fit the few fitted parameters to their published points again");
  command->add_option("FILE", options->file, "parameters and points (default: configs/parameters.yaml)")
      ->type_name("FILE");
  command
      ->add_option("--markdown", options->markdown,
                   "write the tables into this page's block `calibration` too")
      ->type_name("FILE");
  command->footer(
      "Prints the fitted values beside those in configs/, which it does not change; the error of each point, "
      "and its "
      "error had it been left out of the fit; and how much each point hangs on each parameter, as d "
      "ln(point) / d "
      "ln(parameter).\n"
      "\n"
      "Examples:\n"
      "  rdusim calibrate\n"
      "  rdusim calibrate --json out/fit.json");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
