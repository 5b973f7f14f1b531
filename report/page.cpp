#include "report/page.h"

#include <fmt/format.h>

#include "report/table.h"

namespace rdusim::report {
namespace {

// Colours: eight that stay apart for colour-blind readers (after Okabe and Ito), lighter ones in the dark.
constexpr const char* kStyle = R"(
:root{--paper:#fff;--ink:#1b1f24;--faint:#5b6570;--rule:#d9dee4;--c0:#8a93a0;--c1:#b07cc6;--c2:#d55e00;--c3:#0072b2;
--c4:#009e73;--c5:#e69f00;--c6:#56b4e9;--c7:#cc79a7}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e6e9ed;--faint:#9aa4af;--rule:#333a42;--c0:#7d8794;
--c1:#c99ada;--c2:#f0803c;--c3:#4aa3dc;--c4:#35c496;--c5:#f0b840;--c6:#8ccdf2;--c7:#e09cc0}}
@media print{:root{--paper:#fff;--ink:#000;--faint:#444;--rule:#bbb}figure{break-inside:avoid}body{font-size:10pt}
details{display:block}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 3rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2rem 0 .2rem}
p.summary{font-size:1.1rem;margin:.2rem 0 1rem}figure{margin:.6rem 0 1.2rem}figcaption{margin:0 0 .4rem}
svg{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}svg text{fill:var(--ink)}svg .axis{fill:var(--faint)}
.grid{stroke:var(--rule);fill:none}.line{fill:none;stroke-width:2}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.f6{fill:var(--c6)}.f7{fill:var(--c7)}.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem .2rem 0;text-align:left;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600}.n{text-align:right}footer{margin-top:2.5rem;color:var(--faint);font-size:.85rem}
code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.9em;overflow-wrap:anywhere}
)";

std::string manifest_html(const Manifest& manifest) {
  Table files{{"file", "SHA-256"}, {}};
  for (const auto& file : manifest.configs) files.add({file.path, file.sha256});
  return fmt::format("<footer><h2>Made from</h2>\n<p>rdusim {}, seed {}. <code>{}</code></p>\n{}</footer>\n",
                     escape_html(manifest.version), manifest.seed, escape_html(manifest.command),
                     table_html(files));
}

}  // namespace

std::string page_html(const Page& page, const Manifest& manifest) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n<p class=\"summary\">{2}</p>\n",
      escape_html(page.title), kStyle, escape_html(page.summary));
  for (const auto& section : page.sections) {
    html += fmt::format("<section>\n<h2>{}</h2>\n", escape_html(section.heading));
    for (const auto& figure : section.figures) {
      html += fmt::format("<figure>\n<figcaption>{}</figcaption>\n{}</figure>\n",
                          escape_html(figure.sentence), figure.content);
    }
    html += "</section>\n";
  }
  return html + manifest_html(manifest) + "</body>\n</html>\n";
}

}  // namespace rdusim::report
