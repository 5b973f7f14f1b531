// How the axes of an ONNX tensor lie in the matrix of a graph's value. Graphs know matrices only (rows are
// tokens, columns features); reshapes and transposes of ONNX move no data but change the view, and a later
// operator asks whether the view is one it can read: whole rows in order, heads side by side, a part of the
// columns.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"

namespace rdusim::models::onnx {

// `size` steps of `stride` elements of the matrix, row-major; stride 0 repeats (expanded axes).
struct Factor {
  int64_t size = 1;
  int64_t stride = 0;
  friend bool operator==(const Factor&, const Factor&) = default;
};

class View {
 public:
  using Axis = std::vector<Factor>;  // outermost first; factors of size 1 are left out

  View() = default;
  // In order: dims over a matrix of as many elements.
  static View plain(const std::vector<int64_t>& dims);
  // Axes of so many steps, each of one stride.
  static View strided(const std::vector<Factor>& axes);

  [[nodiscard]] size_t rank() const { return axes_.size(); }
  [[nodiscard]] const Axis& axis(size_t i) const { return axes_[i]; }
  [[nodiscard]] std::vector<int64_t> dims() const;
  [[nodiscard]] int64_t elements() const;
  // Elements lie in order and none repeats.
  [[nodiscard]] bool is_plain() const;
  // The last axis is a row of `cols` columns, and no row repeats; the rows may lie in any order.
  [[nodiscard]] bool is_of_rows(int64_t cols) const;
  // The rows of such a view in the same order, each with `wider` columns in place of `cols`.
  [[nodiscard]] View with_columns(int64_t cols, int64_t wider) const;
  // The same elements in the same order, whatever the axes.
  [[nodiscard]] bool same_order(const View& other) const;

  // Absent: the view has no such form.
  [[nodiscard]] std::optional<View> reshaped(const std::vector<int64_t>& dims) const;
  [[nodiscard]] View transposed(const std::vector<int64_t>& order) const;
  [[nodiscard]] View unsqueezed(size_t before) const;
  [[nodiscard]] View squeezed(size_t axis) const;
  // Axes of size 1 repeated to `dims`, aligned at the last axis, new axes in front.
  [[nodiscard]] std::optional<View> expanded(const std::vector<int64_t>& dims) const;

  // Entries [begin, begin + count) of an axis that lies within each row of `cols` columns: columns
  // [first, first + width) of every `period` of the matrix (of the row, if the axis is its outermost part),
  // and the view of a matrix that has only these.
  struct Cut {
    int64_t first = 0;
    int64_t width = 0;
    int64_t period = 0;
  };
  [[nodiscard]] std::optional<Cut> cut(size_t axis, int64_t begin, int64_t count, int64_t cols) const;
  [[nodiscard]] View after_cut(size_t axis, int64_t count, const Cut& cut) const;

  friend bool operator==(const View&, const View&) = default;

 private:
  // All factors, neighbours that continue each other joined.
  [[nodiscard]] std::vector<Factor> joined() const;

  std::vector<Axis> axes_;
};

int64_t size_of(const View::Axis& axis);

}  // namespace rdusim::models::onnx
