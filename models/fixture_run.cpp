// Running a fixture: which graphs with which inputs, and the results under the names of the expected tensors.
// See fixture.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compiler/graph/interpreter.h"
#include "models/fixture.h"
#include "models/image.h"

namespace rdusim::models {
namespace {

void append_rows(Tensor& target, const Tensor& rows, int64_t first, int64_t count) {
  const auto begin = rows.values.begin() + first * rows.cols();
  target.values.insert(target.values.end(), begin, begin + count * rows.cols());
  target.shape = Shape{{target.shape.dims.empty() ? count : target.rows() + count, rows.cols()}};
}

// Of a tensor that may not be there.
int64_t rows_present(const Tensor& tensor) {
  return tensor.values.empty() ? 0 : tensor.rows();
}

void append_all(Tensor& target, const Tensor& rows) {
  append_rows(target, rows, 0, rows.rows());
}

Tensor unit_rows(Tensor rows) {
  for (int64_t r = 0; r < rows.rows(); ++r) {
    double squares = 0;
    for (int64_t c = 0; c < rows.cols(); ++c)
      squares += static_cast<double>(rows.at(r, c)) * static_cast<double>(rows.at(r, c));
    const double norm = std::sqrt(squares);
    for (int64_t c = 0; c < rows.cols() && norm > 0; ++c) {
      rows.at(r, c) = static_cast<float>(static_cast<double>(rows.at(r, c)) / norm);
    }
  }
  return rows;
}

Tensor pairwise_products(const Tensor& rows) {
  Tensor result(rows.rows(), rows.rows());
  for (int64_t a = 0; a < rows.rows(); ++a) {
    for (int64_t b = 0; b < rows.rows(); ++b) {
      double dot = 0;
      for (int64_t c = 0; c < rows.cols(); ++c)
        dot += static_cast<double>(rows.at(a, c)) * static_cast<double>(rows.at(b, c));
      result.at(a, b) = static_cast<float>(dot);
    }
  }
  return result;
}

class FixtureRunner {
 public:
  FixtureRunner(const Fixture& fixture, const FixtureOptions& options, const GraphExecutor& execute)
      : fixture_(fixture), options_(options), execute_(execute), weights_(stored_weights(fixture.weights)) {}

  // Weights keep the type they are stored in, where it is wider than BF16 or another kind of 16 bits.
  static DType stored_weights(const SafetensorsFile& file) {
    bool halves = false;
    for (const TensorEntry& entry : file.entries()) {
      if (entry.stored_type == "F32") return DType::kFp32;
      halves = halves || entry.stored_type == "F16";
    }
    return halves ? DType::kFp16 : DType::kBf16;
  }

  Result<TensorMap> run() {
    if (fixture_.model->supports(Phase::kRoute)) {
      RDU_CHECK_OK(run_router());
      return std::move(results_);
    }
    if (fixture_.model->family() == "clip") {
      RDU_CHECK_OK(run_clip());
      return std::move(results_);
    }
    if (fixture_.model->supports(Phase::kEncode)) RDU_CHECK_OK(run_encoder());
    const bool embeds = fixture_.model->supports(Phase::kEmbed);
    for (size_t s = 0; s < fixture_.prompts.size(); ++s)
      RDU_CHECK_OK(embeds ? run_embedding(s) : run_causal(s));
    stack_medusa();
    if (embeds) results_["cosine"] = pairwise_products(results_.at("embeddings"));
    return std::move(results_);
  }

 private:
  GraphRequest request(Phase phase, int64_t query_tokens, int64_t past_tokens) const {
    GraphRequest wanted;
    wanted.phase = phase;
    wanted.query_tokens = query_tokens;
    wanted.past_tokens = past_tokens;
    wanted.activations = options_.activations;
    wanted.weights = weights_;
    wanted.all_logits = true;
    wanted.expose_hidden = options_.expose_hidden;
    return wanted;
  }

  // Builds and executes; every output of the graph must come back.
  Result<TensorMap> execute(const GraphRequest& wanted, const TensorMap& inputs, TensorMap& kv) const {
    RDU_ASSIGN(const compiler::Graph graph, fixture_.model->build(wanted));
    RDU_ASSIGN(TensorMap outputs, execute_(graph, inputs, kv));
    for (const compiler::Value& value : graph.values) {
      if (value.role != SymbolRole::kOutput) continue;
      const auto found = outputs.find(value.name);
      if (found == outputs.end() || found->second.rows() != value.shape.rows() ||
          found->second.cols() != value.shape.cols()) {
        return Error{ErrorCode::kInvalidInput, fmt::format("fixture {}, graph {}", fixture_.name, graph.name),
                     fmt::format("output {} was not returned, or in another shape", value.name), ""};
      }
    }
    return outputs;
  }

