#include "sim/pmu/access_walk.h"

#include <algorithm>

namespace rdusim::sim {

bool AccessWalk::next(WalkVector& vector) {
  cells_.clear();
  vector.addresses = 1;
  bool more = false;
  switch (walk_) {
    case Walk::kStream:
      more = next_by_step(vector, 1);
      break;
    case Walk::kRow:
      more = next_by_row(vector);
      break;
    case Walk::kColumn:
      more = next_by_column(vector);
      break;
    case Walk::kStrided:
      more = next_by_step(vector, stride_);
      break;
    case Walk::kGather:
      more = next_gathered(vector);
      break;
  }
  vector.cells = cells_;
  return more;
}

void AccessWalk::add_row_piece(int64_t row, int64_t col, int64_t count) {
  const int64_t cells_each = std::max<int64_t>(1, layout_.element_bytes() / kCellBytes);
  for (int64_t c = col; c < col + count; ++c) {
    const Cell first = layout_.cell(row, c);
    for (int64_t i = 0; i < cells_each; ++i) cells_.push_back(first + static_cast<Cell>(i));
  }
}

bool AccessWalk::next_by_row(WalkVector& vector) {
  if (major_ == layout_.rows()) return false;
  vector.elements = std::min(layout_.elements_per_vector(), layout_.cols() - minor_);
  add_row_piece(major_, minor_, vector.elements);
  minor_ += vector.elements;
  if (minor_ == layout_.cols()) {
    minor_ = 0;
    ++major_;
  }
  return true;
}

bool AccessWalk::next_by_column(WalkVector& vector) {
  if (major_ == layout_.cols()) return false;
  vector.elements = std::min(layout_.elements_per_vector(), layout_.rows() - minor_);
  for (int64_t row = minor_; row < minor_ + vector.elements; ++row) add_row_piece(row, major_, 1);
  minor_ += vector.elements;
  if (minor_ == layout_.rows()) {
    minor_ = 0;
    ++major_;
  }
  return true;
}

bool AccessWalk::next_by_step(WalkVector& vector, int64_t step) {
  const int64_t end = layout_.rows() * layout_.cols();
  vector.elements = 0;
  for (; major_ < end && vector.elements < layout_.elements_per_vector(); major_ += step, ++vector.elements) {
    add_row_piece(major_ / layout_.cols(), major_ % layout_.cols(), 1);
  }
  return vector.elements > 0;
}

bool AccessWalk::next_gathered(WalkVector& vector) {
  const auto count = static_cast<int64_t>(indices_.size());
  if (major_ == count) return false;
  const int64_t per_vector = layout_.elements_per_vector();
  const int64_t rows = std::max<int64_t>(1, std::min(addresses_per_cycle_, per_vector / layout_.cols()));
  vector.addresses = std::min(rows, count - major_);
  if (layout_.cols() > per_vector) {
    vector.elements = std::min(per_vector, layout_.cols() - minor_);
    add_row_piece(indices_[static_cast<size_t>(major_)], minor_, vector.elements);
    minor_ += vector.elements;
    if (minor_ < layout_.cols()) return true;
    minor_ = 0;
    ++major_;
    return true;
  }
  vector.elements = vector.addresses * layout_.cols();
  for (int64_t i = 0; i < vector.addresses; ++i) {
    add_row_piece(indices_[static_cast<size_t>(major_ + i)], 0, layout_.cols());
  }
  major_ += vector.addresses;
  return true;
}

}  // namespace rdusim::sim
