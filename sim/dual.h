// Dual: a number with its gradient (forward differentiation), over the costs that a closed form is made of.
// Variables are numbered as they come; gradient[i] is d value / d ln(cost i), so of a number that is a sum of
// costs it is what each contributes, and of every time in the closed form the gradient sums to the value
// (Euler: times double when all costs do).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace rdusim::sim {

struct Dual {
  double value = 0;
  std::vector<double> gradient{};  // shorter than others': zeros follow

  Dual() = default;
  Dual(double constant) : value(constant) {}  // NOLINT(google-explicit-constructor): a number is a constant
  Dual(int constant) : value(constant) {}     // NOLINT(google-explicit-constructor)
  static Dual variable(double value, size_t number, double change) {
    Dual x(value);
    x.gradient.resize(number + 1);
    x.gradient[number] = change;
    return x;
  }

  // value = of_value, gradient = by_this * this gradient + by_other * other's.
  [[nodiscard]] Dual combined(double of_value, double by_this, const Dual& other, double by_other) const {
    Dual x(of_value);
    x.gradient.resize(std::max(gradient.size(), other.gradient.size()));
    for (size_t i = 0; i < gradient.size(); ++i) x.gradient[i] = by_this * gradient[i];
    for (size_t i = 0; i < other.gradient.size(); ++i) x.gradient[i] += by_other * other.gradient[i];
    return x;
  }
  Dual& operator+=(const Dual& b) { return *this = combined(value + b.value, 1, b, 1); }
  Dual& operator-=(const Dual& b) { return *this = combined(value - b.value, 1, b, -1); }
  friend Dual operator+(const Dual& a, const Dual& b) { return a.combined(a.value + b.value, 1, b, 1); }
  friend Dual operator-(const Dual& a, const Dual& b) { return a.combined(a.value - b.value, 1, b, -1); }
  friend Dual operator*(const Dual& a, const Dual& b) {
    return a.combined(a.value * b.value, b.value, b, a.value);
  }
  friend Dual operator/(const Dual& a, const Dual& b) {
    return a.combined(a.value / b.value, 1 / b.value, b, -a.value / (b.value * b.value));
  }
  friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  friend bool operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  friend bool operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }
  friend bool operator==(const Dual&, const Dual&) = default;  // the gradient too
};

inline double value_of(double x) {
  return x;
}
inline double value_of(const Dual& x) {
  return x.value;
}

}  // namespace rdusim::sim
