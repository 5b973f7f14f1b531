// Members of a result file, which may come from anywhere: a wrong kind, a number out of range, or a missing
// member is an error that says where. The reader keeps the first error and goes on with zeros, so that a view
// is read in one go and the error asked for at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/io/document.h"
#include "base/result.h"

namespace rdusim::report {

class ResultReader {
 public:
  // Required; 0 after an error. Numbers are finite.
  double number(const DocumentNode& owner, std::string_view key);
  int64_t count(const DocumentNode& owner, std::string_view key);  // not negative
  std::string text(const DocumentNode& owner, std::string_view key);
  // 0, "" or false when absent or null.
  double number_or_zero(const DocumentNode& owner, std::string_view key);
  std::string text_or_empty(const DocumentNode& owner, std::string_view key);
  bool flag(const DocumentNode& owner, std::string_view key);
  // Items of a list, members of a map; none when absent or null.
  const std::vector<DocumentNode>& items(const DocumentNode& owner, std::string_view key);
  const std::vector<std::pair<std::string, DocumentNode>>& members(const DocumentNode& owner,
                                                                   std::string_view key);
  double as_number(const DocumentNode& node);
  std::vector<double> numbers(const DocumentNode& owner, std::string_view key);

  void fail(const std::string& where, std::string what);
  [[nodiscard]] bool failed() const { return !status_.ok(); }
  Status status() { return std::move(status_); }

 private:
  template <typename T>
  T take(Result<T> value) {
    if (value.ok()) return std::move(value).value();
    if (status_.ok()) status_ = value.take_error();
    return T();
  }
  const DocumentNode* present(const DocumentNode& owner, std::string_view key) const;
  Status status_;
};

}  // namespace rdusim::report
