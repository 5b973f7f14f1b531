// Operators that move nothing: they change the view, or take columns or rows of a matrix. And Gather, which
// is an embedding where it reads a constant table.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "compiler/graph/graph.h"
#include "models/onnx/importer.h"

namespace rdusim::models::onnx {
namespace {

using compiler::OpKind;

struct Operand {
  std::string name;
  Activation x;
};
Result<Operand> first_operand(const Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  RDU_ASSIGN(const Activation x, importer.activation(node, name));
  return Operand{name, x};
}

// An axis counted from the front; negative ones count from the end.
Result<size_t> axis_of(const Importer& importer, const OnnxNode& node, int64_t axis, size_t rank) {
  const auto all = static_cast<int64_t>(rank);
  if (axis >= -all && axis < all) return static_cast<size_t>(axis < 0 ? axis + all : axis);
  return importer.error(node, fmt::format("axis {} of {}", axis, rank));
}

// Axes that stand in an attribute (older opsets) or in operand `i`.
Result<std::vector<int64_t>> listed(const Importer& importer, const OnnxNode& node, const char* attribute,
                                    size_t i) {
  if (const OnnxAttribute* given = node.find(attribute)) return given->integers;
  if (importer.operand(node, i) == nullptr) return std::vector<int64_t>{};
  return importer.integers(node, node.inputs[i]);
}

Status keep(Importer& importer, const OnnxNode& node, const Activation& x, View view) {
  importer.set(node.outputs.front(), Activation{x.value, std::move(view)});
  return {};
}

Status reshape(Importer& importer, const OnnxNode& node, const Activation& x,
               const std::vector<int64_t>& dims) {
  if (std::optional<View> view = x.view.reshaped(dims)) return keep(importer, node, x, std::move(*view));
  return importer.error(node, fmt::format("[{}] as [{}]: the elements do not lie so",
                                          fmt::join(x.view.dims(), ","), fmt::join(dims, ",")));
}

// Columns of a cut: a range, or ranges side by side (unpack.cpp takes them for rows of a product's weights).
Result<ValueId> cut_columns(Importer& importer, const OnnxNode& node, ValueId x, const View::Cut& cut,
                            size_t of) {
  const int64_t parts = importer.value(x).shape.cols() / cut.period;
  constexpr int64_t kMostParts = 512;  // assumed: of more heads no published model is
  if (parts > kMostParts)
    return importer.error(node, fmt::format("columns in {} ranges", parts), "supported: 512 heads in turn");
  std::optional<ValueId> all;
  for (int64_t part = 0; part < parts; ++part) {
    RDU_ASSIGN(const ValueId range,
               importer.add(node, OpKind::kSliceCols, {x},
                            {{"begin", part * cut.period + cut.first}, {"count", cut.width}}, of));
    if (!all) {
      all = range;
      continue;
    }
    RDU_ASSIGN(all, importer.add(node, OpKind::kConcatCols, {*all, range}, {}, of));
  }
  return *all;
}

// Entries [begin, begin + count) of an axis, as output `of`: a part of the columns, or the first or last
// token.
Status take_part(Importer& importer, const OnnxNode& node, const Activation& x, size_t axis, int64_t begin,
                 int64_t count, size_t of) {
  const compiler::Value& value = importer.value(x.value);
  const int64_t cols = value.shape.cols();
  const int64_t size = size_of(x.view.axis(axis));
  if (begin < 0 || count < 1 || begin + count > size)
    return importer.error(node, fmt::format("entries {} to {} of {}", begin, begin + count, size));
  const std::string& name = node.outputs[of];
  if (count == size) {
    importer.set(name, x);
    return {};
  }
  if (const auto cut = x.view.cut(axis, begin, count, cols)) {
    RDU_ASSIGN(const ValueId part, cut_columns(importer, node, x.value, *cut, of));
    importer.set(name, Activation{part, x.view.after_cut(axis, count, *cut)});
    return {};
  }
  const int64_t tokens = importer.tokens();
  const View::Axis& at = x.view.axis(axis);
  const bool token =
      at.size() == 1 && at.front() == Factor{tokens, cols} && value.shape.rows() == importer.batch() * tokens;
  const bool edge = count == 1 && (begin == 0 || begin == tokens - 1);
  if (!token || !edge)
    return importer.error(
        node, fmt::format("entries {} to {} of axis {}", begin, begin + count, axis),
        "supported: a part of the columns, heads of a packed projection, the first or last token");
  RDU_ASSIGN(const ValueId row, importer.add(node, begin == 0 ? OpKind::kFirstToken : OpKind::kLastToken,
                                             {x.value}, {{"query_tokens", tokens}}, of));
  // Axes in order stay so when the other tokens are gone.
  if (!x.view.is_plain()) return importer.error(node, "a token of an activation whose axes are turned");
  std::vector<int64_t> dims = x.view.dims();
  dims[axis] = 1;
  importer.set(name, Activation{row, View::plain(dims)});
  return {};
}

Status squeeze_axis(Importer& importer, const std::string& name, size_t axis) {
  Activation x = std::get<Activation>(*importer.item(name));
  x.view = x.view.squeezed(axis);
  importer.set(name, std::move(x));
  return {};
}

}  // namespace

Status import_identity(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  importer.set(node.outputs.front(), Item(*importer.item(name)));
  return {};
}

// Between kinds of real numbers: activations have the type that the request gives them.
Status import_cast(Importer& importer, const OnnxNode& node) {
  const int64_t to = node.integer("to", 1);
  const bool real = to == 1 || to == 10 || to == 11 || to == 16;
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  const auto* x = std::get_if<Activation>(importer.item(name));
  const bool from_real = x == nullptr || importer.value(x->value).dtype != DType::kInt32;
  if (real != from_real) return importer.error(node, "a cast between integers and real numbers");
  return import_identity(importer, node);
}

Status import_reshape(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(const std::string shape, importer.required(node, 1));
  RDU_ASSIGN(std::vector<int64_t> dims, importer.integers(node, shape));
  const std::vector<int64_t> from = of.x.view.dims();
  int64_t known = 1;
  int64_t open = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && node.integer("allowzero", 0) == 0 && i < from.size()) dims[i] = from[i];
    if (dims[i] == -1 && open < 0)
      open = static_cast<int64_t>(i);
    else if (dims[i] < 1)
      return importer.error(node, fmt::format("dimension {} is {}", i, dims[i]));
    else if (dims[i] > of.x.view.elements() / known)
      return importer.error(node, fmt::format("[{}] is more than there is", fmt::join(dims, ",")));
    else
      known *= dims[i];
  }
  if (open >= 0) dims[static_cast<size_t>(open)] = of.x.view.elements() / known;
  return reshape(importer, node, of.x, dims);
}

