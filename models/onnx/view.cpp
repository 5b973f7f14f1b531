// See view.h.
#include "models/onnx/view.h"

#include <algorithm>
#include <numeric>

namespace rdusim::models::onnx {

int64_t size_of(const View::Axis& axis) {
  return std::accumulate(axis.begin(), axis.end(), int64_t{1},
                         [](int64_t n, const Factor& factor) { return n * factor.size; });
}

View View::plain(const std::vector<int64_t>& dims) {
  View view;
  view.axes_.resize(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i] != 1) view.axes_[i] = {Factor{dims[i], stride}};
    stride *= dims[i];
  }
  return view;
}

View View::strided(const std::vector<Factor>& axes) {
  View view;
  for (const Factor& axis : axes) view.axes_.push_back(axis.size == 1 ? Axis{} : Axis{axis});
  return view;
}

std::vector<int64_t> View::dims() const {
  std::vector<int64_t> result;
  for (const Axis& axis : axes_) result.push_back(size_of(axis));
  return result;
}

int64_t View::elements() const {
  int64_t n = 1;
  for (const Axis& axis : axes_) n *= size_of(axis);
  return n;
}

std::vector<Factor> View::joined() const {
  std::vector<Factor> all;
  for (const Axis& axis : axes_) {
    for (const Factor& factor : axis) {
      if (!all.empty() && all.back().stride == factor.stride * factor.size && factor.stride != 0) {
        all.back() = {all.back().size * factor.size, factor.stride};
      } else {
        all.push_back(factor);
      }
    }
  }
  return all;
}

bool View::is_plain() const {
  const std::vector<Factor> all = joined();
  return all.empty() || (all.size() == 1 && all.front().stride == 1);
}

bool View::is_of_rows(int64_t cols) const {
  if (axes_.empty()) return false;
  int64_t inside = 1;  // columns of the last axis that were found in order
  for (size_t f = axes_.back().size(); f-- > 0;) {
    if (axes_.back()[f].stride != inside) return false;
    inside *= axes_.back()[f].size;
  }
  if (inside != cols) return false;
  for (size_t i = 0; i + 1 < axes_.size(); ++i) {
    for (const Factor& factor : axes_[i]) {
      if (factor.stride == 0 || factor.stride % cols != 0) return false;
    }
  }
  return true;
}

View View::with_columns(int64_t cols, int64_t wider) const {
  View view = *this;
  for (size_t i = 0; i + 1 < view.axes_.size(); ++i) {
    for (Factor& factor : view.axes_[i]) factor.stride = factor.stride / cols * wider;
  }
  view.axes_.back().clear();
  if (wider != 1) view.axes_.back() = {Factor{wider, 1}};
  return view;
}

bool View::same_order(const View& other) const {
  return joined() == other.joined();
}

std::optional<View> View::reshaped(const std::vector<int64_t>& dims) const {
  std::vector<Factor> rest = joined();  // taken from the back
  View view;
  view.axes_.resize(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    int64_t wanted = dims[i];
    Axis axis;
    while (wanted != 1) {
      if (rest.empty()) return std::nullopt;
      Factor& last = rest.back();
      const int64_t take = std::min(wanted, last.size);
      if (take == 0 || wanted % take != 0 || last.size % take != 0) return std::nullopt;
      axis.insert(axis.begin(), Factor{take, last.stride});
      wanted /= take;
      last = {last.size / take, last.stride * take};
      if (last.size == 1) rest.pop_back();
    }
    view.axes_[i] = std::move(axis);
  }
  if (!rest.empty()) return std::nullopt;
  return view;
}

View View::transposed(const std::vector<int64_t>& order) const {
  View view;
  for (const int64_t axis : order) view.axes_.push_back(axes_[static_cast<size_t>(axis)]);
  return view;
}

View View::unsqueezed(size_t before) const {
  View view = *this;
  view.axes_.insert(view.axes_.begin() + static_cast<std::ptrdiff_t>(before), Axis{});
  return view;
}

View View::squeezed(size_t axis) const {
  View view = *this;
  view.axes_.erase(view.axes_.begin() + static_cast<std::ptrdiff_t>(axis));
  return view;
}

std::optional<View> View::expanded(const std::vector<int64_t>& dims) const {
  const size_t rank = std::max(dims.size(), axes_.size());
  View view = *this;
  view.axes_.insert(view.axes_.begin(), rank - axes_.size(), Axis{});
  for (size_t i = 0; i < dims.size(); ++i) {
    Axis& axis = view.axes_[rank - dims.size() + i];
    const int64_t size = size_of(axis);
    if (dims[i] == 1 || dims[i] == size) continue;
    if (size != 1) return std::nullopt;
    axis = {Factor{dims[i], 0}};
  }
  return view;
}

std::optional<View::Cut> View::cut(size_t axis, int64_t begin, int64_t count, int64_t cols) const {
  const Axis& whole = axes_[axis];
  if (whole.empty()) return begin == 0 && count == 1 ? std::optional(Cut{0, cols, cols}) : std::nullopt;
  if (whole.size() != 1) return std::nullopt;
  const Factor& factor = whole.front();
  const int64_t period = factor.size * factor.stride;
  if (factor.stride == 0 || cols % period != 0) return std::nullopt;
  for (size_t i = 0; i < axes_.size(); ++i) {
    for (const Factor& other : axes_[i]) {
      const bool inside = other.size * other.stride <= factor.stride;
      if (i != axis && !inside && other.stride % period != 0) return std::nullopt;
    }
  }
  return Cut{begin * factor.stride, count * factor.stride, period};
}

View View::after_cut(size_t axis, int64_t count, const Cut& cut) const {
  View view = *this;
  for (size_t i = 0; i < view.axes_.size(); ++i) {
    for (Factor& factor : view.axes_[i]) {
      if (i != axis && factor.stride >= cut.period) factor.stride = factor.stride / cut.period * cut.width;
    }
  }
  Axis& changed = view.axes_[axis];
  if (count == 1) {
    changed.clear();
  } else if (!changed.empty()) {
    changed.front().size = count;
  }
  return view;
}

}  // namespace rdusim::models::onnx
