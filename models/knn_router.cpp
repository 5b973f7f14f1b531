// k-nearest-neighbour router (model_type knn_router): which expert answers a query, from labelled embeddings.
//
//   queries ── l2_normalize ── linear (stored embeddings) ── mul (their inverse norms) ── top_k ── vote ─┬─
//   entropy ── route
//                                              = cosine similarity └────────────┘
//
// Keys are those of the project's own fixtures: cosine similarity (0 for a zero vector), neighbours by
// similarity descending then index ascending, one vote each, entropy in nats, fallback when it exceeds the
// threshold. In two steps (arXiv 2412.01868): with category_experts, what is voted for are categories, and a
// table gives each category's expert (embedding: one row of the table a query). Everything in FP32 over
// vectors stored in BF16. Weights file: embeddings [N, d], labels [N].
#include <fmt/format.h>

#include "models/blocks/decoder.h"
#include "models/config_reader.h"
#include "models/constants.h"
#include "models/derived.h"
#include "models/model.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;

struct KnnConfig {
  int64_t vectors = 0;
  int64_t dimension = 0;
  int64_t k = 0;
  int64_t experts = 0;
  int64_t fallback_expert = 0;
  double entropy_threshold = 0;                // nats
  std::vector<int64_t> category_experts = {};  // empty: labels are experts
};

class KnnRouter : public Model {
 public:
  KnnRouter(std::string name, KnnConfig config) : name_(std::move(name)), config_(std::move(config)) {}

  [[nodiscard]] std::string family() const override { return "knn_router"; }
  [[nodiscard]] int64_t layers() const override { return 0; }
  [[nodiscard]] bool supports(Phase phase) const override { return phase == Phase::kRoute; }

  // Parameters are the stored vectors; each query reads them all once.
  [[nodiscard]] ModelFacts facts() const override {
    const int64_t parameters = config_.vectors * config_.dimension;
    return facts_of({.total = parameters, .active = parameters, .macs = parameters});
  }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    RDU_CHECK_OK(check_request(*this, request));
    RDU_CHECK_OK(check_work(static_cast<double>(facts().flops_per_token) *
                            static_cast<double>(request.batch) * static_cast<double>(request.query_tokens)));
    compiler::GraphBuilder builder(empty_graph(name_, request));
    builder.set_activation_dtype(
        DType::kFp32);  // decisions hang on small gaps: FP32 whatever the request says
    RDU_ASSIGN(const ValueId similarity, add_similarity(builder, request.batch * request.query_tokens));
    RDU_CHECK_OK(add_decision(builder, similarity));
    return std::move(builder).take();
  }

 private:
  Result<ValueId> add_similarity(compiler::GraphBuilder& builder, int64_t queries) const {
    const int64_t n = config_.vectors;
    const ValueId query = builder.add_source("queries", Shape{{queries, config_.dimension}}, DType::kFp32,
                                             SymbolRole::kInput, "queries");
    const ValueId stored = builder.add_source("stored_embeddings", Shape{{n, config_.dimension}},
                                              DType::kBf16, SymbolRole::kWeight, "embeddings");
    const ValueId norms = builder.add_source("inverse_norms", Shape{{1, n}}, DType::kFp32,
                                             SymbolRole::kConstant, inverse_norms_source("embeddings"));
    RDU_ASSIGN(const ValueId unit, builder.add(OpKind::kL2Normalize, "unit_queries", {query}));
    RDU_ASSIGN(const ValueId products, builder.add(OpKind::kLinear, "products", {unit, stored}));
    RDU_ASSIGN(const ValueId similarity, builder.add(OpKind::kMul, "similarity", {products, norms}));
    builder.set_role(similarity, SymbolRole::kOutput);
    return similarity;
  }

  Status add_decision(compiler::GraphBuilder& builder, ValueId similarity) const {
    const ValueId labels = builder.add_source("labels", Shape{{1, config_.vectors}}, DType::kInt32,
                                              SymbolRole::kWeight, "labels");
    RDU_ASSIGN(const ValueId topk, builder.add(OpKind::kTopK, "topk", {similarity}, {{"k", config_.k}}));
    RDU_ASSIGN(const ValueId votes, builder.add(OpKind::kVote, "votes", {topk, labels},
                                                {{"classes", config_.experts}, {"k", config_.k}}));
    RDU_ASSIGN(const ValueId entropy, builder.add(OpKind::kEntropy, "entropy", {votes}));
    const bool two_steps = !config_.category_experts.empty();
    RDU_ASSIGN(
        const ValueId chosen,
        builder.add(OpKind::kRoute, two_steps ? "category" : "expert", {votes, entropy},
                    {{"fallback", config_.fallback_expert}, {"threshold", config_.entropy_threshold}}));
    for (const ValueId value : {topk, votes, entropy, chosen}) builder.set_role(value, SymbolRole::kOutput);
    return two_steps ? add_table(builder, chosen) : Status();
  }

  Status add_table(compiler::GraphBuilder& builder, ValueId category) const {
    builder.set_dtype(category, DType::kInt32);  // row numbers
    const ValueId table = builder.add_source("category_experts", Shape{{config_.experts, 1}}, DType::kFp32,
                                             SymbolRole::kConstant, column_source(config_.category_experts));
    RDU_ASSIGN(const ValueId expert, builder.add(OpKind::kEmbedding, "expert", {category, table}));
    builder.set_role(expert, SymbolRole::kOutput);
    return {};
  }

  std::string name_;
  KnnConfig config_;
};