Status import_flatten(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  const std::vector<int64_t> dims = of.x.view.dims();
  const int64_t axis = node.integer("axis", 1);
  const auto rank = static_cast<int64_t>(dims.size());
  if (axis < -rank || axis > rank) return importer.error(node, fmt::format("axis {} of {}", axis, rank));
  const int64_t at = axis < 0 ? axis + rank : axis;
  std::vector<int64_t> flat = {1, 1};
  for (int64_t i = 0; i < rank; ++i) flat[i < at ? 0 : 1] *= dims[static_cast<size_t>(i)];
  return reshape(importer, node, of.x, flat);
}

Status import_transpose(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  std::vector<int64_t> order(of.x.view.rank());
  std::iota(order.rbegin(), order.rend(), 0);
  if (const OnnxAttribute* given = node.find("perm")) {
    std::vector<int64_t> sorted = given->integers;
    std::sort(sorted.begin(), sorted.end());
    std::reverse(sorted.begin(), sorted.end());
    if (sorted != order) return importer.error(node, "perm is no order of the axes");
    order = given->integers;
  }
  return keep(importer, node, of.x, of.x.view.transposed(order));
}

Status import_unsqueeze(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(const std::vector<int64_t> axes, listed(importer, node, "axes", 1));
  const size_t rank = of.x.view.rank() + axes.size();
  std::vector<size_t> places;
  for (const int64_t axis : axes) {
    RDU_ASSIGN(const size_t place, axis_of(importer, node, axis, rank));
    places.push_back(place);
  }
  std::sort(places.begin(), places.end());
  View view = of.x.view;
  for (const size_t place : places) {
    if (place > view.rank()) return importer.error(node, "the axes leave a gap");
    view = view.unsqueezed(place);
  }
  return keep(importer, node, of.x, std::move(view));
}

Status import_squeeze(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(const std::vector<int64_t> axes, listed(importer, node, "axes", 1));
  std::vector<bool> dropped(of.x.view.rank());
  for (const int64_t axis : axes) {
    RDU_ASSIGN(const size_t place, axis_of(importer, node, axis, of.x.view.rank()));
    if (size_of(of.x.view.axis(place)) != 1)
      return importer.error(node, fmt::format("axis {} is not 1", axis));
    dropped[place] = true;
  }
  View view = of.x.view;
  for (size_t i = view.rank(); i-- > 0;) {
    if (axes.empty() ? size_of(view.axis(i)) == 1 : dropped[i]) view = view.squeezed(i);
  }
  return keep(importer, node, of.x, std::move(view));
}

Status import_expand(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(const std::string shape, importer.required(node, 1));
  RDU_ASSIGN(const std::vector<int64_t> dims, importer.integers(node, shape));
  constexpr int64_t kMost = int64_t{1} << 20;  // an axis: far beyond any group of heads
  const bool sane = std::all_of(dims.begin(), dims.end(), [](int64_t d) { return d >= 1 && d <= kMost; });
  if (std::optional<View> view = sane ? of.x.view.expanded(dims) : std::nullopt)
    return keep(importer, node, of.x, std::move(*view));
  return importer.error(
      node, fmt::format("[{}] expanded to [{}]", fmt::join(of.x.view.dims(), ","), fmt::join(dims, ",")));
}

