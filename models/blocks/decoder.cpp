// See decoder.h.
#include "models/blocks/decoder.h"

#include <fmt/format.h>

#include "models/request.h"

namespace rdusim::models {

using compiler::OpKind;

ModelFacts facts_of(const Counts& c) {
  const int64_t bytes = dtype_bytes(DType::kBf16);
  ModelFacts facts;
  facts.total_parameters = c.total;
  facts.active_parameters = c.active;
  facts.weight_bytes = c.total * bytes;
  facts.kv_bytes_per_token = c.kv * bytes;
  facts.state_bytes = c.state * bytes;
  facts.flops_per_token = 2 * c.active;
  facts.matmul_flops_per_token = 2 * c.macs;
  return facts;
}

bool DecoderModel::supports(Phase phase) const {
  if (phase == Phase::kEmbed) return !size_.has_head;
  return size_.has_head && (phase == Phase::kPrefill || phase == Phase::kDecode);
}

// Upper estimate: every parameter that a token reads and every (query, key) pair.
double DecoderModel::flops(const GraphRequest& request) const {
  const double tokens = static_cast<double>(request.batch) * static_cast<double>(request.query_tokens);
  const double keys = static_cast<double>(request.past_tokens) + static_cast<double>(request.query_tokens);
  return tokens * static_cast<double>(facts().flops_per_token) +
         4.0 * tokens * keys * static_cast<double>(size_.attention_width);
}

Result<compiler::Graph> DecoderModel::build(const GraphRequest& request) const {
  RDU_CHECK_OK(check_request(*this, request));
  RDU_CHECK_OK(check_work(flops(request)));
  Net net(name_, request);
  if (size_.fp32_activations) net.keep_fp32();
  std::vector<ValueId> hidden = {embed(net)};
  for (int64_t i = 0; i < size_.layers; ++i) {
    net.begin_layer(i);
    hidden.push_back(layer(net, i, hidden.back()));
    net.end_layer();
  }
  finish(net, hidden.back());
  if (request.expose_hidden) {
    for (const ValueId value : hidden) net.set_output(value);
  }
  return std::move(net).take();
}

ValueId DecoderModel::token_rows(Net& net, const std::string& name) const {
  return net.embed_tokens(name, size_.vocabulary, size_.hidden, size_.embedding_tensor);
}

ValueId DecoderModel::embed(Net& net) const {
  if (size_.embedding_scale == 1) return token_rows(net, "layer_hidden.0");
  return net.scale("layer_hidden.0", token_rows(net, "embedded"), size_.embedding_scale);
}

void DecoderModel::more_heads(Net& /*net*/, ValueId /*last_hidden*/) const {}

// Final norm and head. Both work row by row, so the rows that nobody asks for are dropped first.
void DecoderModel::finish(Net& net, ValueId x) const {
  const GraphRequest& request = net.request();
  const bool all_logits = (request.all_logits || !request.tree.empty()) && size_.has_head;
  const bool every_row = request.expose_hidden || all_logits;
  if (!every_row) x = net.last_rows("last_token", x);
  x = final_norm(net, "last_hidden", x);
  if (request.expose_hidden) net.set_output(x);
  if (every_row && !all_logits) x = net.last_rows("last_token", x);
  if (size_.has_head) return logits(net, x);
  net.set_output(net.op(OpKind::kL2Normalize, "embeddings", {x}));
}

void DecoderModel::logits(Net& net, ValueId x) const {
  const bool tied = size_.head_tensor.empty();
  const ValueId w =
      tied ? net.embedding_table() : net.weight("lm_head", size_.vocabulary, size_.hidden, size_.head_tensor);
  const bool scaled = size_.logit_scale != 1;
  const bool capped = size_.logit_cap > 0;
  ValueId y = net.op(OpKind::kLinear, scaled || capped ? "raw_logits" : "logits", {x, w});
  net.set_fp32(y);
  if (scaled) {
    y = net.scale(capped ? "scaled_logits" : "logits", y, size_.logit_scale);
    net.set_fp32(y);
  }
  if (capped) {
    y = net.op(OpKind::kSoftCap, "logits", {y}, {{"cap", size_.logit_cap}});
    net.set_fp32(y);
  }
  net.set_output(y);
  more_heads(net, x);
}

ValueId finish_layer(Net& net, int64_t layer, ValueId x, ValueId y) {
  return net.add_as(fmt::format("layer_hidden.{}", layer + 1), x, y);
}

}  // namespace rdusim::models
