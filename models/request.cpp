// See request.h.
#include "models/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace rdusim::models {
namespace {

Error request_error(ErrorCode code, std::string what, std::string hint) {
  return Error{code, "graph request", std::move(what), std::move(hint)};
}

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::kPrefill:
      return "prefill";
    case Phase::kDecode:
      return "decode";
    case Phase::kEmbed:
      return "embed";
    case Phase::kRoute:
      return "route";
    case Phase::kEncode:
      return "encode";
    case Phase::kTrain:
      return "train";
  }
  return "";
}

namespace {

Status check_tree(const GraphRequest& r) {
  const auto nodes = static_cast<int64_t>(r.tree.size());
  if (nodes == 0) return {};
  if (r.phase != Phase::kDecode || r.batch != 1 || r.query_tokens != nodes) {
    return request_error(ErrorCode::kInvalidInput,
                         fmt::format("a tree of {} candidates in phase {}, batch {}, {} new tokens", nodes,
                                     phase_name(r.phase), r.batch, r.query_tokens),
                         "a decode step of one sequence with as many new tokens as the tree has nodes");
  }
  for (int64_t i = 0; i < nodes; ++i) {
    const int64_t parent = r.tree[static_cast<size_t>(i)];
    if (i == 0 ? parent != -1 : parent < 0 || parent >= i) {
      return request_error(ErrorCode::kInvalidInput, fmt::format("node {} has the parent {}", i, parent),
                           "the first has -1, every other one before it");
    }
  }
  return {};
}

}  // namespace

Status check_request(const Model& model, const GraphRequest& r) {
  if (!model.supports(r.phase)) {
    std::string phases;
    for (const Phase phase :
         {Phase::kPrefill, Phase::kDecode, Phase::kEmbed, Phase::kRoute, Phase::kEncode, Phase::kTrain}) {
      if (model.supports(phase)) phases += fmt::format("{}{}", phases.empty() ? "" : ", ", phase_name(phase));
    }
    return request_error(ErrorCode::kUnsupported,
                         fmt::format("a {} model has no phase {}", model.family(), phase_name(r.phase)),
                         fmt::format("its phases: {}", phases));
  }
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // rows of one tensor
  if (r.batch < 1 || r.query_tokens < 1 || r.past_tokens < 0 || r.kv_capacity < 0 || r.batch > kMost ||
      r.query_tokens > kMost || r.past_tokens > kMost || r.kv_capacity > kMost) {
    return request_error(ErrorCode::kOutOfRange,
                         fmt::format("batch {}, query tokens {}, past tokens {}, cache rows {}", r.batch,
                                     r.query_tokens, r.past_tokens, r.kv_capacity),
                         "batch and query tokens are at least 1, the others at least 0, all below 2^31");
  }
  const int64_t sequence_rows = std::max(r.past_tokens + r.query_tokens, r.kv_capacity);
  if (sequence_rows > kMost / r.batch) {
    return request_error(ErrorCode::kOutOfRange,
                         fmt::format("{} sequences of {} tokens", r.batch, sequence_rows),
                         "batch times tokens stays below 2^31");
  }
  const bool cached = r.phase == Phase::kPrefill || r.phase == Phase::kDecode;
  if (!cached && r.past_tokens > 0) {
    return request_error(ErrorCode::kInvalidInput,
                         fmt::format("{} past tokens in phase {}", r.past_tokens, phase_name(r.phase)),
                         "this phase has no cache");
  }
  if (r.activations != DType::kBf16 && r.activations != DType::kFp32) {
    return request_error(ErrorCode::kInvalidInput,
                         fmt::format("activations in {}", dtype_name(r.activations)), "bf16 or fp32");
  }
  return check_tree(r);
}

Status check_work(double flops) {
  if (flops <= 0x1.0p62) return {};
  return request_error(ErrorCode::kOutOfRange, fmt::format("one run would take {:.3g} FLOPs", flops),
                       "a smaller batch or fewer tokens");
}

compiler::Graph empty_graph(const std::string& model_name, const GraphRequest& r) {
  compiler::Graph graph;
  graph.name = fmt::format("{}.{}.b{}.q{}.p{}", model_name, phase_name(r.phase), r.batch, r.query_tokens,
                           r.past_tokens);
  graph.phase = phase_name(r.phase);
  graph.batch = r.batch;
  graph.query_tokens = r.query_tokens;
  graph.past_tokens = r.past_tokens;
  return graph;
}

}  // namespace rdusim::models
