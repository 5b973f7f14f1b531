// rdusim router train|eval: fit the k-NN router of a composition, and say how well it routes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "report/format.h"
#include "report/table.h"
#include "runtime/composition.h"
#include "runtime/router/eval.h"
#include "runtime/router/router.h"
#include "runtime/router/train.h"

namespace rdusim::cli {
namespace {

using report::format_number;
using report::format_percent;

struct DataChoice {
  std::string rows;
  std::string embeddings;  // .npy or safetensors instead of the built-in embedder
};

struct TrainOptions {
  std::string composition;  // empty: a class a label
  DataChoice train;
  DataChoice validation;
  std::string output;
};

struct EvalOptions {
  std::string router;
  DataChoice data;
};

Result<runtime::LabelledSet> load_set(Session& session, const DataChoice& choice) {
  runtime::LabelledSet set;
  set.name = choice.rows;
  RDU_ASSIGN(set.rows, runtime::read_labelled_prompts(choice.rows));
  RDU_CHECK_OK(session.record_file(choice.rows));
  if (choice.embeddings.empty()) return set;
  RDU_ASSIGN(set.embeddings, runtime::read_embeddings(choice.embeddings));
  RDU_CHECK_OK(session.record_file(choice.embeddings));
  return set;
}

report::Json evaluation_json(const runtime::RouterEvaluation& result, const runtime::Router& router) {
  report::Json json;
  json["k"] = router.k;
  json["entropy_threshold_nats"] = router.entropy_threshold_nats;
  json["rows"] = result.rows;
  json["accuracy"] = result.accuracy;
  json["accuracy_without_fallback"] = result.accuracy_without_fallback;
  json["fallback_rate"] = result.fallback_rate;
  json["fallback_rate_known"] = result.fallback_rate_known;
  json["fallback_rate_unknown"] = result.fallback_rate_unknown;
  json["per_label"] = report::Json::object();
  for (const auto& label : result.per_label) {
    json["per_label"][label.label] = {{"accuracy", label.accuracy},
                                      {"fallback_rate", label.fallback_rate},
                                      {"n", label.rows},
                                      {"known", label.known}};
  }
  json["auroc_unknown"] =
      result.auroc_unknown.has_value() ? report::Json(*result.auroc_unknown) : report::Json(nullptr);
  json["entropy_histogram"] = {{"edges_nats", result.entropy.edges_nats},
                               {"known", result.entropy.known},
                               {"unknown", result.entropy.unknown}};
  return json;
}

// A bar of up to 30 characters.
std::string bar(int64_t count, int64_t most) {
  std::string text;
  for (int64_t i = 0; i < (most == 0 ? 0 : (count * 30 + most - 1) / most); ++i) text += "#";
  return text;
}

void print_evaluation(const Session& session, const runtime::RouterEvaluation& result,
                      const runtime::Router& router) {
  report::Table labels{{"label", "known", "rows", "accuracy", "falls back"}, {}};
  for (const auto& label : result.per_label) {
    labels.add({label.label, label.known ? "yes" : "no", fmt::to_string(label.rows),
                format_percent(label.accuracy), format_percent(label.fallback_rate)});
  }
  session.print(report::table_text(labels));
  session.print(
      fmt::format("\nk = {}, T = {} nats: accuracy {} of the known rows ({} before fall-back), {} of the "
                  "known and {} of the\n"
                  "unknown rows fall back{}\n",
                  router.k, format_number(router.entropy_threshold_nats), format_percent(result.accuracy),
                  format_percent(result.accuracy_without_fallback),
                  format_percent(result.fallback_rate_known), format_percent(result.fallback_rate_unknown),
                  result.auroc_unknown ? ", AUROC unknown " + fmt::format("{:.3f}", *result.auroc_unknown)
                                       : std::string()));

  const auto& histogram = result.entropy;
  report::Table bins{{"entropy (nats)", "known", "unknown", "", ""}, {}};
  int64_t most = 0;
  for (size_t b = 0; b < histogram.known.size(); ++b)
    most = std::max({most, histogram.known[b], histogram.unknown[b]});
  for (size_t b = 0; b < histogram.known.size(); ++b) {
    bins.add({fmt::format("{:.2f}–{:.2f}", histogram.edges_nats[b], histogram.edges_nats[b + 1]),
              fmt::to_string(histogram.known[b]), fmt::to_string(histogram.unknown[b]),
              "k " + bar(histogram.known[b], most), "u " + bar(histogram.unknown[b], most)});
  }
  session.print("\n" + report::table_text(bins));
}

Result<int> train(Session& session, const TrainOptions& options) {
  runtime::RouterTrainingOptions training;
  training.embedder.seed = session.seed;
  RDU_ASSIGN(const auto train_set, load_set(session, options.train));
  RDU_ASSIGN(const auto validation_set, load_set(session, options.validation));
  if (options.composition.empty()) {
    training.classes = runtime::classes_of_labels(train_set.rows);
  } else {
    RDU_ASSIGN(const auto composition, runtime::load_composition(session.config, options.composition));
    RDU_CHECK_OK(check_overrides_used(session.config));
    training.classes = runtime::router_classes(composition);
    training.fall_back = !composition.base_expert.empty();
    if (!composition.router.knn.k_grid.empty()) training.k_grid = composition.router.knn.k_grid;
    if (composition.router.kind == "knn") {
      training.max_detection_loss = composition.router.knn.max_detection_loss;
      RDU_ASSIGN(training.weighting, runtime::parse_weighting(composition.router.knn.weighting));
    }
  }
  const Progress progress("training the router", session.quiet);
  RDU_ASSIGN(const auto trained, runtime::train_router(train_set, validation_set, training));
  RDU_ASSIGN(const auto evaluation, runtime::evaluate_router(trained.router, validation_set));

  report::Table trials{{"k", "accuracy of the vote"}, {}};
  for (const auto& trial : trained.k_trials)
    trials.add({fmt::to_string(trial.k), fmt::format("{:.4f}", trial.accuracy)});
  session.print(report::table_text(trials));
  session.print(fmt::format("\n{} stored vectors of {} dimensions; on the validation rows:\n\n",
                            trained.stored_vectors, trained.router.index.dimensions()));
  print_evaluation(session, evaluation, trained.router);
  RDU_CHECK_OK(runtime::save_router(trained.router, options.output));
  session.print(fmt::format("\nsaved {}\n", options.output));
  report::Json json = evaluation_json(evaluation, trained.router);
  json["stored_vectors"] = trained.stored_vectors;
  json["detection_rate"] = trained.detection_rate;
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

Result<int> evaluate(Session& session, const EvalOptions& options) {
  const Progress progress("routing", session.quiet);
  RDU_ASSIGN(const auto router, runtime::load_router(options.router));
  RDU_CHECK_OK(session.record_file(options.router));
  RDU_ASSIGN(const auto set, load_set(session, options.data));
  RDU_ASSIGN(const auto evaluation, runtime::evaluate_router(router, set));
  print_evaluation(session, evaluation, router);
  RDU_CHECK_OK(session.write_json(evaluation_json(evaluation, router)));
  return kExitOk;
}

void add_data_options(CLI::App& command, DataChoice& choice, const std::string& name,
                      const std::string& what) {
  command.add_option("--" + name, choice.rows, what + ": JSON lines with label and text")
      ->required()
      ->type_name("FILE");
  const std::string option = name == "data" ? "--embeddings" : "--" + name + "-embeddings";
  command
      .add_option(option, choice.embeddings,
                  "its vectors, .npy or safetensors, instead of the built-in embedder")
      ->type_name("FILE");
}

}  // namespace

void add_router(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("router", "train or evaluate the k-NN router of a composition");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  rdusim router train --train train.jsonl --validation validation.jsonl -o out/router.bin\n"
      "  rdusim router eval --router out/router.bin --data configs/prompts/demo.jsonl");