  static TensorMap token_input(const std::vector<int64_t>& ids) {
    Tensor tokens(static_cast<int64_t>(ids.size()), 1);
    std::transform(ids.begin(), ids.end(), tokens.values.begin(),
                   [](int64_t id) { return static_cast<float>(id); });
    return {{"token_ids", std::move(tokens)}};
  }

  // Last rows of the layer outputs and of the final norm, stacked.
  void collect_last_position(const TensorMap& outputs, const std::string& name) {
    Tensor& stacked = results_[name];
    // The Hugging Face class of Mamba lists every layer's output and not the first one's input.
    const int64_t first = fixture_.model->family() == "mamba" ? 1 : 0;
    for (int64_t layer = 0; layer < fixture_.model->layers(); ++layer) {
      const Tensor& hidden = outputs.at(fmt::format("layer_hidden.{}", layer + first));
      append_rows(stacked, hidden, hidden.rows() - 1, 1);
    }
    const Tensor& last = outputs.at("last_hidden");
    append_rows(stacked, last, last.rows() - 1, 1);
  }

  Status run_causal(size_t sequence) {
    const std::string prefix = fmt::format("seq{}.", sequence);
    const std::vector<int64_t>& prompt = fixture_.prompts[sequence];
    const auto tokens = static_cast<int64_t>(prompt.size());
    const auto greedy = fixture_.expected.find(prefix + "greedy_ids");
    if (fixture_.decode_steps > 0 &&
        (greedy == fixture_.expected.end() || greedy->second.cols() < fixture_.decode_steps)) {
      return Error{ErrorCode::kInvalidInput, fmt::format("fixture {}", fixture_.name),
                   fmt::format("{}greedy_ids has fewer ids than decode steps", prefix), ""};
    }
    TensorMap kv = cross_;
    GraphRequest wanted = request(Phase::kPrefill, tokens, 0);
    const bool pictured = rows_present(features_) > 0 && fixture_.image_token >= 0;
    wanted.context_rows = pictured ? features_.rows() : rows_present(fixture_.patches);
    TensorMap prompt_inputs = token_input(prompt);
    if (pictured) add_image_inputs(prompt, prompt_inputs);
    wanted.kv_capacity = tokens + fixture_.decode_steps;
    RDU_ASSIGN(TensorMap prefill, execute(wanted, prompt_inputs, kv));
    append_all(results_[prefix + "prompt_logits"], prefill.at("logits"));
    collect_medusa(prefill, prefix);
    if (options_.expose_hidden) {
      append_all(results_[prefix + "last_hidden"], prefill.at("last_hidden"));
      collect_last_position(prefill, prefix + "layer_hidden_lastpos");
    }
    for (int64_t step = 0; step < fixture_.decode_steps; ++step) {
      GraphRequest next = request(Phase::kDecode, 1, tokens + step);
      next.kv_capacity = wanted.kv_capacity;
      next.context_rows = rows_present(fixture_.patches);
      const auto id = static_cast<int64_t>(greedy->second.at(0, step));
      RDU_ASSIGN(TensorMap decoded, execute(next, token_input({id}), kv));
      append_all(results_[prefix + "decode_logits"], decoded.at("logits"));
      collect_medusa(decoded, prefix);
      if (options_.expose_hidden) append_all(results_[prefix + "last_hidden"], decoded.at("last_hidden"));
    }
    return {};
  }

  // Image tokens take the features in order; each image's features begin with its class row, which none
  // takes.
  void add_image_inputs(const std::vector<int64_t>& prompt, TensorMap& inputs) const {
    const int64_t images = fixture_.pixels.shape.dims.front();
    const int64_t rows = features_.rows() / images;
    Tensor index(static_cast<int64_t>(prompt.size()), 1);
    int64_t taken = 0;
    for (size_t i = 0; i < prompt.size(); ++i) {
      index.values[i] = -1;
      if (prompt[i] != fixture_.image_token) continue;
      index.values[i] = static_cast<float>(taken / (rows - 1) * rows + 1 + taken % (rows - 1));
      ++taken;
    }
    inputs["image_index"] = std::move(index);
    inputs["image_features"] = features_;
  }