Status import_split(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(const size_t axis, axis_of(importer, node, node.integer("axis", 0), of.x.view.rank()));
  RDU_ASSIGN(std::vector<int64_t> sizes, listed(importer, node, "split", 1));
  const int64_t size = size_of(of.x.view.axis(axis));
  const auto parts = static_cast<int64_t>(node.outputs.size());
  if (sizes.empty()) {
    const int64_t each = (size + parts - 1) / parts;
    for (int64_t begin = 0; begin < size; begin += each) sizes.push_back(std::min(each, size - begin));
  }
  if (sizes.size() != node.outputs.size()) return importer.error(node, "sizes and outputs are not as many");
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    RDU_CHECK_OK(take_part(importer, node, of.x, axis, begin, sizes[i], i));
    begin += sizes[i];
  }
  return {};
}

Status import_slice(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(const std::vector<int64_t> starts, listed(importer, node, "starts", 1));
  RDU_ASSIGN(const std::vector<int64_t> ends, listed(importer, node, "ends", 2));
  RDU_ASSIGN(const std::vector<int64_t> axes, listed(importer, node, "axes", 3));
  RDU_ASSIGN(const std::vector<int64_t> steps, listed(importer, node, "steps", 4));
  if (starts.size() != 1 || ends.size() != 1 || axes.size() > 1)
    return importer.error(node, "a slice of several axes at once");
  if (!steps.empty() && steps != std::vector<int64_t>{1}) return importer.error(node, "a slice with steps");
  RDU_ASSIGN(const size_t axis, axis_of(importer, node, axes.empty() ? 0 : axes.front(), of.x.view.rank()));
  const int64_t size = size_of(of.x.view.axis(axis));
  const auto place = [size](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  const int64_t begin = place(starts.front());
  return take_part(importer, node, of.x, axis, begin, place(ends.front()) - begin, 0);
}

Status import_gather(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string table, importer.required(node, 0));
  RDU_ASSIGN(const std::string at, importer.required(node, 1));
  const int64_t axis = node.integer("axis", 0);
  const auto* rows = std::get_if<Constant>(importer.item(table));
  if (rows != nullptr) {
    RDU_ASSIGN(const Activation ids, importer.activation(node, at));
    if (axis != 0 || rows->dims.size() != 2 || importer.value(ids.value).dtype != DType::kInt32)
      return importer.error(node, "a look-up other than of rows of a matrix by integers");
    RDU_ASSIGN(const ValueId weight, importer.weight(node, table, false));
    std::vector<int64_t> dims = ids.view.dims();
    dims.push_back(rows->dims[1]);
    return importer.emit(node, OpKind::kEmbedding, {ids.value, weight}, View::plain(dims));
  }
  RDU_ASSIGN(const Activation x, importer.activation(node, table));
  RDU_ASSIGN(const std::vector<int64_t> index, importer.integers(node, at));
  RDU_ASSIGN(const size_t place, axis_of(importer, node, axis, x.view.rank()));
  if (index.size() != 1) return importer.error(node, "several entries of an activation by number");
  const int64_t begin = index.front() < 0 ? index.front() + size_of(x.view.axis(place)) : index.front();
  RDU_CHECK_OK(take_part(importer, node, x, place, begin, 1, 0));
  if (!dims_of(*importer.item(at)).empty()) return {};
  return squeeze_axis(importer, node.outputs.front(), place);
}

Status import_concat(Importer& importer, const OnnxNode& node) {
  if (const Item* first = importer.operand(node, 0); first != nullptr && std::holds_alternative<Past>(*first))
    return importer.join_past(node, Past(std::get<Past>(*first)));
  RDU_ASSIGN(const Operand of, first_operand(importer, node));
  RDU_ASSIGN(Activation all, importer.whole_rows(node, of.name));
  RDU_ASSIGN(const size_t axis, axis_of(importer, node, node.integer("axis", 0), all.view.rank()));
  if (axis + 1 != all.view.rank())
    return importer.error(node, "activations joined along another axis than the last");
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    RDU_ASSIGN(const Activation next, importer.whole_rows(node, node.inputs[i]));
    const int64_t cols = importer.value(all.value).shape.cols();
    const int64_t more = importer.value(next.value).shape.cols();
    if (all.view.with_columns(cols, 1) != next.view.with_columns(more, 1))
      return importer.error(node, "activations joined whose rows lie in other orders");
    const bool last = i + 1 == node.inputs.size();
    RDU_ASSIGN(all.value, importer.add(node, OpKind::kConcatCols, {all.value, next.value}, {}, 0,
                                       last ? "" : fmt::format(".{}", i)));
    all.view = all.view.with_columns(cols, cols + more);
  }
  importer.set(node.outputs.front(), all);
  return {};
}

}  // namespace rdusim::models::onnx
