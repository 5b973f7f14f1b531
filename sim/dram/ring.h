// Ring: a first-in-first-out queue in one block of memory that grows by doubling, so that a steady state
// allocates nothing.
#pragma once

#include <cstddef>
#include <vector>

namespace rdusim::sim {

template <typename T>
class Ring {
 public:
  explicit Ring(size_t capacity = 16) : slots_(capacity), mask_(capacity - 1) {}  // a power of two

  [[nodiscard]] bool empty() const { return head_ == tail_; }
  [[nodiscard]] size_t size() const { return tail_ - head_; }
  [[nodiscard]] const T& front() const { return slots_[head_ & mask_]; }
  [[nodiscard]] const T& back() const { return slots_[(tail_ - 1) & mask_]; }
  void push(const T& value) {
    if (tail_ - head_ > mask_) [[unlikely]]
      grow();
    slots_[tail_++ & mask_] = value;
  }
  void pop() { ++head_; }

 private:
  void grow() {
    std::vector<T> larger(slots_.size() * 2);
    const size_t count = size();
    for (size_t i = 0; i < count; ++i) larger[i] = slots_[(head_ + i) & mask_];
    slots_ = std::move(larger);
    mask_ = slots_.size() - 1;
    head_ = 0;
    tail_ = count;
  }
  std::vector<T> slots_;
  size_t mask_ = 0;
  size_t head_ = 0;
  size_t tail_ = 0;
};

}  // namespace rdusim::sim
