// Result<T>: bad input is a value, never an exception. A bug of ours is a CHECK (base/check.h).
//
// Error says where (file:line:col, JSON key path, tensor name, component path), what is wrong, and a hint
// that tells the user what to do next. Libraries return it; only cli/ prints it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace rdusim {

enum class ErrorCode { kInvalidInput, kNotFound, kUnsupported, kCapacity, kDeadlock, kIo, kOutOfRange };

struct Error {
  ErrorCode code = ErrorCode::kInvalidInput;
  std::string where;  // "configs/chips/sn40l.yaml:12:5", "tensor model.norm.weight", "section layer, unit wo"
  std::string what;   // one sentence, no trailing full stop
  std::string hint;   // what to do about it; may be empty

  [[nodiscard]] std::string to_string() const {
    std::string text = where.empty() ? "error: " + what : where + ": error: " + what;
    if (!hint.empty()) text += "\n  hint: " + hint;
    return text;
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }
  Error take_error() { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success or an error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return *error_; }
  Error take_error() { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace rdusim

#define RDU_CONCAT_INNER(a, b) a##b
#define RDU_CONCAT(a, b) RDU_CONCAT_INNER(a, b)
// Return the error of a Status or Result expression, if it has one.
#define RDU_CHECK_OK(expr)                            \
  do {                                                \
    if (auto rdu_status = (expr); !rdu_status.ok()) { \
      return rdu_status.take_error();                 \
    }                                                 \
  } while (false)
// RDU_ASSIGN(auto x, f()): x = value of f(), or return f()'s error.
#define RDU_ASSIGN(declaration, expr) RDU_ASSIGN_IMPL(RDU_CONCAT(rdu_result_, __LINE__), declaration, expr)
#define RDU_ASSIGN_IMPL(name, declaration, expr) \
  auto name = (expr);                            \
  if (!name.ok()) return name.take_error();      \
  declaration = std::move(name).value()
