// A functional Composition of Experts.
#include "cli/functional_coe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/dtype.h"
#include "compiler/graph/interpreter.h"

namespace rdusim::cli {
namespace {

constexpr uint32_t kClean = UINT32_MAX;
constexpr int64_t kAlignBytes = 64;

int64_t pages_of(int64_t bytes) {
  return (bytes + FunctionalNode::kPageBytes - 1) / FunctionalNode::kPageBytes;
}

Tensor column_of(const std::vector<int64_t>& ids) {
  Tensor tensor(static_cast<int64_t>(ids.size()), 1);
  std::transform(ids.begin(), ids.end(), tensor.values.begin(),
                 [](int64_t id) { return static_cast<float>(id); });
  return tensor;
}

// One pass; every weight is asked for anew.
Result<Tensor> logits_of(const compiler::Graph& graph, const Tensor& ids, const WeightReader& weight,
                         compiler::KvStore& caches) {
  compiler::Interpreter interpreter(graph, /*round_bf16=*/true, &caches);
  const models::WeightSource constants(nullptr);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const compiler::Value& value = graph.values[i];
    if (value.producer.has_value() || value.role == SymbolRole::kKvCache) continue;
    if (value.role == SymbolRole::kInput) {
      RDU_CHECK_OK(interpreter.set_view(ValueId(i), &ids));
      continue;
    }
    Tensor tensor;
    if (value.role == SymbolRole::kConstant) {
      RDU_ASSIGN(tensor, constants.read(value.source));
    } else {
      RDU_ASSIGN(tensor, weight(value.source));
    }
    RDU_CHECK_OK(interpreter.set(ValueId(i), std::move(tensor)));
  }
  RDU_CHECK_OK(interpreter.run());
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].name == "logits") return interpreter.get(ValueId(i));
  }
  return Error{ErrorCode::kUnsupported, graph.name, "the model has no logits",
               "take a causal language model"};
}

}  // namespace

WeightLayout weight_layout(const models::TensorMap& weights) {
  WeightLayout layout;
  for (const auto& [source, tensor] : weights) {
    layout.segments.push_back({source, tensor.shape, layout.bytes});
    const auto bytes = static_cast<int64_t>(tensor.values.size() * sizeof(uint16_t));
    layout.bytes += (bytes + kAlignBytes - 1) / kAlignBytes * kAlignBytes;
  }
  return layout;
}

std::vector<uint8_t> pack_weights(const WeightLayout& layout, const models::TensorMap& weights) {
  std::vector<uint8_t> image(static_cast<size_t>(layout.bytes), 0);
  for (const auto& segment : layout.segments) {
    size_t at = static_cast<size_t>(segment.offset);
    for (const float value : weights.at(segment.source).values) {
      const uint16_t bits = bf16_bits(value);
      image[at++] = static_cast<uint8_t>(bits & 0xFF);
      image[at++] = static_cast<uint8_t>(bits >> 8);
    }
  }
  return image;
}

Result<FunctionalAnswer> run_expert(const models::Model& model, const std::vector<int64_t>& prompt,
                                    int64_t tokens, const WeightReader& weight) {
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.query_tokens = static_cast<int64_t>(prompt.size());
  request.kv_capacity = request.query_tokens + tokens;
  compiler::KvStore caches;
  FunctionalAnswer answer;
  Tensor input = column_of(prompt);
  for (int64_t step = 0; step < tokens; ++step) {
    RDU_ASSIGN(const compiler::Graph graph, model.build(request));
    RDU_ASSIGN(Tensor logits, logits_of(graph, input, weight, caches));
    const auto last = logits.values.end() - logits.cols();
    answer.ids.push_back(std::max_element(last, logits.values.end()) - last);
    answer.logits.push_back(std::move(logits));
    input = column_of({answer.ids.back()});
    request.past_tokens += request.query_tokens;
    request.query_tokens = 1;
    request.phase = models::Phase::kDecode;
  }
  return answer;
}

FunctionalNode::FunctionalNode(const models::Model& model, WeightLayout layout, Options options,
                               std::unique_ptr<runtime::EvictionPolicy> policy)
    : model_(model),
      layout_(std::move(layout)),
      options_(options),
      policy_(std::move(policy)),
      hbm_(static_cast<size_t>(options.hbm_bytes), 0),
      page_taken_(static_cast<size_t>(options.hbm_bytes / kPageBytes), false),
      page_owner_(page_taken_.size(), kClean) {
  RDU_CHECK(options.hbm_bytes % kPageBytes == 0, "{} B of HBM are not whole pages", options.hbm_bytes);
  for (size_t i = 0; i < layout_.segments.size(); ++i) segment_of_[layout_.segments[i].source] = i;
  policy_->resized(Bytes(options.hbm_bytes));
}

