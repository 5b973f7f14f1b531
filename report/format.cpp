#include "report/format.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace rdusim::report {
namespace {

struct Prefix {
  double scale;
  std::string_view name;
};
constexpr std::array<Prefix, 9> kPrefixes{{{1e15, "P"},
                                           {1e12, "T"},
                                           {1e9, "G"},
                                           {1e6, "M"},
                                           {1e3, "k"},
                                           {1.0, ""},
                                           {1e-3, "m"},
                                           {1e-6, "µ"},
                                           {1e-9, "n"}}};
constexpr size_t kUnity = 5;  // position of the empty prefix

// Three significant digits; no exponent for what the prefixes leave (below 1000).
std::string three_digits(double value) {
  const double size = std::fabs(value);
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

// With the largest prefix that leaves at least 1. `first` and `last` bound the prefixes used.
std::string with_prefix(double value, std::string_view unit, size_t first, size_t last) {
  if (!std::isfinite(value)) return "–";
  if (value == 0) return fmt::format("0 {}", unit);
  for (size_t i = first; i <= last; ++i) {
    // 0.9995 of the next prefix would print as "1000".
    if (std::fabs(value) < kPrefixes[i].scale * 0.9995 && i < last) continue;
    return fmt::format("{} {}{}", three_digits(value / kPrefixes[i].scale), kPrefixes[i].name, unit);
  }
  return fmt::format("{} {}", value, unit);
}

}  // namespace

std::string format_time(double time_s) {
  return with_prefix(time_s, "s", kUnity, kPrefixes.size() - 1);
}

std::string format_bytes(double bytes) {
  if (std::fabs(bytes) < 1000 && bytes == std::floor(bytes)) return fmt::format("{:.0f} B", bytes);
  return with_prefix(bytes, "B", 0, kUnity);
}

std::string format_bandwidth(double bytes_per_s) {
  return with_prefix(bytes_per_s, "B/s", 0, kUnity);
}

std::string format_flops(double flops) {
  return with_prefix(flops, "FLOP", 0, kUnity);
}

std::string format_count(int64_t count) {
  const std::string digits = fmt::format("{}", count);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t left = digits.size() - i;
    const bool after_digit = i > 0 && digits[i - 1] != '-';
    if (after_digit && left % 3 == 0) grouped += ' ';
    grouped += digits[i];
  }
  return grouped;
}

std::string format_amount(double value) {
  constexpr double kExact = 9e15;  // whole numbers below it are exact
  const bool whole = std::fabs(value) < kExact && value == std::floor(value);
  return whole ? format_count(static_cast<int64_t>(value)) : format_number(value);
}

std::string format_number(double value) {
  if (!std::isfinite(value)) return "–";
  if (value != 0 && std::fabs(value) < 0.01) return fmt::format("{:.3g}", value);
  return three_digits(value);
}

std::string format_percent(double share) {
  if (!std::isfinite(share)) return "–";
  const double percent = share * 100;
  if (percent == 0) return "0 %";
  if (std::fabs(percent) < 1) return fmt::format("{:.1f} %", percent);
  return fmt::format("{:.0f} %", percent);
}

std::string format_ratio(double ratio) {
  if (!std::isfinite(ratio)) return "–";
  return three_digits(ratio) + "×";
}

}  // namespace rdusim::report