  // Image features, or encoder states and the cross-attention's keys and values.
  Status run_encoder() {
    TensorMap none;
    TensorMap inputs;
    GraphRequest wanted = request(Phase::kEncode, std::max<int64_t>(1, fixture_.patches.rows()), 0);
    if (fixture_.patches.values.empty()) {
      wanted.batch = fixture_.pixels.shape.dims.front();
      RDU_ASSIGN(inputs["patches"], patch_rows(fixture_.pixels, fixture_.patch_size));
      RDU_ASSIGN(TensorMap outputs, execute(wanted, inputs, none));
      features_ = outputs.at("image_features");
      const int64_t rows = features_.rows() / wanted.batch;
      for (int64_t image = 0; image < wanted.batch; ++image)
        append_rows(results_["image_features"], features_, image * rows + 1, rows - 1);
      return {};
    }
    const Tensor& all = fixture_.patches;
    inputs["patches"] = Tensor(all.rows(), all.cols() - 2);
    inputs["row_ids"] = inputs["column_ids"] = Tensor(all.rows(), 1);
    for (int64_t r = 0; r < all.rows(); ++r) {
      inputs["row_ids"].at(r, 0) = all.at(r, 0);
      inputs["column_ids"].at(r, 0) = all.at(r, 1);
      for (int64_t c = 2; c < all.cols(); ++c) inputs["patches"].at(r, c - 2) = all.at(r, c);
    }
    RDU_ASSIGN(TensorMap outputs, execute(wanted, inputs, none));
    for (auto& [name, tensor] : outputs) {
      if (name.starts_with("cross_")) cross_[name] = std::move(tensor);
    }
    if (!options_.expose_hidden) return {};
    // Rows of padding are not computed; they stand for what is not compared.
    Tensor& hidden = results_["encoder_last_hidden"];
    hidden = fixture_.expected.at("encoder_last_hidden");
    std::copy(outputs.at("encoder_last_hidden").values.begin(),
              outputs.at("encoder_last_hidden").values.end(), hidden.values.begin());
    return {};
  }

  Status run_clip() {
    TensorMap none;
    TensorMap inputs;
    GraphRequest wanted = request(Phase::kEncode, 1, 0);
    wanted.batch = fixture_.pixels.shape.dims.front();
    RDU_ASSIGN(inputs["patches"], patch_rows(fixture_.pixels, fixture_.patch_size));
    RDU_ASSIGN(TensorMap outputs, execute(wanted, inputs, none));
    const auto take = [&](const std::string& name, const std::string& as) {
      if (fixture_.expected.contains(as)) append_all(results_[as], outputs.at(name));
    };
    take(fmt::format("layer_hidden.{}", fixture_.model->layers()), "vision_last_hidden");
    take("image_projection", "image_projection");
    take("image_embeds", "image_embeds");
    if (options_.expose_hidden) {
      take(fmt::format("layer_hidden.{}", fixture_.model->layers() - 1), "vision_hidden_minus2");
      take("vision_pooled", "vision_pooled");
    }
    for (size_t s = 0; s < fixture_.prompts.size(); ++s) {
      const std::vector<int64_t>& text = fixture_.prompts[s];
      const auto length = static_cast<int64_t>(text.size());
      RDU_ASSIGN(outputs, execute(request(Phase::kEmbed, length, 0), token_input(text), none));
      take("text_projection", "text_projection");
      take("text_embeds", "text_embeds");
      if (options_.expose_hidden) take("text_last_hidden", fmt::format("seq{}.text_last_hidden", s));
    }
    if (fixture_.prompts.empty()) return {};
    const Tensor& images = results_.at("image_embeds");
    const Tensor& texts = results_.at("text_embeds");
    Tensor& logits = results_["logits_per_image"] = Tensor(images.rows(), texts.rows());
    for (int64_t i = 0; i < images.rows(); ++i) {
      for (int64_t t = 0; t < texts.rows(); ++t) {
        double dot = 0;
        for (int64_t c = 0; c < images.cols(); ++c)
          dot += static_cast<double>(images.at(i, c)) * static_cast<double>(texts.at(t, c));
        logits.at(i, t) = static_cast<float>(std::exp(fixture_.logit_scale) * dot);
      }
    }
    return {};
  }

  // Rows of "medusa_logits.<head>" follow those of the logits.
  void collect_medusa(const TensorMap& outputs, const std::string& prefix) {
    for (int64_t head = 0;; ++head) {
      const auto found = outputs.find(fmt::format("medusa_logits.{}", head));
      if (found == outputs.end()) return;
      append_all(medusa_[prefix][head], found->second);
    }
  }

  // [heads, rows, vocabulary], as expected.
  void stack_medusa() {
    for (const auto& [prefix, heads] : medusa_) {
      for (const auto& [head, logits] : heads) append_all(results_[prefix + "medusa_logits"], logits);
    }
  }