// What the config may spell out and we compute in one way only.
Status check_definitions(ConfigReader& reader) {
  RDU_CHECK_OK(reader.must_be_if_present("metric", "cosine"));
  RDU_CHECK_OK(reader.must_be_if_present("zero_norm_similarity", "0.0"));
  RDU_CHECK_OK(reader.must_be_if_present("neighbor_order", "similarity descending, then index ascending"));
  RDU_CHECK_OK(reader.must_be_if_present("vote_weighting", "uniform"));
  RDU_CHECK_OK(reader.must_be_if_present("vote_tie_break", "lowest expert id"));
  RDU_CHECK_OK(reader.must_be_if_present("entropy_unit", "nats"));
  return reader.must_be_if_present("fallback_rule", "entropy > entropy_threshold");
}

// One expert a category, in order of the categories.
Status parse_categories(ConfigReader& reader, KnnConfig& knn) {
  const DocumentNode* list = reader.optional("category_experts");
  if (list == nullptr) return {};
  if (list->kind != DocumentNode::Kind::kList || static_cast<int64_t>(list->items.size()) != knn.experts) {
    return config_error(*list, ErrorCode::kInvalidInput,
                        fmt::format("category_experts is no list of {} experts", knn.experts),
                        "one for each of the num_experts labels, which are categories then");
  }
  for (const DocumentNode& item : list->items) {
    RDU_ASSIGN(const int64_t expert, item.as_integer());
    if (expert < 0 || expert > (int64_t{1} << 16))
      return config_error(item, ErrorCode::kOutOfRange, fmt::format("expert {}", expert), "from 0 to 65536");
    knn.category_experts.push_back(expert);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Model>> make_knn_router(const std::string& name, const DocumentNode& config) {
  constexpr int64_t kMaxVectors = int64_t{1} << 24;  // column numbers stay exact in FP32
  constexpr int64_t kMaxDimension = int64_t{1} << 20;
  constexpr int64_t kMaxExperts = int64_t{1} << 16;
  ConfigReader reader(config);
  KnnConfig knn;
  RDU_ASSIGN(knn.vectors, reader.integer("num_vectors", 1, kMaxVectors));
  RDU_ASSIGN(knn.dimension, reader.integer("embedding_dim", 1, kMaxDimension));
  RDU_ASSIGN(knn.k, reader.integer("k", 1, knn.vectors));
  RDU_ASSIGN(knn.experts, reader.integer("num_experts", 1, kMaxExperts));
  RDU_ASSIGN(knn.fallback_expert, reader.integer("fallback_expert", 0, knn.experts - 1));
  RDU_ASSIGN(knn.entropy_threshold, reader.real("entropy_threshold", 0, 64));
  RDU_CHECK_OK(parse_categories(reader, knn));
  RDU_CHECK_OK(check_definitions(reader));
  reader.ignore({"model_type", "architectures", "torch_dtype", "dtype"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<KnnRouter>(name, knn));
}

}  // namespace rdusim::models