ExpertId FunctionalNode::add_expert(std::vector<uint8_t> image, uint32_t owner) {
  RDU_CHECK(static_cast<int64_t>(image.size()) == layout_.bytes, "an image of {} B, a layout of {} B",
            image.size(), layout_.bytes);
  store_.push_back(std::move(image));
  owner_.push_back(owner);
  place_.emplace_back();
  return ExpertId(store_.size() - 1);
}

std::span<const uint8_t> FunctionalNode::region(ExpertId expert) const {
  RDU_CHECK(resident(expert), "expert {} is not in HBM", expert.value);
  return std::span(hbm_).subspan(static_cast<size_t>(*place_[expert.value] * kPageBytes),
                                 static_cast<size_t>(layout_.bytes));
}

Result<FunctionalAnswer> FunctionalNode::serve(ExpertId expert, uint32_t tenant,
                                               const std::vector<int64_t>& prompt, int64_t tokens) {
  const uint32_t owner = owner_[expert.value];
  if (owner != 0 && owner != tenant) {
    return Error{ErrorCode::kUnsupported, fmt::format("expert {}", expert.value),
                 fmt::format("tenant {} may not use it", tenant), "it belongs to another owner"};
  }
  ++counts_.requests;
  if (resident(expert)) {
    policy_->used(expert);
  } else {
    RDU_CHECK_OK(load(expert));
  }
  running_ = expert;
  auto answer = run_expert(model_, prompt, tokens, [&](const std::string& source) -> Result<Tensor> {
    const auto found = segment_of_.find(source);
    if (found == segment_of_.end())
      return Error{ErrorCode::kNotFound, "weight " + source, "the expert's image does not hold it", ""};
    const auto& segment = layout_.segments[found->second];
    const auto bytes = region(expert).subspan(static_cast<size_t>(segment.offset));
    Tensor tensor(segment.shape.rows(), segment.shape.cols());
    tensor.shape = segment.shape;
    for (size_t i = 0; i < tensor.values.size(); ++i)
      tensor.values[i] = bf16_value(static_cast<uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
    return tensor;
  });
  running_.reset();
  return answer;
}

Status FunctionalNode::load(ExpertId expert) {
  policy_->missed(expert, Bytes(layout_.bytes));
  RDU_ASSIGN(const int64_t page, make_room(pages_of(layout_.bytes), owner_[expert.value]));
  std::copy(store_[expert.value].begin(), store_[expert.value].end(), hbm_.begin() + page * kPageBytes);
  place_[expert.value] = page;
  ++counts_.loads;
  counts_.bytes_copied += layout_.bytes;
  policy_->loaded(expert, Bytes(layout_.bytes));
  return {};
}

// Pages in a row for an owner, taken and without anybody else's bytes.
Result<int64_t> FunctionalNode::make_room(int64_t pages, uint32_t owner) {
  auto first = find_free(pages);
  while (!first) {
    const auto victim = policy_->victim([&](ExpertId e) { return e != running_; });
    if (!victim) {
      return Error{ErrorCode::kCapacity, "HBM", fmt::format("no {} pages in a row can be freed", pages),
                   "release memory, or take more of it"};
    }
    evict(*victim);
    first = find_free(pages);
  }
  for (int64_t page = *first; page < *first + pages; ++page) {
    const auto p = static_cast<size_t>(page);
    page_taken_[p] = true;
    if (options_.scrub && page_owner_[p] != owner && page_owner_[p] != kClean) {
      std::fill_n(hbm_.begin() + page * kPageBytes, kPageBytes, uint8_t{0});
      counts_.bytes_scrubbed += kPageBytes;
    }
    page_owner_[p] = owner;
  }
  return *first;
}

std::optional<int64_t> FunctionalNode::find_free(int64_t pages) const {
  int64_t run = 0;
  for (size_t p = 0; p < page_taken_.size(); ++p) {
    run = page_taken_[p] ? 0 : run + 1;
    if (run == pages) return static_cast<int64_t>(p) + 1 - pages;
  }
  return std::nullopt;
}

void FunctionalNode::evict(ExpertId expert) {
  policy_->evicted(expert);
  const int64_t first = *place_[expert.value];
  for (int64_t p = first; p < first + pages_of(layout_.bytes); ++p)
    page_taken_[static_cast<size_t>(p)] = false;
  place_[expert.value].reset();
  ++counts_.evictions;
}

Result<std::span<const uint8_t>> FunctionalNode::allocate(uint32_t tenant, int64_t bytes) {
  const int64_t pages = pages_of(bytes);
  RDU_ASSIGN(const int64_t first, make_room(pages, tenant));
  allocations_[tenant].emplace_back(first, pages);
  return std::span<const uint8_t>(hbm_).subspan(static_cast<size_t>(first * kPageBytes),
                                                static_cast<size_t>(bytes));
}

void FunctionalNode::release(uint32_t tenant) {
  for (const auto& [first, pages] : allocations_[tenant]) {
    for (int64_t p = first; p < first + pages; ++p) page_taken_[static_cast<size_t>(p)] = false;
  }
  allocations_.erase(tenant);
}

}  // namespace rdusim::cli
