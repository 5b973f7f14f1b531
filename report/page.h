// One self-contained HTML page: inline style, inline SVG, no script, no network. It reads in the light, in
// the dark and on paper. A content security policy forbids whatever the page does not need (scripts, network,
// frames), so that a hostile name in a result could do nothing even if it were not escaped. What stands on a
// page is put together by its makers (result_page.h, serving.h, studies).
#pragma once

#include <string>
#include <vector>

#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::report {

struct Figure {
  std::string sentence;  // what the figure shows, drawn from its data; plain text
  std::string content;   // SVG or table_html; HTML
};

struct PageSection {
  std::string heading;
  std::vector<Figure> figures;
};

// What a reader wants to know first: "How long?" and the answer. Plain text.
struct Answer {
  std::string question;
  std::string text;
};

struct Page {
  std::string title;
  std::string summary;  // one or two sentences: how long, why; plain text
  std::vector<PageSection> sections;
  std::vector<Answer> answers{};  // below the summary, before any figure
};

std::string page_html(const Page& page, const Manifest& manifest);
// Of results that were made apart: each manifest by the name of its file.
struct NamedManifest {
  std::string name;
  Manifest manifest;
};
std::string page_html(const Page& page, const std::vector<NamedManifest>& manifests);

// A table as a figure, with a link that saves it as CSV (a data: address; `file` is the proposed name).
Figure table_figure(std::string sentence, const Table& table, const std::string& file);

}  // namespace rdusim::report
