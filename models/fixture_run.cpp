// Running a fixture: which graphs with which inputs, and the results under the names of the expected tensors.
// See fixture.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compiler/graph/interpreter.h"
#include "models/fixture.h"

namespace rdusim::models {
namespace {

void append_rows(Tensor& target, const Tensor& rows, int64_t first, int64_t count) {
  const auto begin = rows.values.begin() + first * rows.cols();
  target.values.insert(target.values.end(), begin, begin + count * rows.cols());
  target.shape = Shape{{target.shape.dims.empty() ? count : target.rows() + count, rows.cols()}};
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
      : fixture_(fixture), options_(options), execute_(execute) {}

  Result<TensorMap> run() {
    if (fixture_.model->supports(Phase::kRoute)) {
      RDU_CHECK_OK(run_router());
      return std::move(results_);
    }
    const bool embeds = fixture_.model->supports(Phase::kEmbed);
    for (size_t s = 0; s < fixture_.prompts.size(); ++s)
      RDU_CHECK_OK(embeds ? run_embedding(s) : run_causal(s));
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
    for (int64_t layer = 0; layer < fixture_.model->layers(); ++layer) {
      const Tensor& hidden = outputs.at(fmt::format("layer_hidden.{}", layer));
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
    TensorMap kv;
    GraphRequest wanted = request(Phase::kPrefill, tokens, 0);
    RDU_ASSIGN(wanted.kv_capacity, cache_rows(tokens + fixture_.decode_steps));
    RDU_ASSIGN(TensorMap prefill, execute(wanted, token_input(prompt), kv));
    append_all(results_[prefix + "prompt_logits"], prefill.at("logits"));
    if (options_.expose_hidden) {
      append_all(results_[prefix + "last_hidden"], prefill.at("last_hidden"));
      collect_last_position(prefill, prefix + "layer_hidden_lastpos");
    }
    for (int64_t step = 0; step < fixture_.decode_steps; ++step) {
      GraphRequest next = request(Phase::kDecode, 1, tokens + step);
      next.kv_capacity = wanted.kv_capacity;
      const auto id = static_cast<int64_t>(greedy->second.at(0, step));
      RDU_ASSIGN(TensorMap decoded, execute(next, token_input({id}), kv));
      append_all(results_[prefix + "decode_logits"], decoded.at("logits"));
      if (options_.expose_hidden) append_all(results_[prefix + "last_hidden"], decoded.at("last_hidden"));
    }
    return {};
  }

  // With a ring cache: the window, read off the attention of a graph.
  Result<int64_t> cache_rows(int64_t positions) const {
    if (!options_.ring_cache) return positions;
    RDU_ASSIGN(const compiler::Graph graph, fixture_.model->build(request(Phase::kPrefill, 1, 0)));
    for (const compiler::Node& node : graph.nodes) {
      if (node.op == compiler::OpKind::kAttention && node.integer("window") > 0) {
        return std::min(positions, node.integer("window"));
      }
    }
    return positions;
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
  TensorMap results_;
};

Result<TensorMap> interpret(const compiler::Graph& graph, const TensorMap& inputs, TensorMap& kv,
                            const WeightSource& source, TensorMap& read) {
  compiler::Interpreter interpreter(graph, /*round_bf16=*/true, &kv);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const compiler::Value& value = graph.values[i];
    if (value.producer.has_value() || value.role == SymbolRole::kKvCache) continue;
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
  const auto read =
      std::make_shared<TensorMap>();  // by source; shared by the copies that std::function makes
  return [source = WeightSource(&file), read](const compiler::Graph& graph, const TensorMap& inputs,
                                              TensorMap& kv) {
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
