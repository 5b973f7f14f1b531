// rdusim generate: greedy decoding with a KV cache, every token computed on the simulated chip.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/io/tensor_file.h"
#include "cli/chip_runner.h"
#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "report/format.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string folder;
  NodeChoice node;
  CompileChoice compile;
  std::vector<int64_t> prompt;
  int64_t tokens = 0;
  int64_t sockets = 1;
  std::string dtype = "bf16";
};

struct Generation {
  std::vector<int64_t> ids;
  std::vector<double> pass_times_s;  // prefill, then one a decode step
};

Tensor column_of(const std::vector<int64_t>& ids) {
  Tensor tensor(static_cast<int64_t>(ids.size()), 1);
  std::transform(ids.begin(), ids.end(), tensor.values.begin(),
                 [](int64_t id) { return static_cast<float>(id); });
  return tensor;
}

// Row numbers of the embedding table: an id beyond it names no token.
Status check_ids(const compiler::Graph& graph, const std::vector<int64_t>& ids) {
  for (const auto& node : graph.nodes) {
    if (node.op != compiler::OpKind::kEmbedding) continue;
    const int64_t vocabulary = graph.value(node.inputs[1]).shape.rows();
    for (const int64_t id : ids) {
      if (id < vocabulary) continue;
      return Error{ErrorCode::kOutOfRange, fmt::format("--prompt-ids {}", id),
                   fmt::format("the vocabulary has {} tokens", vocabulary),
                   fmt::format("the largest id is {}", vocabulary - 1)};
    }
  }
  return {};
}

// Most likely token of the last row; ties go to the lowest id.
int64_t argmax_of_last_row(const Tensor& logits) {
  const auto begin = logits.values.end() - logits.cols();
  return std::max_element(begin, logits.values.end()) - begin;
}

Result<Generation> generate(ChipRunner& runner, const models::Model& model, const Options& options,
                            Progress& progress) {
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.query_tokens = static_cast<int64_t>(options.prompt.size());
  request.kv_capacity = request.query_tokens + options.tokens;
  request.activations = options.dtype == "fp32" ? DType::kFp32 : DType::kBf16;
  models::TensorMap caches;
  Generation generation;
  Tensor input = column_of(options.prompt);
  for (int64_t step = 0; step < options.tokens; ++step) {
    progress.note(fmt::format("token {} of {}", step + 1, options.tokens));
    RDU_ASSIGN(const auto graph, model.build(request));
    RDU_CHECK_OK(check_ids(graph, options.prompt));
    RDU_ASSIGN(const ChipRun run, runner.run(graph, {{"token_ids", input}}, caches));
    const auto logits = run.outputs.find("logits");
    if (logits == run.outputs.end()) {
      return Error{ErrorCode::kUnsupported, options.folder, "the model has no logits",
                   "an embedding model generates no tokens"};
    }
    generation.ids.push_back(argmax_of_last_row(logits->second));
    generation.pass_times_s.push_back(run.result.latency_s());
    input = column_of({generation.ids.back()});
    request.past_tokens += request.query_tokens;
    request.query_tokens = 1;
    request.phase = models::Phase::kDecode;
  }
  return generation;
}

Result<int> run(Session& session, const Options& options) {
  RDU_ASSIGN(auto chosen, load_chosen_node(session, options.node));
  RDU_ASSIGN(const auto model, load_chosen_model(session, options.folder));
  if (!model->supports(models::Phase::kDecode)) {
    return Error{ErrorCode::kUnsupported, options.folder,
                 fmt::format("family {} does not decode", model->family()),
                 "generate needs a causal language model"};
  }
  RDU_ASSIGN(const auto weights, SafetensorsFile::open_model(options.folder));
  for (const std::string& file : weights.files()) RDU_CHECK_OK(session.record_file(file));
  chosen.node.sockets = options.sockets;
  ChipRunner runner(chosen.node, chosen.stack,
                    compile_options(options.compile, options.sockets, chosen.stack), weights);
  Progress progress("generating", session.quiet);
  RDU_ASSIGN(const Generation generation, generate(runner, *model, options, progress));

  double decode_s = 0;
  for (size_t i = 1; i < generation.pass_times_s.size(); ++i) decode_s += generation.pass_times_s[i];
  const double prefill_s = generation.pass_times_s.front();
  session.print(fmt::format("{}\n", fmt::join(generation.ids, ",")));
  session.print(fmt::format("simulated: prefill {}, {} decode steps {}\n", report::format_time(prefill_s),
                            generation.pass_times_s.size() - 1, report::format_time(decode_s)));
  report::Json json;
  json["prompt_ids"] = options.prompt;
  json["ids"] = generation.ids;
  json["prefill_s"] = prefill_s;
  json["decode_s"] = decode_s;
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

}  // namespace

void add_generate(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("generate", "greedy decoding with real weights on the simulated chip");
  command
      ->add_option("MODEL_DIR", options->folder,
                   "folder with config.json and model.safetensors, or its shards with their index")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--prompt-ids", options->prompt, "token ids of the prompt, separated by commas")
      ->required()
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->type_name("ID,ID,...");
  command->add_option("--tokens", options->tokens, "tokens to generate")
      ->required()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--sockets", options->sockets, "sockets, tensor parallel (default 1)")
      ->check(CLI::Range(1, 64));
  command->add_option("--dtype", options->dtype, "activations (default bf16)")
      ->check(CLI::IsMember({"bf16", "fp32"}));
  add_node_options(*command, options->node);
  add_compile_options(*command, options->compile);
  command->footer("Example:\n  rdusim generate tests/fixtures/models/llama-1 --prompt-ids 1,2,3 --tokens 5");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
