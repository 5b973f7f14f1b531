// Past keys and values: inputs [batch, heads, cached tokens, columns] that a Concat joins along the tokens
// with those of the new ones. Such an input is what a KV cache holds before the pass, and the joined tensor
// what it holds after it: the graph has the cache, and the attention that reads the joined tensor appends to
// it. Until then the joined tensor is an activation whose value is the cache, so that its heads may be
// repeated and its axes turned like any other's. An output that is the joined tensor is the cache too, and
// costs nothing.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "models/onnx/importer.h"

namespace rdusim::models::onnx {

std::set<std::string> past_inputs(const OnnxFile& file) {
  std::set<std::string> names;
  for (const OnnxValueInfo& input : file.inputs()) {
    if (is_whole(input.type) || input.dimensions.size() != 4) continue;
    const auto joins = [&input](const OnnxNode& node) {
      const int64_t axis = node.integer("axis", 0);
      return node.op_type == "Concat" && node.inputs.size() == 2 && node.inputs.front() == input.name &&
             (axis == 2 || axis == -2);
    };
    if (std::any_of(file.nodes().begin(), file.nodes().end(), joins)) names.insert(input.name);
  }
  return names;
}

bool is_assumed(const OnnxValueInfo& input) {
  const bool known = input.name == "attention_mask" || input.name == "position_ids";
  return known && is_whole(input.type) && input.dimensions.size() == 2;
}

Status Importer::bind_assumed(const OnnxValueInfo& input) {
  const bool mask = input.name == "attention_mask";
  const std::vector<int64_t> dims = {batch_, mask ? past_ + tokens_ : tokens_};
  for (size_t i = 0; i < dims.size(); ++i) {
    const std::optional<int64_t> fixed = input.dimensions[i].size;
    if (fixed && *fixed != dims[i])
      return value_error(input, "input", fmt::format("dimension {} is {}, {} is needed", i, *fixed, dims[i]));
  }
  constexpr int64_t kMost = int64_t{1} << 24;  // as of folded constants
  RDU_CHECK_OK(check_shape(Shape{dims}, input.name));
  if (dims[0] * dims[1] > kMost) return value_error(input, "input", "a mask or positions this large");
  Tensor values(dims[0], dims[1]);
  for (int64_t r = 0; r < dims[0]; ++r) {
    for (int64_t t = 0; t < dims[1]; ++t) values.at(r, t) = mask ? 1.0F : static_cast<float>(past_ + t);
  }
  items_[input.name] = Constant{dims, nullptr, std::make_shared<const Tensor>(values), true};
  import_.assumed.push_back({input.name, std::move(values)});
  return {};
}

Status Importer::bind_cache(const OnnxValueInfo& input, std::vector<int64_t> dims) {
  if (dims[0] != batch_ || dims[2] != past_)
    return value_error(
        input, "input",
        fmt::format("past keys or values [{}], where there are {} sequences of {} cached tokens",
                    fmt::join(dims, ","), batch_, past_));
  RDU_CHECK_OK(check_shape(Shape{{batch_, capacity_, dims[1], dims[3]}}, input.name));
  const Shape shape{{batch_ * capacity_, dims[1] * dims[3]}};
  const std::string name = unique_name(input.name);
  const ValueId id = builder_->add_source(name, shape, request_.activations, SymbolRole::kKvCache, name);
  items_[input.name] = Past{id, dims};
  import_.caches.push_back({input.name, "", name, std::move(dims), capacity_});
  return {};
}

// [batch, heads, cached and new tokens, columns of a head] over the rows of the cache.
View Importer::present_view(ValueId cache, int64_t heads) const {
  const int64_t cols = value(cache).shape.cols();
  return View::strided(
      {{batch_, capacity_ * cols}, {heads, cols / heads}, {past_ + tokens_, cols}, {cols / heads, 1}});
}

Status Importer::join_past(const OnnxNode& node, const Past& past) {
  RDU_ASSIGN(const std::string name, required(node, 1));
  RDU_ASSIGN(const Activation fresh, activation(node, name));
  const int64_t heads = past.dims[1];
  const View wanted = View::plain({batch_, tokens_, heads, past.dims[3]}).transposed({0, 2, 1, 3});
  const bool alike = fresh.view == wanted &&
                     value(fresh.value).shape.cols() == value(past.cache).shape.cols() &&
                     !is_cache(fresh.value);
  if (!alike || node.inputs.size() != 2)
    return error(node,
                 fmt::format("past keys or values [{}] joined with [{}]", fmt::join(past.dims, ","),
                             fmt::join(fresh.view.dims(), ",")),
                 "supported: with those of all new tokens, heads of whole rows, along the tokens");
  if (!appends_.emplace(past.cache, Append{fresh.value}).second)
    return error(node, "past keys or values that are joined with new ones twice");
  set(node.outputs.front(), Activation{past.cache, present_view(past.cache, heads)});
  return {};
}

Result<ValueId> Importer::appended(const OnnxNode& node, ValueId cache) {
  Append& append = appends_.at(cache);
  if (append.attended) return error(node, "keys or values of a cache that two attentions read");
  append.attended = true;
  return append.rows;
}

Status Importer::set_present(const OnnxValueInfo& output, const Activation& activation) {
  const auto cache = std::find_if(import_.caches.begin(), import_.caches.end(), [&](const Import::Cache& c) {
    return c.value == value(activation.value).name;
  });
  if (activation.view != present_view(activation.value, cache->dims[1]))
    return value_error(output, "output", "past and new keys or values in another order than they came in");
  cache->present = output.name;
  return {};
}

Status Importer::check_caches() const {
  for (const auto& [name, item] : items_) {
    const auto* past = std::get_if<Past>(&item);
    if (past == nullptr) continue;
    const auto append = appends_.find(past->cache);
    if (append != appends_.end() && append->second.attended) continue;
    return Error{ErrorCode::kUnsupported, fmt::format("{}, input {}", file_.path(), name),
                 "past keys or values that no attention reads", ""};
  }
  return {};
}

}  // namespace rdusim::models::onnx
