#include "report/page.h"

#include <fmt/format.h>

#include "report/page_style.h"

namespace rdusim::report {
namespace {

std::string manifest_html(const Manifest& manifest) {
  Table files{{"file", "SHA-256"}, {}};
  for (const auto& file : manifest.configs) files.add({file.path, file.sha256});
  return fmt::format("<p>rdusim {}, seed {}. <code>{}</code></p>\n{}", escape_html(manifest.version),
                     manifest.seed, escape_html(manifest.command), table_html(files));
}

std::string answers_html(const std::vector<Answer>& answers) {
  if (answers.empty()) return {};
  std::string html = "<dl class=\"answers\">\n";
  for (const auto& answer : answers)
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape_html(answer.question), escape_html(answer.text));
  return html + "</dl>\n";
}

std::string figure_html(const Figure& figure) {
  const bool table = figure.content.starts_with("<div");
  return fmt::format("<figure{}>\n<figcaption>{}</figcaption>\n{}</figure>\n",
                     table ? " class=\"table\"" : "", escape_html(figure.sentence), figure.content);
}

// Percent-encoded for a data: address inside an attribute.
std::string percent_encoded(const std::string& text) {
  std::string encoded;
  for (const char letter : text) {
    const bool plain = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                       (letter >= 'A' && letter <= 'Z') || letter == '.' || letter == '-' || letter == '_';
    if (plain) {
      encoded += letter;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(letter)));
    }
  }
  return encoded;
}

std::string body_html(const Page& page) {
  std::string html;
  for (const auto& section : page.sections) {
    html += fmt::format("<section>\n<h2>{}</h2>\n", escape_html(section.heading));
    for (const auto& figure : section.figures) html += figure_html(figure);
    html += "</section>\n";
  }
  return html;
}

}  // namespace

std::string page_html(const Page& page, const std::vector<NamedManifest>& manifests) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n<p class=\"summary\">{2}</p>\n",
      escape_html(page.title), page_style(), escape_html(page.summary));
  html += answers_html(page.answers) + body_html(page) + "<footer><h2>Made from</h2>\n";
  for (const auto& [name, manifest] : manifests) {
    if (!name.empty()) html += fmt::format("<p>{}</p>\n", escape_html(name));
    html += manifest_html(manifest);
  }
  return html + "</footer>\n</body>\n</html>\n";
}

std::string page_html(const Page& page, const Manifest& manifest) {
  return page_html(page, std::vector<NamedManifest>{{"", manifest}});
}

Figure table_figure(std::string sentence, const Table& table, const std::string& file) {
  return {std::move(sentence),
          fmt::format(
              "{}<a class=\"save\" download=\"{}\" href=\"data:text/csv;charset=utf-8,{}\">save as CSV</a>\n",
              table_html(table), escape_html(file), percent_encoded(table_csv(table)))};
}

}  // namespace rdusim::report
