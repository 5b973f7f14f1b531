// CHECK: an invariant of ours. Stays on in release; user input must never reach one. Prints component and
// values and aborts through CheckFailure, which cli/ turns into exit code 3.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace rdusim {

class CheckFailure : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] inline void check_failed(const char* file, int line, const char* expression,
                                      const std::string& text) {
  throw CheckFailure(fmt::format("{}:{}: internal check failed: {}: {}", file, line, expression, text));
}

}  // namespace rdusim

#define RDU_CHECK(condition, ...)                                                       \
  do {                                                                                  \
    if (!(condition)) [[unlikely]] {                                                    \
      ::rdusim::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
    }                                                                                   \
  } while (false)
