// Medusa heads alone (model_type medusa): what is added to a base model, from the base's final norm's rows to
// the logits of every head. One pass takes the rows of the tokens that a step has. The base model with its
// heads is read by llama.cpp.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/blocks/medusa_heads.h"
#include "models/config_reader.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

class MedusaModel : public Model {
 public:
  MedusaModel(std::string name, MedusaHeads heads) : name_(std::move(name)), heads_(std::move(heads)) {}

  [[nodiscard]] std::string family() const override { return "medusa"; }
  [[nodiscard]] int64_t layers() const override { return 0; }
  [[nodiscard]] bool supports(Phase phase) const override { return phase == Phase::kDecode; }
  [[nodiscard]] ModelFacts facts() const override { return facts_of(medusa_counts(heads_)); }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    RDU_CHECK_OK(check_request(*this, request));
    RDU_CHECK_OK(check_work(static_cast<double>(facts().flops_per_token) *
                            static_cast<double>(request.batch) * static_cast<double>(request.query_tokens)));
    Net net(name_, request);
    add_medusa_heads(net, heads_, net.input("last_hidden", net.rows(), heads_.hidden, request.activations));
    return std::move(net).take();
  }

 private:
  std::string name_;
  MedusaHeads heads_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_medusa(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  MedusaHeads heads;
  RDU_ASSIGN(heads.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(heads.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(heads.heads, reader.integer("medusa_num_heads", 1, kMaxMedusaHeads));
  RDU_ASSIGN(heads.blocks, reader.integer("medusa_num_layers", 1, kMaxLayers));
  ignore_harmless(reader);
  // The base model's name, and what a step does with the logits; the published code runs all heads.
  reader.ignore({"base_model", "base_model_name_or_path", "medusa_num_heads_used", "medusa_tree",
                 "posterior_threshold", "posterior_alpha"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<MedusaModel>(name, heads));
}

}  // namespace rdusim::models
