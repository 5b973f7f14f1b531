// One drawing as SVG text. Everything a caller passes as text (labels, tips) is escaped; classes and paths
// are the caller's own. Colours are classes of the page's style (page_style.h), so that a drawing follows the
// reader's light or dark setting and prints. What a reader can hover is an SVG <title>: no script.
#pragma once

#include <string>
#include <string_view>

namespace rdusim::report {

enum class Anchor { kStart, kMiddle, kEnd };

class Svg {
 public:
  // Units of the drawing; the page scales it to its column.
  static constexpr double kWidth = 760;

  Svg(std::string_view title, double height);

  void rect(double x, double y, double width, double height, std::string_view css, std::string_view tip = {});
  void line(double x1, double y1, double x2, double y2, std::string_view css);
  // `commands`: the d attribute.
  void path(std::string_view commands, std::string_view css, std::string_view tip = {});
  void circle(double x, double y, double radius, std::string_view css, std::string_view tip = {});
  void text(double x, double y, Anchor anchor, std::string_view text, std::string_view css = {});
  // Along the left side, read from below.
  void upright_text(double x, double y, std::string_view text, std::string_view css = {});
  // Drawings of the caller's own, with nothing of a user's in them.
  void raw(std::string_view svg) { body_ += svg; }

  [[nodiscard]] std::string finish() const;

 private:
  std::string head_;
  std::string body_;
};

// Estimate of the drawn width at the page's font of 12 units: wide enough that labels placed by it do not
// touch.
double text_width(std::string_view text);
// `text`, or as many of its first characters as fit with an ellipsis.
std::string fitted(std::string_view text, double width);

}  // namespace rdusim::report