  auto training = std::make_shared<TrainOptions>();
  auto* train_command =
      command->add_subcommand("train", "embed, choose k and the entropy threshold T, save the router");
  add_data_options(*train_command, training->train, "train", "rows that are stored");
  add_data_options(*train_command, training->validation, "validation", "rows that k and T are chosen on");
  train_command->add_option(
      "--composition", training->composition,
      "experts and the labels they serve; labels that none serves are unknown (default: a class a label)");
  train_command->add_option("-o,--output", training->output, "the router")->required()->type_name("FILE");
  train_command->footer(
      "k and T: on the validation rows, the largest share of unknown rows that fall back to the base expert, "
      "while the\n"
      "detection of known rows loses at most the composition's max_detection_loss. Rows of labels that no "
      "expert serves\n"
      "are the unknown ones.\n"
      "\n"
      "Example:\n"
      "  rdusim router train --composition samba-coe-v0.3 --train train.jsonl --validation validation.jsonl "
      "-o out/router.bin");
  train_command->callback(
      [&session, training] { session.body = [training](Session& s) { return train(s, *training); }; });

  auto evaluation = std::make_shared<EvalOptions>();
  auto* eval_command = command->add_subcommand("eval", "accuracy and fall-back by label, entropy histogram");
  eval_command->add_option("--router", evaluation->router, "a file of rdusim router train")
      ->required()
      ->type_name("FILE");
  add_data_options(*eval_command, evaluation->data, "data", "labelled rows");
  eval_command->footer(
      "Example:\n  rdusim router eval --router out/router.bin --data configs/prompts/demo.jsonl");
  eval_command->callback([&session, evaluation] {
    session.body = [evaluation](Session& s) { return evaluate(s, *evaluation); };
  });
}

}  // namespace rdusim::cli
