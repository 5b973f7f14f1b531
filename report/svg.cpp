#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/table.h"

namespace rdusim::report {
namespace {

// Digits of Segoe UI, Roboto and Arial at 12 units are 6.5 to 6.7 wide, lower case text 6.0 in the mean.
constexpr double kLetterWidth = 6.6;

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

std::string_view anchor_name(Anchor anchor) {
  if (anchor == Anchor::kStart) return "start";
  return anchor == Anchor::kMiddle ? "middle" : "end";
}

std::string closed(std::string_view element, std::string_view tip) {
  if (tip.empty()) return "/>\n";
  return fmt::format("><title>{}</title></{}>\n", escape_html(tip), element);
}

}  // namespace

Svg::Svg(std::string_view title, double height)
    : head_(fmt::format(
          "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n", kWidth,
          height, escape_html(title), escape_html(title))) {}

void Svg::rect(double x, double y, double width, double height, std::string_view css, std::string_view tip) {
  body_ += fmt::format("<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\"", css,
                       x, y, width, height) +
           closed("rect", tip);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css) {
  body_ += fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", css, x1, y1, x2, y2);
}

void Svg::path(std::string_view commands, std::string_view css, std::string_view tip) {
  body_ += fmt::format("<path class=\"{}\" d=\"{}\"", css, commands) + closed("path", tip);
}

void Svg::circle(double x, double y, double radius, std::string_view css, std::string_view tip) {
  body_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"", css, x, y, radius) +
           closed("circle", tip);
}

void Svg::text(double x, double y, Anchor anchor, std::string_view text, std::string_view css) {
  body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                       anchor_name(anchor), css.empty() ? "" : fmt::format(" class=\"{}\"", css),
                       escape_html(text));
}

void Svg::upright_text(double x, double y, std::string_view text, std::string_view css) {
  body_ += fmt::format(
      "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"middle\"{}>{}</text>\n", x, y,
      css.empty() ? "" : fmt::format(" class=\"{}\"", css), escape_html(text));
}

std::string Svg::finish() const {
  return head_ + body_ + "</svg>\n";
}

double text_width(std::string_view text) {
  return kLetterWidth * static_cast<double>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string fitted(std::string_view text, double width) {
  if (text_width(text) <= width) return std::string(text);
  // In floating point: a width computed from numbers beyond all bounds is no integer.
  const double most = std::floor(width / kLetterWidth) - 1;
  double characters = 0;
  size_t end = 0;
  while (end < text.size()) {
    if (begins_character(text[end]) && characters++ >= most) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace rdusim::report
