// Pages of results that are neither a run nor a serve: each answers its command's question.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/result_page.h"

namespace rdusim::report {
namespace {

Json with_manifest(Json json, const std::string& command) {
  json["manifest"] = {{"version", "0"}, {"command", command}, {"seed", 1}, {"configs", Json::array()}};
  return json;
}

Page page_of(const Json& json) {
  const auto file = result_of_text("result.json", json_text(json));
  EXPECT_TRUE(file.ok());
  auto page = result_page({*file});
  EXPECT_TRUE(page.ok()) << page.error().to_string();
  return page.ok() ? *page : Page{};
}

std::string answers_of(const Page& page) {
  std::string text;
  for (const auto& answer : page.answers) text += answer.question + " " + answer.text + "\n";
  return text;
}

void expect_texts(const Page& page, const std::vector<std::string>& texts) {
  const std::string all = answers_of(page) + page_html(page, Manifest{});
  for (const auto& text : texts)
    EXPECT_NE(all.find(text), std::string::npos) << text << "\n" << answers_of(page);
}

Json row(const std::string& what, double error, Json tolerance, Json passed) {
  return {{"id", "g/" + what},
          {"group", "g"},
          {"what", what},
          {"source", "S"},
          {"published", 1.0},
          {"simulated", 1 + error / 100},
          {"unit", "s"},
          {"error_percent", error},
          {"tolerance_percent", tolerance},
          {"passed", passed},
          {"command", "rdusim validate --group g"}};
}

TEST(ValidationPage, SaysHowNearAndWhatFallsShort) {
  Json json;
  json["rows"] = {row("near", 1, 10, true), row("far", -30, 10, false), row("open", 80, nullptr, nullptr)};
  json["fitted_parameters"] = {{{"name", "early launch"}, {"value", 1.5e-5}, {"unit", "s"}}};
  expect_texts(page_of(json),
               {"1 of 2 judged rows are within what is allowed", "far (-30.0 % of 10 % allowed)",
                "early launch 1.5e-05 s; nothing else", "FALLS SHORT", "shown only", "Rows by group",
                "Share of the allowed error that is used"});
  json["rows"] = Json::array({row("near", 1, 10, true)});
  expect_texts(page_of(json), {"None falls short; the largest error of a judged row is +1.0 % of near"});
}

TEST(PointsPage, DividesTheErrorByBatch) {
  Json json;
  const auto point = [](int batch, double published, double ours) {
    return Json{{"model", "org/llama"},
                {"sockets", 8},
                {"input_and_output_tokens", 128},
                {"batch", batch},
                {"published_s", published},
                {"simulated_s", ours},
                {"error_percent", (ours / published - 1) * 100}};
  };
  json["points"] = {point(1, 1, 1.1), point(16, 1, 0.5), {{"model", "x"}, {"failure", "no such model"}}};
  json["geometric_mean_error_percent"] = 48.3;
  expect_texts(page_of(json), {"10.0 % at batch 1 (1 points), 100.0 % at batch 16 (1 points)",
                               "llama, batch 16 at 128 tokens: -50.0 %", "Ours over published",
                               "2 points, 1 that could not be simulated"});
}

TEST(CalibrationPage, SaysWhatItIsWorthBeyondItsPoints) {
  Json json;
  json["parameters"] = {{{"name", "launch"},
                         {"unit", "s"},
                         {"in_configs", 1e-5},
                         {"fitted", 1.1e-5},
                         {"low", 1e-6},
                         {"high", 1e-4}}};
  json["points"] = {
      {{"id", "a/b"}, {"published", 2.0}, {"with_configs", 2.1}, {"fitted", 2.0}, {"left_out", 2.2}}};
  json["rms_configs_percent"] = 5.0;
  json["rms_fitted_percent"] = 0.5;
  json["rms_left_out_percent"] = 10.0;
  expect_texts(page_of(json),
               {"a/b, is off by +10.0 %", "launch 1.1e-05 s", "10.00 % of points that were left out"});
}

TEST(CrosscheckPage, HasBothPairsOfFidelities) {
  Json json;
  json["workloads"] = {
      {{"workload", "w1"}, {"event_s", 1.0}, {"analytic_s", 0.9}, {"difference_percent", -10.0}},
      {{"workload", "w2"}, {"event_s", 1.0}, {"analytic_s", 1.0}, {"difference_percent", 0.0}}};
  json["largest"] = "w1, -10 %";
  expect_texts(page_of(json), {"w1, -10 %.", "Analytic against event"});
  json["cycle"] = {{"workloads", json["workloads"]}, {"largest", "w2, 1 %"}, {"within", true}};
  expect_texts(page_of(json), {"How far apart are event and cycle? w2, 1 %.", "Event against cycle"});
}

TEST(DifferencePage, DividesTheChange) {
  Json json;
  json["kind"] = "simulate";
  json["time"] = "latency";
  json["a_s"] = 1.6e-3;
  json["b_s"] = 1.5e-3;
  json["change_s"] = -1e-4;
  json["explained"] = {
      {{"parameter", "chip.hbm.bandwidth_bytes_per_s"}, {"a", 1.8e12}, {"b", 2e12}, {"explained_s", -9e-5}}};
  json["unexplained_s"] = -1e-5;
  json["inputs"] = {{{"name", "command"}, {"a", ""}, {"b", "--set x=1"}}};
  json["results"] = {{{"name", "latency_s"}, {"a", 1.6e-3}, {"b", 1.5e-3}}};
  expect_texts(page_of(json), {"latency goes from 1.60 ms to 1.50 ms (-100 µs, -6.2 %)", "HBM bandwidth from",
                               "(90 % of the change)", "-10.0 µs is left", "Different: command.",
                               "Parts of the change", "Numbers that changed"});
}

TEST(PlanPage, SaysHowManyAndWhyNotFewer) {
  Json json;
  const auto tried = [](int nodes, double value, bool met) {
    return Json{{"nodes", nodes},
                {"dealing", "in turn"},
                {"met", met},
                {"failed", 0},
                {"clauses", {{{"value_s", value}, {"met", met}}}}};
  };
  json["objective"] = "p95 ttft < 0.5 s";
  json["tried"] = {tried(1, 3.6, false), tried(2, 0.2, true)};
  json["nodes"] = 2;
  json["resources"] = Json::array({tried(2, 0.1, true)});
  json["resources"][0]["resource"] = "HBM bandwidth";
  json["buy_next"] = "HBM bandwidth";
  expect_texts(page_of(json), {"2 meet p95 ttft < 0.5 s.", "1 node reach 3.60 s only.",
                               "Next: more HBM bandwidth.", "First clause of the objective"});
  json["nodes"] = nullptr;
  json["buy_next"] = nullptr;
  expect_texts(page_of(json), {"None of those tried meets p95 ttft < 0.5 s."});
}

TEST(ReplayPage, NamesTheBestPolicyThatCanBeHad) {
  Json json;
  const auto replay = [](const char* policy, int misses) {
    return Json{{"policy", policy}, {"capacity_bytes", 1000}, {"requests", 100}, {"misses", misses}};
  };
  json["replays"] = {replay("lru", 60), replay("belady", 40), replay("arc", 50)};
  expect_texts(page_of(json), {"at 1.00 kB, arc misses 50 % (no policy less than 40 %)."});
}

TEST(FactsPage, ShowsWhateverAResultHolds) {
  Json json = with_manifest({{"cycles", 5088},
                             {"time_s", 3.18e-6},
                             {"inner", {{"bandwidth_bytes_per_s", 2e12}}},
                             {"rows", {{{"unit", "pcu"}, {"cycles", 3}}, {{"unit", "pmu"}, {"cycles", 7}}}},
                             {"<b>", "<script>"}},
                            "rdusim probe gemm --m 64");
  const Page page = page_of(json);
  EXPECT_EQ(page.title, "rdusim probe gemm");
  expect_texts(page, {"rdusim probe gemm --m 64", "cycles 5 088, time_s 3.18 µs",
                      "inner.bandwidth_bytes_per_s 2.00 TB/s", "rows: 2 rows",
                      "cycles is between 3.00 (pcu) and 7.00 (pmu)", "&lt;script&gt;"});
  EXPECT_EQ(page_html(page, Manifest{}).find("<script>"), std::string::npos);
  expect_texts(page_of(with_manifest(Json::object(), "rdusim doctor")), {"nothing: the result is empty"});
}

}  // namespace
}  // namespace rdusim::report
