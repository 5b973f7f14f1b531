// Archive: the state of a serve under way as bytes. One function a class names its parts, and the same
// function writes them and reads them back, so the two cannot differ:
//
//   void persist(Archive& a) { a.pod(count_); a.pods(queue_); policy_->persist(a); }
//
// Plain structs go as they lie in memory, with their sizes: a checkpoint is for the program that wrote it,
// and another one refuses it. Reading never trusts a length: it is compared with what is left, and the first
// mismatch ends the reading (status()); everything after it is left as it was.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace rdusim::runtime {

class Archive {
 public:
  Archive() : writes_(true) {}
  explicit Archive(std::string_view bytes) : left_(bytes) {}

  [[nodiscard]] bool writes() const { return writes_; }
  [[nodiscard]] bool ok() const { return problem_.empty(); }
  // Ok when everything was read and nothing is left over.
  [[nodiscard]] Status status() const;
  [[nodiscard]] std::string take() && { return std::move(bytes_); }

  template <typename T>
  void pod(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    raw(&value, sizeof value);
  }
  // Of any number.
  template <typename T>
  void pods(std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    const size_t count = length(values.size(), sizeof(T));
    if (!writes_ && ok()) values.resize(count);
    if (ok()) raw(values.data(), count * sizeof(T));
  }
  // Of the number that there is, given by the composition or the workload.
  template <typename T>
  void same(std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    first(values, values.size());
  }
  // The first `count` of them.
  template <typename T>
  void first(std::vector<T>& values, size_t count) {
    if (length(count, sizeof(T)) != count) fail("a list has another length");
    if (ok()) raw(values.data(), count * sizeof(T));
  }
  void bits(std::vector<bool>& values);
  void text(std::string& value);
  // The length of a list whose parts follow one by one, each of `least` bytes or more.
  size_t length(size_t count, size_t least);
  // Stands between sections, so that a slip shows where it happens.
  void mark(const char (&name)[5]);

 private:
  void raw(void* data, size_t size);
  void fail(const char* what) {
    if (problem_.empty()) problem_ = what;
  }

  bool writes_ = false;
  std::string bytes_;
  std::string_view left_;
  std::string problem_;
};

}  // namespace rdusim::runtime
