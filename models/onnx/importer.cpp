// The course of an import: inputs, needed nodes, nodes in order, outputs. See importer.h.
#include "models/onnx/importer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "models/onnx/patterns.h"
#include "models/request.h"

namespace rdusim::models::onnx {

using compiler::Attribute;
using compiler::OpKind;

namespace {

struct Operator {
  std::string_view domain;
  std::string_view op_type;
  Handler handler;
};
constexpr Operator kOperators[] = {
#define RDU_ONNX_OP(domain, op_type, handler) {domain, op_type, handler},
#include "models/onnx/onnx_ops.def"
#undef RDU_ONNX_OP
};

bool is_integer(StoredType type) {
  return type != StoredType::kF32 && type != StoredType::kF16 && type != StoredType::kBf16 &&
         type != StoredType::kF64;
}

// The number of the layer in a name such as "/model/layers.3/mlp/MatMul_output_0"; absent: none.
std::optional<int64_t> layer_of(std::string_view name) {
  for (const std::string_view word : {"layers.", "layer.", "blocks.", "block.", "h."}) {
    const size_t at = name.find(word);
    if (at == std::string_view::npos) continue;
    if (at > 0 && name[at - 1] != '/' && name[at - 1] != '.') continue;
    std::string_view digits = name.substr(at + word.size());
    digits = digits.substr(0, digits.find_first_not_of("0123456789"));
    if (digits.empty() || digits.size() > 6) continue;
    int64_t number = 0;
    for (const char digit : digits) number = number * 10 + (digit - '0');
    return number;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> supported_operators() {
  std::vector<std::string> names;
  for (const Operator& op : kOperators)
    names.push_back(op.domain.empty() ? std::string(op.op_type)
                                      : fmt::format("{}.{}", op.domain, op.op_type));
  std::sort(names.begin(), names.end());
  return names;
}

Importer::Importer(const OnnxFile& file, const GraphRequest& request, const std::string& name)
    : file_(file), request_(request), name_(name), past_inputs_(past_inputs(file)) {}

Result<Import> Importer::run() {
  add_initializers();
  find_needed();
  RDU_CHECK_OK(bind_inputs());
  for (size_t i = 0; i < file_.nodes().size(); ++i) {
    if (needed_[i]) RDU_CHECK_OK(run_node(i));
  }
  RDU_CHECK_OK(add_outputs());
  import_.graph = std::move(*builder_).take();
  unpack_projections(import_.graph);
  return std::move(import_);
}

void Importer::add_initializers() {
  for (const OnnxTensor& tensor : file_.initializers())
    items_[tensor.name] = Constant{tensor.shape.dims, &tensor, nullptr, is_whole(tensor.type)};
}

// From the outputs back: a pattern asks for its operands, any other node for all of its own.
void Importer::find_needed() {
  const NodeIndex index(file_);
  const std::vector<OnnxNode>& nodes = file_.nodes();
  needed_.assign(nodes.size(), false);
  for (const OnnxValueInfo& output : file_.outputs()) wanted_[output.name] = true;
  for (size_t i = nodes.size(); i-- > 0;) {
    const auto& outputs = nodes[i].outputs;
    needed_[i] = std::any_of(outputs.begin(), outputs.end(),
                             [this](const std::string& name) { return wanted_.contains(name); });
    if (!needed_[i]) continue;
    std::optional<Match> match = find_pattern(index, nodes[i]);
    for (const std::string& name : match ? match->operands : nodes[i].inputs) wanted_[name] = true;
    if (match) matches_[i] = std::move(*match);
  }
}

Result<std::vector<int64_t>> Importer::input_dims(const OnnxValueInfo& input) {
  const auto fail = [&](std::string what, std::string hint) {
    return value_error(input, "input", std::move(what), std::move(hint));
  };
  const bool past = past_inputs_.contains(input.name);
  if (!input.has_shape) return fail("has no shape", "export the model with shapes of its inputs");
  std::vector<int64_t> dims;
  for (size_t i = 0; i < input.dimensions.size(); ++i) {
    const OnnxDimension& dimension = input.dimensions[i];
    int64_t size = dimension.size.value_or(-1);
    if (!dimension.size) {
      const auto known = parameters_.find(dimension.parameter);
      if (!dimension.parameter.empty() && known != parameters_.end()) {
        size = known->second;
      } else if (i == 0 || i == (past ? 2 : 1)) {
        size = i == 0 ? request_.batch : past ? request_.past_tokens : request_.query_tokens;
        parameters_[dimension.parameter] = size;
      } else {
        return fail(
            fmt::format("dimension {} ({}) is open", i, dimension.parameter),
            "only the first (batch) and the second (tokens; of past keys and values the third) may be");
      }
    }
    constexpr int64_t kMost = int64_t{1} << 31;
    if (size < (past && i == 2 ? 0 : 1) || size > kMost)
      return fail(fmt::format("dimension {} is {}", i, size), "");
    dims.push_back(size);
  }
  if (!past) RDU_CHECK_OK(check_shape(Shape{dims}, input.name));
  return dims;
}

// Batch and tokens of a sequence, from the first input that is read.
void Importer::find_sizes(const OnnxValueInfo& input, const std::vector<int64_t>& dims) {
  const size_t leading =
      is_integer(input.type) ? dims.size() : dims.size() - std::min<size_t>(1, dims.size());
  if (leading >= 2) {
    batch_ = dims[0];
    tokens_ = dims[1];
  } else if (leading == 1) {
    (is_integer(input.type) ? tokens_ : batch_) = dims[0];
  }
}

Status Importer::bind_inputs() {
  struct Bound {
    const OnnxValueInfo* info;
    std::vector<int64_t> dims;
  };
  std::vector<Bound> bound;
  for (const OnnxValueInfo& input : file_.inputs()) {
    if (!wanted_.contains(input.name) || is_assumed(input)) continue;
    RDU_ASSIGN(std::vector<int64_t> dims, input_dims(input));
    bound.push_back({&input, std::move(dims)});
  }
  const auto is_past = [this](const Bound& b) { return past_inputs_.contains(b.info->name); };
  const auto first = std::find_if_not(bound.begin(), bound.end(), is_past);
  if (first != bound.end()) find_sizes(*first->info, first->dims);
  const auto cached = std::find_if(bound.begin(), bound.end(), is_past);
  if (cached != bound.end()) past_ = cached->dims[2];
  capacity_ = std::max(past_ + tokens_, request_.kv_capacity);
  for (const OnnxValueInfo& input : file_.inputs()) {
    if (wanted_.contains(input.name) && is_assumed(input)) RDU_CHECK_OK(bind_assumed(input));
  }
  GraphRequest sized = request_;
  sized.batch = batch_;
  sized.query_tokens = tokens_;
  sized.past_tokens = past_;
  builder_.emplace(empty_graph(name_, sized));
  builder_->set_activation_dtype(request_.activations);
  for (const Bound& input : bound) {
    if (is_past(input)) {
      RDU_CHECK_OK(bind_cache(*input.info, input.dims));
      continue;
    }
    const bool integer = is_integer(input.info->type);
    const int64_t cols = integer || input.dims.empty() ? 1 : input.dims.back();
    const Shape shape{{Shape{input.dims}.elements() / cols, cols}};
    const std::string name = unique_name(input.info->name);
    const ValueId id = builder_->add_source(name, shape, integer ? DType::kInt32 : request_.activations,
                                            SymbolRole::kInput, name);
    items_[input.info->name] = Activation{id, View::plain(input.dims)};
    import_.inputs.push_back({input.info->name, name, input.dims});
  }
  return {};
}

Status Importer::run_node(size_t index) {
  const OnnxNode& node = file_.nodes()[index];
  if (node.outputs.empty()) return {};
  builder_->set_layer(layer_of(node.outputs.front()));
  const auto match = matches_.find(index);
  if (match != matches_.end()) {
    // Of constants alone a composition is a constant like any other.
    const Item* first = item(match->second.operands.front());
    if (first == nullptr) return error(node, "an operand that no node before it makes");
    if (std::holds_alternative<Activation>(*first)) return match->second.emit(*this, node, match->second);
    return error(node, "the operand of a composition is no activation");
  }
  for (const std::string& name : node.inputs) {
    if (!name.empty() && item(name) == nullptr)
      return error(node, fmt::format("{} is made by no node before it", name),
                   "nodes of an ONNX graph stand in order");
  }
  if (std::optional<Result<Constant>> folded = fold(*this, node)) {
    if (!folded->ok()) return folded->take_error();
    set(node.outputs.front(), **folded);
    return {};
  }
  for (const Operator& op : kOperators) {
    if (op.domain == node.domain && op.op_type == node.op_type) return op.handler(*this, node);
  }
  return error(node, "the operator is not supported",
               fmt::format("supported: {}", fmt::join(supported_operators(), ", ")));
}

Status Importer::add_outputs() {
  std::set<std::string> taken;
  for (const OnnxValueInfo& output : file_.outputs()) {
    const Item* found = item(output.name);
    const auto fail = [&](std::string what) { return value_error(output, "output", std::move(what)); };
    if (found == nullptr) return fail("no node makes it");
    const Activation* activation = std::get_if<Activation>(found);
    if (activation == nullptr) return fail("is a constant, past keys or values, or scores of an attention");
    if (is_cache(activation->value)) {
      RDU_CHECK_OK(set_present(output, *activation));
      continue;
    }
    if (!activation->view.is_plain()) return fail("its elements do not lie in order: it ends in a transpose");
    ValueId id = activation->value;
    if (!value(id).producer || !taken.insert(value(id).name).second) {
      builder_->set_layer(std::nullopt);
      RDU_ASSIGN(id, builder_->add(OpKind::kScale, unique_name(output.name), {id}, {{"scale", 1.0}}));
    }
    builder_->set_role(id, SymbolRole::kOutput);
    import_.outputs.push_back({output.name, value(id).name, activation->view.dims()});
  }
  if (import_.outputs.empty()) {
    return Error{ErrorCode::kInvalidInput, file_.path(), "the graph has no outputs", ""};
  }
  return check_caches();
}

Error Importer::value_error(const OnnxValueInfo& value, const char* kind, std::string what,
                            std::string hint) const {
  return Error{ErrorCode::kUnsupported,
               fmt::format("{} at byte {}, {} {}", file_.path(), value.file_offset, kind, value.name),
               std::move(what), std::move(hint)};
}

std::string Importer::unique_name(const std::string& wanted) {
  const int64_t times = names_[wanted]++;
  return times == 0 ? wanted : unique_name(fmt::format("{}~{}", wanted, times));
}

Error Importer::error(const OnnxNode& node, std::string what, std::string hint) const {
  const std::string op = node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
  const std::string& name = !node.name.empty() || node.outputs.empty() ? node.name : node.outputs.front();
  return Error{ErrorCode::kUnsupported,
               fmt::format("{} at byte {}, node {} ({})", file_.path(), node.file_offset, name, op),
               std::move(what), std::move(hint)};
}

Result<ValueId> Importer::add(const OnnxNode& node, OpKind op, std::vector<ValueId> inputs,
                              std::vector<Attribute> attributes, size_t of, const std::string& suffix) {
  const bool reads_cache = op != OpKind::kAttention && std::any_of(inputs.begin(), inputs.end(),
                                                                   [this](ValueId i) { return is_cache(i); });
  if (reads_cache) return error(node, "past and new keys or values, which only an attention can read");
  const std::string& base = of < node.outputs.size() ? node.outputs[of] : node.outputs.front();
  Result<ValueId> id =
      builder_->add(op, unique_name(base + suffix), std::move(inputs), std::move(attributes));
  if (id.ok()) return id;
  return error(node, fmt::format("{}: {}", id.error().where, id.error().what), id.error().hint);
}

Status Importer::emit(const OnnxNode& node, OpKind op, std::vector<ValueId> inputs, const View& view,
                      std::vector<Attribute> attributes) {
  RDU_ASSIGN(const ValueId id, add(node, op, std::move(inputs), std::move(attributes)));
  set(node.outputs.front(), Activation{id, view});
  return {};
}

namespace {

Tensor turned(const Tensor& tensor) {
  Tensor result(tensor.cols(), tensor.rows());
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    for (int64_t c = 0; c < tensor.cols(); ++c) result.at(c, r) = tensor.at(r, c);
  }
  return result;
}

// Rows of a matrix, or columns of a single row.
Tensor part_of(const Tensor& tensor, const std::vector<ColumnRange>& part) {
  const int64_t each = tensor.rows() == 1 ? 1 : tensor.cols();
  int64_t count = 0;
  for (const ColumnRange& range : part) count += range.count;
  Tensor result(tensor.rows() == 1 ? 1 : count, tensor.rows() == 1 ? count : tensor.cols());
  auto to = result.values.begin();
  for (const ColumnRange& range : part)
    to = std::copy_n(tensor.values.begin() + range.first * each, range.count * each, to);
  return result;
}

}  // namespace

Result<Tensor> Import::read(const OnnxFile& file, const std::string& source) const {
  const auto found = sources_.find(source);
  if (found == sources_.end())
    return Error{ErrorCode::kNotFound, file.path(), fmt::format("no tensor {}", source), ""};
  const Source& from = found->second;
  Tensor tensor;
  if (from.stored != nullptr) {
    RDU_ASSIGN(tensor, file.read(*from.stored));
  } else {
    tensor = *from.values;
  }
  if (from.transposed) tensor = turned(tensor);
  return from.part.empty() ? std::move(tensor) : part_of(tensor, from.part);
}

}  // namespace rdusim::models::onnx
