// rdusim check: fixtures through the reference interpreter and through the simulated chip, values compared
// with the expected ones.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/chip_runner.h"
#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "cli/pipeline/cut.h"
#include "cli/pipeline/runner.h"
#include "cli/progress.h"
#include "models/fixture.h"
#include "models/onnx/fixture.h"
#include "models/onnx/model.h"
#include "report/format.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::vector<std::string> folders;
  NodeChoice node;
  std::string dtype = "both";
  std::vector<int64_t> sockets;  // empty: one and two a stage
  PipelineChoice pipeline;
  std::string fusion = "both";
  CompileChoice moe;  // how experts lie over the sockets
};

// One way to run a fixture.
struct Variant {
  bool chip = false;
  int64_t stages = 1;
  int64_t sockets = 1;  // of all stages
  std::string fusion;
  DType dtype = DType::kBf16;
  CompileChoice compile;
};

std::vector<int64_t> sockets_of(const Options& options) {
  const int64_t stages = options.pipeline.stages;
  return options.sockets.empty() ? std::vector<int64_t>{stages, 2 * stages} : options.sockets;
}

std::vector<Variant> variants(const Options& options) {
  std::vector<Variant> all;
  for (const DType dtype : {DType::kBf16, DType::kFp32}) {
    if (options.dtype != "both" && options.dtype != dtype_name(dtype)) continue;
    all.push_back({false, 1, 1, "", dtype, {}});
    for (const int64_t sockets : sockets_of(options)) {
      for (const char* fusion : {"none", "layer"}) {
        if (options.fusion != "both" && options.fusion != fusion) continue;
        CompileChoice compile = options.moe;
        compile.fusion = fusion;
        all.push_back({true, options.pipeline.stages, sockets, fusion, dtype, compile});
      }
    }
  }
  return all;
}

// Compiled for one stage, on a node of the variant's sockets.
struct ChipSetup {
  NodeSpec node;
  compiler::CompileOptions compile;
};
Result<ChipSetup> chip_setup(const Variant& variant, const ChosenNode& chosen) {
  ChipSetup setup{chosen.node, {}};
  setup.node.sockets = variant.sockets;
  RDU_ASSIGN(const int64_t of_stage, sockets_of_stage(variant.sockets, variant.stages));
  setup.compile = compile_options(variant.compile, of_stage, chosen.stack);
  return setup;
}

Result<models::FixtureReport> run_variant(const models::Fixture& fixture, const Variant& variant,
                                          const ChosenNode& chosen) {
  models::FixtureOptions options;
  options.activations = variant.dtype;
  if (!variant.chip)
    return models::check_fixture(fixture, options, models::interpreter_executor(fixture.weights));
  RDU_ASSIGN(const ChipSetup setup, chip_setup(variant, chosen));
  if (variant.stages > 1) {
    PipelineRunner runner(setup.node, chosen.stack, variant.stages, setup.compile,
                          models::WeightSource(&fixture.weights));
    return models::check_fixture(fixture, options, runner.executor());
  }
  ChipRunner runner(setup.node, chosen.stack, setup.compile, fixture.weights);
  return models::check_fixture(fixture, options, runner.executor());
}

Result<models::FixtureReport> run_onnx_variant(const models::OnnxFixture& fixture, const Variant& variant,
                                               const ChosenNode& chosen) {
  models::FixtureOptions options;
  options.activations = variant.dtype;
  if (!variant.chip) {
    return models::check_onnx_fixture(fixture, options, [](const models::WeightSource& source) {
      return models::interpreter_executor(source);
    });
  }
  RDU_ASSIGN(const ChipSetup setup, chip_setup(variant, chosen));
  std::optional<PipelineRunner> runner;  // of one set, for as long as its executor
  return models::check_onnx_fixture(fixture, options, [&](const models::WeightSource& source) {
    return runner.emplace(setup.node, chosen.stack, variant.stages, setup.compile, source).executor();
  });
}

// A fixture of either kind, and the files that it was read from.
struct AnyFixture {
  std::string name;
  std::optional<models::OnnxFixture> onnx;
  std::optional<models::Fixture> trained;
};
Result<AnyFixture> load_any(Session& session, const std::string& folder) {
  AnyFixture fixture;
  if (models::onnx_path(folder)) {
    RDU_ASSIGN(fixture.onnx, models::load_onnx_fixture(folder));
    fixture.name = fixture.onnx->name;
    for (const std::string& file : fixture.onnx->file.files()) RDU_CHECK_OK(session.record_file(file));
    return fixture;
  }
  RDU_ASSIGN(fixture.trained, models::load_fixture(folder));
  fixture.name = fixture.trained->name;
  for (const char* file : {"config.json", "expected.safetensors"})
    RDU_CHECK_OK(session.record_file(folder + "/" + file));
  for (const std::string& file : fixture.trained->weights.files()) RDU_CHECK_OK(session.record_file(file));
  return fixture;
}

