// IndexedHeap: a 4-ary heap of ids by key, in which any id's key can change. Equal keys: the smaller id
// first, so the order never depends on history. No allocation after construction.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace rdusim::runtime {

class IndexedHeap {
 public:
  explicit IndexedHeap(size_t ids) : place_(ids), keys_(ids) { heap_.reserve(ids); }

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] bool contains(ExpertId id) const { return place_[id.value].has_value(); }
  [[nodiscard]] int64_t key(ExpertId id) const { return keys_[id.value]; }
  [[nodiscard]] std::optional<ExpertId> top() const {
    if (heap_.empty()) return std::nullopt;
    return ExpertId(heap_.front());
  }
  // Puts the id in, or changes its key.
  void set(ExpertId id, int64_t key) {
    auto& place = place_[id.value];
    if (!place) {
      place = static_cast<uint32_t>(heap_.size());
      heap_.push_back(id.value);
    }
    keys_[id.value] = key;
    sink(rise(*place));
  }
  void remove(ExpertId id) {
    const auto place = place_[id.value];
    if (!place) return;
    const uint32_t last = heap_.back();
    heap_.pop_back();
    place_[id.value].reset();
    if (last == id.value) return;
    put(*place, last);
    sink(rise(*place));
  }
  // The first `count` in order, appended to `out`.
  void smallest(size_t count, std::vector<ExpertId>& out) const {
    frontier_.clear();
    if (!heap_.empty()) frontier_.push_back(0);
    const auto later = [this](uint32_t a, uint32_t b) { return before(heap_[b], heap_[a]); };
    while (count-- > 0 && !frontier_.empty()) {
      std::pop_heap(frontier_.begin(), frontier_.end(), later);
      const uint32_t at = frontier_.back();
      frontier_.pop_back();
      out.emplace_back(heap_[at]);
      for (size_t child = 4 * size_t{at} + 1; child <= 4 * size_t{at} + 4 && child < heap_.size(); ++child) {
        frontier_.push_back(static_cast<uint32_t>(child));
        std::push_heap(frontier_.begin(), frontier_.end(), later);
      }
    }
  }

 private:
  [[nodiscard]] bool before(uint32_t a, uint32_t b) const {
    return keys_[a] != keys_[b] ? keys_[a] < keys_[b] : a < b;
  }
  void put(size_t at, uint32_t id) {
    heap_[at] = id;
    place_[id] = static_cast<uint32_t>(at);
  }
  size_t rise(size_t at) {
    const uint32_t id = heap_[at];
    while (at > 0) {
      const size_t parent = (at - 1) / 4;
      if (!before(id, heap_[parent])) break;
      put(at, heap_[parent]);
      at = parent;
    }
    put(at, id);
    return at;
  }
  void sink(size_t at) {
    const uint32_t id = heap_[at];
    while (true) {
      const size_t first = 4 * at + 1;
      if (first >= heap_.size()) break;
      size_t least = first;
      for (size_t child = first + 1; child < std::min(first + 4, heap_.size()); ++child) {
        if (before(heap_[child], heap_[least])) least = child;
      }
      if (!before(heap_[least], id)) break;
      put(at, heap_[least]);
      at = least;
    }
    put(at, id);
  }

  std::vector<uint32_t> heap_;
  std::vector<std::optional<uint32_t>> place_;
  std::vector<int64_t> keys_;
  mutable std::vector<uint32_t> frontier_;
};

}  // namespace rdusim::runtime
