// Pages of result files: what they show, and what a hostile or broken file does.
#include "report/result_page.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace rdusim::report {
namespace {

Json small_run() {
  Json section = {{"name", "layer"},   {"launches", 32},
                  {"runs", 32},        {"time_s", 0.8},
                  {"share", 0.8},      {"launch_cycles_per_launch", 1e6},
                  {"bound_by", "hbm"}, {"hbm_bytes_per_s", 1.5e12},
                  {"pcus", 900},       {"pmus", 700},
                  {"flops", 4e9},      {"bytes", {{"hbm", {{"weights", 4e9}}}}}};
  Json head = section;
  head["name"] = "head";
  head["time_s"] = 0.2;
  head["share"] = 0.2;
  head["bound_by"] = "unit head.gemm";
  Json run;
  run["program"] = "llama.decode";
  run["phase"] = "decode";
  run["sockets"] = 8;
  run["batch"] = 1;
  run["context"] = 4096;
  run["fidelity"] = "event";
  run["latency_s"] = 1.0;
  run["tokens_per_second"] = 1.0;
  run["flops_per_s"] = 1e12;
  run["clock_hz"] = 1.6e9;
  run["bytes"] = {{"hbm", {{"weights", 8e12}, {"kv_cache", 1e12}}},
                  {"ddr", Json::object()},
                  {"link", {{"collective", 1e9}}}};
  run["unit_cycles"] = {{"busy", 30}, {"starved", 20}, {"blocked", 10}, {"launching", 10}, {"idle", 30}};
  run["sections"] = {section, head};
  run["hardware"] = {{"node", "sn40l-8"},
                     {"sockets", 8},
                     {"flops_per_s", 6.38e14},
                     {"hbm_bytes_per_s", 1.8e12},
                     {"ddr_bytes_per_s", 2e11},
                     {"link_bytes_per_s", 4e11},
                     {"memory", {{{"tier", "hbm"}, {"used_bytes", 2e9}, {"capacity_bytes", 64e9}}}}};
  const Json rows = {"3.", ".."};
  run["floorplan"] = {
      {"rows", 2},
      {"columns", 2},
      {"dies", 1},
      {"tiles", {"PM", "MP"}},
      {"sections",
       {{{"name", "layer"},
         {"units", {{{"name", "wo.gemm"}, {"kind", "gemm"}, {"busy", 0.5}, {"tiles", "0 3"}}}},
         {"stores", {{{"name", "kv"}, {"fill", 0.25}, {"tiles", "1-2"}}}},
         {"links", {{"east", rows}, {"south", rows}, {"west", rows}, {"north", rows}}},
         {"busiest_link", 0.35},
         {"mean_link", 0.35}}}}};
  return run;
}

Result<Page> page_of(const Json& json) {
  auto file = result_of_text("result.json", json_text(json));
  if (!file.ok()) return file.take_error();
  return result_page({*file});
}

std::string html_of(const Json& json) {
  const auto page = page_of(json);
  EXPECT_TRUE(page.ok()) << page.error().to_string();
  return page.ok() ? page_html(*page, Manifest{}) : "";
}

std::string error_of(const Json& json) {
  const auto page = page_of(json);
  return page.ok() ? "no error" : page.error().to_string();
}

TEST(RunPage, AnswersHowLongWhyAndWhatWouldHelp) {
  const auto page = page_of(small_run());
  ASSERT_TRUE(page.ok()) << page.error().to_string();
  ASSERT_EQ(page->answers.size(), 3U);
  EXPECT_NE(page->answers[0].text.find("1.00 s for llama.decode"), std::string::npos);
  // 9 TB on eight sockets of 1.8 TB/s; 32 launches of 1/1600 s of each of the two sections.
  EXPECT_NE(
      page->answers[1].text.find("Busy share: at its peak, HBM alone would take 625 ms, 62 % of the run."),
      std::string::npos)
      << page->answers[1].text;
  EXPECT_NE(page->answers[1].text.find(
                "Section layer takes 80 % of the time (HBM is saturated while it runs); launches take 4 %."),
            std::string::npos)
      << page->answers[1].text;
  EXPECT_NE(page->answers[2].text.find("10 % more HBM bandwidth takes at most 6 % off"), std::string::npos)
      << page->answers[2].text;
}

Json small_why() {
  Json e;
  e["kind"] = "simulate";
  e["program"] = "llama.decode";
  e["fidelity"] = "event";
  e["latency_s"] = 1.0;
  e["bottleneck"] = "hbm";
  e["sentences"] = {"One.", "Two."};
  e["stalls"] = {"198 PCUs of wo.gemm wait 93 % of the runs of section layer for weights"};
  e["resources"] = {{{"resource", "hbm"}, {"cycles", 3}, {"time_s", 0.5}, {"share", 0.5}},
                    {{"resource", "pmu"}, {"cycles", 2}, {"time_s", 0.5001}, {"share", 0.5}},
                    {{"resource", "pcu"}, {"cycles", -1}, {"time_s", -1e-4}, {"share", -1e-4}}};
  e["path"] = {{{"section", "layer"},
                {"unit", "wo"},
                {"step", "hbm_transfer"},
                {"resource", "hbm"},
                {"cycles", 3},
                {"time_s", 0.5},
                {"share", 0.5}}};
  e["parameters"] = {{{"name", "stack launch time"},
                      {"unit", "s"},
                      {"value", 1e-5},
                      {"elasticity", 0.1},
                      {"derivative_s_per_unit", 1},
                      {"gain_of_10_percent_s", 1e-2}},
                     {{"name", "chip.hbm.bandwidth_bytes_per_s"},
                      {"unit", "B/s"},
                      {"value", 1.8e12},
                      {"elasticity", -0.5},
                      {"derivative_s_per_unit", 1},
                      {"gain_of_10_percent_s", 5e-2}}};
  e["bounds"] = {{{"name", "HBM roof"}, {"time_s", 0.625}, {"share_of_reached", 0.625}},
                 {{"name", "reached"}, {"time_s", 1.0}, {"share_of_reached", 1.0}}};
  return e;
}

// Two shares stand on the page of a run that is explained, each under its name.
TEST(RunPage, TellsTheCriticalPathFromTheBusyShare) {
  auto file = result_of_text("result.json", json_text(small_run()));
  const auto why = result_of_text("why.json", json_text(small_why()));
  file->why = std::make_shared<const DocumentNode>(why->root);
  const auto page = result_page({*file});
  ASSERT_TRUE(page.ok()) << page.error().to_string();
  EXPECT_EQ(
      page->answers[1].text,
      "The critical path spends 50 % of the time on HBM, 50 % on reads of operands from PMUs; its longest "
      "step is hbm transfer of wo in section layer (50 %). Busy share: at its peak, HBM alone would take "
      "625 ms, 62 % of the run.");
  EXPECT_NE(page->answers[2].text.find("10 % more HBM bandwidth saves 50.0 ms (5 %); 10 % less launch time"),
            std::string::npos)
      << page->answers[2].text;
  const auto html = page_html(*page, Manifest{});
  for (const char* text :
       {"Share of the critical path", "These shares add up to the run", "Busy share, the ladder of bounds",
        "Shares of several resources overlap", "Critical path by resource", "Bounds of the run"})
    EXPECT_NE(html.find(text), std::string::npos) << text;
}

TEST(RunPage, HasEveryFigure) {
  const auto html = html_of(small_run());
  for (const char* figure :
       {"Bounds of the run", "Time by section", "Roofline of the sections", "What the units do",
        "Bytes by memory and cause", "Floorplan of section layer", "save as CSV", "wo.gemm: 50 % busy"}) {
    EXPECT_NE(html.find(figure), std::string::npos) << figure;
  }
}

TEST(RunPage, ResultsWithoutHardwareOrFloorplanStillHaveAPage) {
  Json run = small_run();
  run.erase("hardware");
  run["floorplan"] = nullptr;
  EXPECT_NE(html_of(run).find("Time by section"), std::string::npos);
}

TEST(RunPage, SeveralRunsStandBesideEachOther) {
  auto slow = small_run();
  slow["program"] = "slow";
  slow["latency_s"] = 3.0;
  const auto a = result_of_text("a.json", json_text(small_run()));
  const auto b = result_of_text("b.json", json_text(slow));
  const auto page = result_page({*a, *b});
  ASSERT_TRUE(page.ok());
  EXPECT_NE(page->sections.front().figures.front().sentence.find("the slowest, slow, 3.00 s: 3.00× as long"),
            std::string::npos);
  EXPECT_EQ(page->answers.front().question, "Which is faster?");
  // Of one title each: the files' names tell them apart.
  const auto same = result_page({*a, *a});
  EXPECT_NE(same->answers.back().question.find("llama.decode (a.json)"), std::string::npos)
      << same->answers.back().question;
}

TEST(ResultPage, NamesOfAFileAreTextWhateverTheySay) {
  Json run = small_run();
  const std::string hostile = "\"><script>alert(1)</script><img src=x onerror=y>";
  run["program"] = hostile;
  run["sections"][0]["name"] = hostile;
  run["sections"][0]["bound_by"] = hostile;
  run["hardware"]["node"] = hostile;
  run["floorplan"]["sections"][0]["name"] = hostile;
  run["floorplan"]["sections"][0]["units"][0]["name"] = hostile;
  const auto html = html_of(run);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
}

TEST(ResultPage, TextThatIsNotUtf8IsReplaced) {
  EXPECT_EQ(escape_html("a\xFF\x01z"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(escape_html("\xC3\xA4\xE2\x82\xAC"), "\xC3\xA4\xE2\x82\xAC");
  EXPECT_EQ(escape_html("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
}

TEST(ResultPage, ABrokenFileIsAnErrorWithItsPlace) {
  Json run = small_run();
  run["latency_s"] = "soon";
  EXPECT_NE(error_of(run).find("result.json:"), std::string::npos) << error_of(run);
  run = small_run();
  run["sections"][0].erase("bound_by");
  EXPECT_NE(error_of(run).find("bound_by"), std::string::npos);
  run = small_run();
  run["floorplan"]["sections"][0]["units"][0]["tiles"] = "0-99";
  EXPECT_NE(error_of(run).find("tiles are not ranges of the mesh"), std::string::npos);
  run = small_run();
  run["floorplan"]["rows"] = int64_t{1} << 40;
  EXPECT_NE(error_of(run).find("a mesh of"), std::string::npos);
  run = small_run();
  run["floorplan"]["sections"][0]["links"]["east"][0] = "x.";
  EXPECT_NE(error_of(run).find("a link's load is"), std::string::npos);
  EXPECT_NE(error_of(Json{{"rows", 1}}).find("it has no manifest"), std::string::npos);
}

TEST(ResultPage, NumbersBeyondAllBoundsAreDrawnOrLeftOut) {
  Json run = small_run();
  for (auto& section : run["sections"]) {
    section["time_s"] = 1.7e308;
    section["flops"] = 1.7e308;
    section["hbm_bytes_per_s"] = -1.0;
  }
  run["latency_s"] = 5e-324;
  run["bytes"]["hbm"]["weights"] = 1.7e308;
  run["bytes"]["hbm"]["kv_cache"] = 1.7e308;
  EXPECT_LT(html_of(run).size(), 1'000'000U);
}

TEST(ExplanationPage, AnswersComeFromThePathAndItsDerivatives) {
  const auto page = page_of(small_why());
  ASSERT_TRUE(page.ok()) << page.error().to_string();
  EXPECT_NE(page->answers[1].text.find("The critical path spends 50 % of the time on HBM"), std::string::npos)
      << page->answers[1].text;
  EXPECT_NE(page->answers[2].text.find(
                "10 % more HBM bandwidth saves 50.0 ms (5 %); 10 % less launch time 10.0 ms (1 %)."),
            std::string::npos)
      << page->answers[2].text;
  const auto html = page_html(*page, Manifest{});
  for (const char* figure : {"Critical path by resource", "What 10 % saves", "Bounds and what is reached",
                             "198 PCUs of wo.gemm", "class=\"t\""})
    EXPECT_NE(html.find(figure), std::string::npos) << figure;
}

TEST(SweepPage, TheAxesAreTheColumnsThatTellRowsApart) {
  const auto table = parse_csv(
      "batch,ctx,latency_s,error\n1,10,0.5,\n1,20,0.6,\n1,30,0.7,\n8,10,0.9,\n8,20,1.0,\n8,30,,boom\n",
      "s.csv");
  ASSERT_TRUE(table.ok());
  const auto part = sweep_part("s.csv", *table);
  EXPECT_EQ(part.summary, "6 points over batch, ctx; 1 failed.");
  ASSERT_EQ(part.sections[0].figures.size(), 1U);
  EXPECT_NE(part.sections[0].figures[0].sentence.find("latency_s is between 500 ms (batch 1, ctx 10) and"),
            std::string::npos)
      << part.sections[0].figures[0].sentence;
  EXPECT_NE(part.sections[0].figures[0].content.find("batch 8"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::report
