// Quantities with a unit in their type. Only meaningful operators exist: bytes add to bytes, bytes over a
// bandwidth give time, and nothing adds cycles to bytes. Sources that must not compile are in
// tests/must_not_compile.
#pragma once

#include <compare>
#include <cstdint>

namespace rdusim {

template <typename Tag>
struct Quantity {
  int64_t value = 0;

  constexpr Quantity() = default;
  constexpr explicit Quantity(int64_t v) : value(v) {}

  constexpr Quantity& operator+=(Quantity other) { return value += other.value, *this; }
  constexpr Quantity& operator-=(Quantity other) { return value -= other.value, *this; }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.value + b.value); }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.value - b.value); }
  friend constexpr Quantity operator*(Quantity a, int64_t n) { return Quantity(a.value * n); }
  friend constexpr Quantity operator*(int64_t n, Quantity a) { return Quantity(a.value * n); }
  friend constexpr auto operator<=>(Quantity, Quantity) = default;
};

using Cycles = Quantity<struct CyclesTag>;            // of the chip clock
using Picoseconds = Quantity<struct PicosecondsTag>;  // simulated time of the runtime
using Bytes = Quantity<struct BytesTag>;
using Flops = Quantity<struct FlopsTag>;  // one multiply-accumulate is two

struct BytesPerSecond {
  double value = 0;
  friend constexpr auto operator<=>(BytesPerSecond, BytesPerSecond) = default;
};

constexpr double seconds(Picoseconds t) {
  return static_cast<double>(t.value) * 1e-12;
}
// Rounds to the nearest picosecond; |s| below 10^6 s.
constexpr Picoseconds picoseconds_from_seconds(double s) {
  return Picoseconds(static_cast<int64_t>(s * 1e12 + (s < 0 ? -0.5 : 0.5)));
}
constexpr Picoseconds transfer_time(Bytes bytes, BytesPerSecond bandwidth) {
  return picoseconds_from_seconds(static_cast<double>(bytes.value) / bandwidth.value);
}

}  // namespace rdusim
