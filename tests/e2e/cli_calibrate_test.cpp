// Calibration and free parameters: the fit finds again what it is given, and the validation page is what the
// commands write.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

// From values far off, the fit must come to the same optimum as from those in configs/, and be better than
// the start.
TEST(CliCalibrateSlow, TheFitDoesNotDependOnWhereItStarts) {
  const auto near = Scratch().run("calibrate --json - -q");
  ASSERT_EQ(near.code, 0) << near.err;
  const auto far = Scratch().run(
      "calibrate --set node.stacks.2024-early.hardware_launch_s=40e-6 --set gpu_node.request_s=5e-3 --json - "
      "-q");
  ASSERT_EQ(far.code, 0) << far.err;
  const auto a = near.json();
  const auto b = far.json();
  EXPECT_LE(a["parameters"].size(), 6U) << "at most six fitted parameters";
  EXPECT_EQ(a["points"].size(), 12U);
  EXPECT_GT(b["rms_configs_percent"].get<double>(), 2 * b["rms_fitted_percent"].get<double>());
  EXPECT_NEAR(a["rms_fitted_percent"].get<double>(), b["rms_fitted_percent"].get<double>(), 0.02);
  EXPECT_GE(a["rms_left_out_percent"].get<double>(), a["rms_fitted_percent"].get<double>());
  for (size_t j = 0; j < a["parameters"].size(); ++j) {
    const double fitted = a["parameters"][j]["fitted"].get<double>();
    EXPECT_NEAR(b["parameters"][j]["fitted"].get<double>(), fitted, 0.02 * fitted)
        << a["parameters"][j].dump();
  }
}

// The values in configs/ are those of the fit, as far as they are printed there.
TEST(CliCalibrateSlow, ConfigsHoldTheFit) {
  const auto run = Scratch().run("calibrate --json - -q");
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = run.json();
  EXPECT_LE(json["rms_configs_percent"].get<double>(), json["rms_fitted_percent"].get<double>() + 0.25);
}

TEST(CliCalibrate, TooFewPointsIsBadInput) {
  const Scratch scratch;
  scratch.write("p.yaml",
                "parameters:\n"
                "  - {name: a, file: nodes/dgx-a100.yaml, key: request_s, set: gpu_node.request_s, unit: s, "
                "meaning: m,\n"
                "     how: fitted, why: w, low: 1e-3, high: 1}\n"
                "calibration_points: [chip/nothing]\nresults: []\n");
  const CommandRun run = scratch.run("calibrate p.yaml -q");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("0 points for 1 parameters"), std::string::npos) << run.err;
}

TEST(CliValidatePageSlow, ThePageIsWhatTheCommandsWrite) {
  const Scratch scratch;
  const std::string page = test::read_all(std::string(RDUSIM_SOURCE_DIR) + "/docs/validation.md");
  scratch.write("page.md", page);
  const bool all_pass = page.find("FALLS SHORT") == std::string::npos;
  EXPECT_EQ(scratch.run("validate --markdown page.md -q").code, all_pass ? 0 : 1);
  EXPECT_EQ(scratch.run("validate --parameters --markdown page.md -q").code, 0);
  EXPECT_EQ(scratch.run("calibrate --markdown page.md -q").code, 0);
  EXPECT_EQ(test::read_all(scratch.path("page.md")), page)
      << "regenerate docs/validation.md (its head says how)";
}

}  // namespace
}  // namespace rdusim
