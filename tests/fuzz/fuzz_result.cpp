// libFuzzer target: a result file as `rdusim report` takes it, from text to page. Whatever a page is made of,
// no element of the file's own gets through.
// fuzz-libraries: rdusim_report
#include <string_view>

#include "base/check.h"
#include "report/result_page.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rdusim;
  const std::string text(reinterpret_cast<const char*>(data), size);
  report::ResultFile file;
  file.name = "result.json";
  if (size > 0 && data[0] == '{') {
    auto document =
        read_json_text(text, "result.json", {.max_bytes = 1 << 20, .max_depth = 32, .max_nodes = 20'000});
    if (!document.ok()) return 0;
    file.root = std::move(*document);
  } else {
    auto table = parse_csv(text, "result.csv");
    if (!table.ok()) return 0;
    file.table = std::move(*table);
    file.is_table = true;
  }
  const auto page = report::result_page({file});
  if (!page.ok()) {
    RDU_CHECK(!page.error().where.empty(), "{}", page.error().to_string());
    return 0;
  }
  const std::string html = report::page_html(*page, report::Manifest{});
  RDU_CHECK(html.find("<script") == std::string::npos && html.find("<img") == std::string::npos,
            "an element got through");
  return 0;
}