report::Json report_json(const models::FixtureReport& result, const Variant& variant) {
  report::Json json;
  json["name"] = result.name;
  json["path"] = variant.chip ? "chip" : "reference";
  json["dtype"] = std::string(dtype_name(result.dtype));
  if (variant.chip) {
    json["sockets"] = variant.sockets;
    json["stages"] = variant.stages;
    json["fusion"] = variant.fusion;
    json["moe_parallel"] = variant.compile.moe_parallel;
  }
  json["max_abs_error"] = result.max_abs_error;
  json["min_cosine"] = result.min_cosine;
  json["top1_agreement"] = result.top1_agreement;
  json["compared_tensors"] = result.compared_tensors;
  json["passed"] = result.passed;
  json["failures"] = result.failures;
  return json;
}

Result<int> run(Session& session, const Options& options) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, options.node));
  Progress progress("reading fixtures", session.quiet);
  report::Table table{{"fixture", "path", "dtype", "stages", "sockets", "fusion", "max abs error",
                       "min cosine", "top-1", "result"},
                      {}};
  report::Json fixtures = report::Json::array();
  std::string failures;
  bool passed = true;
  for (const auto& folder : options.folders) {
    RDU_ASSIGN(const AnyFixture fixture, load_any(session, folder));
    for (const Variant& variant : variants(options)) {
      progress.note(fmt::format("{} {} {} {} sockets {}", fixture.name, variant.chip ? "chip" : "reference",
                                dtype_name(variant.dtype), variant.sockets, variant.fusion));
      RDU_ASSIGN(const auto result, fixture.onnx ? run_onnx_variant(*fixture.onnx, variant, chosen)
                                                 : run_variant(*fixture.trained, variant, chosen));
      table.add({result.name, variant.chip ? "chip" : "reference", std::string(dtype_name(result.dtype)),
                 variant.chip ? fmt::to_string(variant.stages) : "–",
                 variant.chip ? fmt::to_string(variant.sockets) : "–", variant.chip ? variant.fusion : "–",
                 fmt::format("{:.2e}", result.max_abs_error), fmt::format("{:.6f}", result.min_cosine),
                 report::format_percent(result.top1_agreement), result.passed ? "passed" : "FELL SHORT"});
      for (const auto& line : result.failures) failures += fmt::format("{}: {}\n", result.name, line);
      fixtures.push_back(report_json(result, variant));
      passed = passed && result.passed;
    }
  }
  session.print(report::table_text(table));
  if (!failures.empty()) session.print("\n" + failures);
  RDU_CHECK_OK(session.write_json({{"fixtures", std::move(fixtures)}}));
  return passed ? kExitOk : kExitFellShort;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("check", "compare fixtures' values: reference interpreter and simulated chip");
  command
      ->add_option(
          "FIXTURE_DIR", options->folders,
          "folders with config.json, model.safetensors, inputs, expected.safetensors; or with model.onnx "
          "and test_data_set_0")
      ->required()
      ->check(CLI::ExistingDirectory);
  add_node_options(*command, options->node);
  command
      ->add_option(
          "--dtype", options->dtype,
          "bf16: BF16 storage, FP32 accumulation; fp32: FP32 activations, within 1e-3; both (default)")
      ->check(CLI::IsMember({"bf16", "fp32", "both"}));
  add_stages_option(*command, options->pipeline);
  command
      ->add_option("--sockets", options->sockets,
                   "sockets that the chip path runs on, all stages together (default: one and two a stage)")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{64}));
  command->add_option("--fusion", options->fusion, "none, layer, or both (default)")
      ->check(CLI::IsMember({"none", "layer", "both"}));
  add_moe_parallel_options(*command, options->moe);
  command->footer(
      "Every fixture runs through the reference interpreter and, compiled, through the simulated chip, where "
      "values ride on\n"
      "the tokens of the event simulation. Exit code 1 when any of it lies outside the fixture's "
      "tolerances.\n"
      "\n"
      "With --pipeline an image encoder of fewer layers than stages takes one stage a layer.\n"
      "\n"
      "Examples:\n"
      "  rdusim check tests/fixtures/models/llama-1 tests/fixtures/models/knn-1\n"
      "  rdusim check tests/fixtures/models/*/ --dtype fp32 --sockets 1,2,4 --json -\n"
      "  rdusim check tests/fixtures/models/llama-1 --pipeline 2 --sockets 4      two stages of two sockets");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
