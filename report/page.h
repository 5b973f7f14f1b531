// One self-contained HTML page: inline style, inline SVG, no script, no network. It reads in the light, in
// the dark and on paper. What stands on it is put together by its makers (serving_page.h).
#pragma once

#include <string>
#include <vector>

#include "report/manifest.h"

namespace rdusim::report {

struct Figure {
  std::string sentence;  // what the figure shows, drawn from its data; plain text
  std::string content;   // SVG or table_html; HTML
};

struct PageSection {
  std::string heading;
  std::vector<Figure> figures;
};

struct Page {
  std::string title;
  std::string summary;  // one or two sentences: how long, why; plain text
  std::vector<PageSection> sections;
};

std::string page_html(const Page& page, const Manifest& manifest);

}  // namespace rdusim::report