  Status run_embedding(size_t sequence) {
    const std::string prefix = fmt::format("seq{}.", sequence);
    const std::vector<int64_t>& prompt = fixture_.prompts[sequence];
    TensorMap kv;
    RDU_ASSIGN(TensorMap outputs, execute(request(Phase::kEmbed, static_cast<int64_t>(prompt.size()), 0),
                                          token_input(prompt), kv));
    append_all(results_["embeddings"], outputs.at("embeddings"));
    if (!options_.expose_hidden) return {};
    append_all(results_[prefix + "last_hidden"], outputs.at("last_hidden"));
    collect_last_position(outputs, prefix + "layer_hidden_lastpos");
    results_[prefix + "layer_embeddings"] = unit_rows(results_.at(prefix + "layer_hidden_lastpos"));
    return {};
  }

  Status run_router() {
    TensorMap kv;
    RDU_ASSIGN(TensorMap outputs, execute(request(Phase::kRoute, fixture_.queries.rows(), 0),
                                          {{"queries", fixture_.queries}}, kv));
    const Tensor& topk = outputs.at("topk");
    const int64_t k = topk.cols() / 2;
    Tensor neighbours(topk.rows(), k);
    Tensor similarities(topk.rows(), k);
    Tensor fallback(topk.rows(), 1);
    for (int64_t r = 0; r < topk.rows(); ++r) {
      for (int64_t i = 0; i < k; ++i) {
        similarities.at(r, i) = topk.at(r, i);
        neighbours.at(r, i) = topk.at(r, k + i);
      }
      fallback.at(r, 0) =
          static_cast<double>(outputs.at("entropy").at(r, 0)) > fixture_.entropy_threshold ? 1 : 0;
    }
    results_["neighbors"] = std::move(neighbours);
    results_["neighbor_similarity"] = std::move(similarities);
    results_["fallback"] = std::move(fallback);
    for (const char* const name : {"similarity", "votes", "entropy", "expert"})
      results_[name] = outputs.at(name);
    return {};
  }

  const Fixture& fixture_;
  const FixtureOptions& options_;
  const GraphExecutor& execute_;
  DType weights_;
  Tensor features_;                                          // of all images
  TensorMap cross_;                                          // keys and values of the cross-attention
  std::map<std::string, std::map<int64_t, Tensor>> medusa_;  // by sequence, then head
  TensorMap results_;
};

Result<TensorMap> interpret(const compiler::Graph& graph, const TensorMap& inputs, TensorMap& kv,
                            const WeightSource& source, TensorMap& read) {
  compiler::Interpreter interpreter(graph, /*round_bf16=*/true, &kv);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const compiler::Value& value = graph.values[i];
    if (value.producer.has_value() || value.role == SymbolRole::kKvCache || value.role == SymbolRole::kState)
      continue;
    if (value.role == SymbolRole::kInput) {
      const auto input = inputs.find(value.name);
      if (input == inputs.end()) {
        return Error{ErrorCode::kNotFound, fmt::format("graph {}", graph.name),
                     fmt::format("input {} is missing", value.name), ""};
      }
      RDU_CHECK_OK(interpreter.set_view(ValueId(i), &input->second));
      continue;
    }
    if (!read.contains(value.source)) {
      RDU_ASSIGN(read[value.source], source.read(value.source));
    }
    RDU_CHECK_OK(interpreter.set_view(ValueId(i), &read.at(value.source)));
  }
  RDU_CHECK_OK(interpreter.run());
  TensorMap outputs;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].role == SymbolRole::kOutput)
      outputs[graph.values[i].name] = interpreter.get(ValueId(i));
  }
  return outputs;
}

}  // namespace

GraphExecutor interpreter_executor(const SafetensorsFile& file) {
  return interpreter_executor(WeightSource(&file));
}

GraphExecutor interpreter_executor(const WeightSource& weights) {
  const auto read =
      std::make_shared<TensorMap>();  // by source; shared by the copies that std::function makes
  return [source = weights, read](const compiler::Graph& graph, const TensorMap& inputs, TensorMap& kv) {
    return interpret(graph, inputs, kv, source, *read);
  };
}

Result<TensorMap> run_fixture(const Fixture& fixture, const FixtureOptions& options,
                              const GraphExecutor& execute) {
  return FixtureRunner(fixture, options, execute).run();
}

Result<FixtureReport> check_fixture(const Fixture& fixture, const FixtureOptions& options,
                                    const GraphExecutor& execute) {
  RDU_ASSIGN(const TensorMap results, run_fixture(fixture, options, execute));
  return compare_fixture(fixture, options.activations, results);
}

}  // namespace rdusim::models
