// FlatMap: open addressing from a 64-bit key to a small value, for what the event loop looks up at every
// step. No allocation but at growth, no iteration, so nothing depends on the order of its slots.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/serving/archive.h"

namespace rdusim::runtime {

template <typename V>
class FlatMap {
 public:
  FlatMap() : slots_(16) {}

  // Null if absent; valid until the next insertion.
  V* find(uint64_t key) {
    for (size_t at = place(key);; at = (at + 1) & (slots_.size() - 1)) {
      if (!slots_[at].used) return nullptr;
      if (slots_[at].key == key) return &slots_[at].value;
    }
  }
  // The value of the key, default-constructed if it was absent.
  V& operator[](uint64_t key) {
    if (V* known = find(key)) return *known;
    if (++size_ * 2 > slots_.size()) grow();
    return insert(key, V{});
  }
  // Shifts back what the gap would cut off from its place.
  void erase(uint64_t key) {
    const size_t mask = slots_.size() - 1;
    size_t at = place(key);
    while (slots_[at].used && slots_[at].key != key) at = (at + 1) & mask;
    if (!slots_[at].used) return;
    --size_;
    for (size_t next = (at + 1) & mask; slots_[next].used; next = (next + 1) & mask) {
      const size_t home = place(slots_[next].key);
      if (((next - home) & mask) < ((next - at) & mask)) continue;
      slots_[at] = std::move(slots_[next]);
      at = next;
    }
    slots_[at] = {};
  }
  [[nodiscard]] size_t size() const { return size_; }
  void persist(Archive& a) {
    a.pods(slots_);
    a.pod(size_);
  }

 private:
  struct Slot {
    uint64_t key = 0;
    V value{};
    bool used = false;
  };
  [[nodiscard]] size_t place(uint64_t key) const {
    key ^= key >> 31;
    key *= 0x9E3779B97F4A7C15ULL;  // odd, so that no two keys meet before the shift
    return static_cast<size_t>(key >> 32) & (slots_.size() - 1);
  }
  V& insert(uint64_t key, V value) {
    size_t at = place(key);
    while (slots_[at].used) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {key, std::move(value), true};
    return slots_[at].value;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.used) insert(slot.key, std::move(slot.value));
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace rdusim::runtime
