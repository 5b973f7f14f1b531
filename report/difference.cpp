#include "report/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "report/format.h"
#include "report/table.h"

namespace rdusim::report {

namespace {

// (b - a) / ln(b / a), which turns shares of ln(b / a) into seconds.
double logarithmic_mean(double a, double b) {
  if (a <= 0 || b <= 0 || a == b) return a;
  return (b - a) / std::log(b / a);
}

double explained_by(size_t p, const TimeModel& a, const TimeModel& b) {
  const double from = a.values[p];
  const double to = b.values[p];
  if (from > 0 && to > 0) {
    const double elasticity = (a.gradient[p] / a.time_s + b.gradient[p] / b.time_s) / 2;
    return elasticity * std::log(to / from) * logarithmic_mean(a.time_s, b.time_s);
  }
  // From or to nothing: a line, with the slope that is known.
  const double slope = from > 0 ? a.gradient[p] / from : b.gradient[p] / to;
  return slope * (to - from);
}

std::string signed_time(double time_s) {
  return (time_s < 0 ? "-" : "+") + format_time(std::abs(time_s));
}

void add_numbers(const Json& a, const Json& b, const std::string& path, std::vector<NumberChange>& out) {
  for (const auto& [key, value] : a.items()) {
    if (key == "manifest" || key == "schema_version" || !b.contains(key)) continue;
    const std::string name = path.empty() ? key : path + "." + key;
    if (value.is_object() && b[key].is_object()) add_numbers(value, b[key], name, out);
    if (!value.is_number() || !b[key].is_number()) continue;
    const auto x = value.get<double>();
    const auto y = b[key].get<double>();
    if (x != y) out.push_back({name, x, y});
  }
}

std::map<std::string, std::string> hashes_of(const Json& manifest) {
  std::map<std::string, std::string> hashes;
  if (!manifest.contains("configs") || !manifest["configs"].is_array()) return hashes;
  for (const Json& file : manifest["configs"]) {
    const auto text = [&file](const char* key) {
      return file.is_object() && file.contains(key) && file[key].is_string() ? file[key].get<std::string>()
                                                                             : "";
    };
    if (!text("path").empty()) hashes[text("path")] = text("sha256");
  }
  return hashes;
}

}  // namespace

ParameterValues parameter_values(const NodeSpec& node, const StackSpec& stack, bool software_launches) {
  ParameterValues values{};
  for (size_t p = 0; p < kHardwareParameters; ++p)
    values[p] = hardware_parameter_value(static_cast<HardwareParameter>(p), node, stack, software_launches);
  return values;
}

void explain_difference(const TimeModel& a, const TimeModel& b, Difference& difference) {
  difference.a_s = a.time_s;
  difference.b_s = b.time_s;
  difference.unexplained_s = b.time_s - a.time_s;
  if (a.differentiated && b.differentiated && a.time_s > 0 && b.time_s > 0) {
    for (size_t p = 0; p < kHardwareParameters; ++p) {
      if (a.values[p] == b.values[p]) continue;
      const double part = explained_by(p, a, b);
      const auto& record = hardware_parameter_record(static_cast<HardwareParameter>(p));
      difference.explained.push_back({std::string(record.name), a.values[p], b.values[p], part});
      difference.unexplained_s -= part;
    }
  }
  std::stable_sort(
      difference.explained.begin(), difference.explained.end(),
      [](const auto& x, const auto& y) { return std::abs(x.explained_s) > std::abs(y.explained_s); });
  const double change = b.time_s - a.time_s;
  difference.sentences.push_back(
      fmt::format("{}: {} to {} ({}, {:+.1f} %).", difference.time_name, format_time(a.time_s),
                  format_time(b.time_s), signed_time(change), a.time_s > 0 ? 100 * change / a.time_s : 0));
  if (change == 0 && difference.explained.empty()) return;
  std::string text;
  for (const ExplainedChange& e : difference.explained) {
    text += fmt::format("{} from {} to {} explains {}; ", e.parameter, format_number(e.a), format_number(e.b),
                        signed_time(e.explained_s));
  }
  difference.sentences.push_back(
      text + fmt::format("{} is left (interaction, mapping, inputs that are no parameter of the hardware).",
                         signed_time(difference.unexplained_s)));
}

std::vector<TextChange> changed_inputs(const Json& manifest_a, const Json& manifest_b,
                                       const std::vector<std::string>& words_a,
                                       const std::vector<std::string>& words_b) {
  std::vector<TextChange> changes;
  const auto missing = [](const std::vector<std::string>& from, const std::vector<std::string>& in) {
    std::string text;
    std::vector<std::string> left = in;
    for (const std::string& word : from) {
      const auto at = std::find(left.begin(), left.end(), word);
      if (at != left.end()) {
        left.erase(at);
      } else {
        text += (text.empty() ? "" : " ") + word;
      }
    }
    return text;
  };
  const std::string only_a = missing(words_a, words_b);
  const std::string only_b = missing(words_b, words_a);
  if (!only_a.empty() || !only_b.empty()) changes.push_back({"command", only_a, only_b});
  const auto a = hashes_of(manifest_a);
  auto b = hashes_of(manifest_b);
  for (const auto& [path, hash] : a) {
    const auto other = b.find(path);
    const std::string theirs = other == b.end() ? "" : other->second;
    if (theirs != hash) changes.push_back({path, hash, theirs});
    b.erase(path);
  }
  for (const auto& [path, hash] : b) changes.push_back({path, "", hash});
  return changes;
}

std::vector<NumberChange> changed_numbers(const Json& a, const Json& b) {
  std::vector<NumberChange> out;
  add_numbers(a, b, "", out);
  return out;
}

Json difference_json(const Difference& d) {
  Json json;
  json["kind"] = d.kind;
  json["time"] = d.time_name;
  json["a_s"] = d.a_s;
  json["b_s"] = d.b_s;
  json["change_s"] = d.b_s - d.a_s;
  json["sentences"] = d.sentences;
  json["explained"] = Json::array();
  for (const auto& e : d.explained) {
    json["explained"].push_back(
        {{"parameter", e.parameter}, {"a", e.a}, {"b", e.b}, {"explained_s", e.explained_s}});
  }
  json["unexplained_s"] = d.unexplained_s;
  json["inputs"] = Json::array();
  for (const auto& c : d.inputs) json["inputs"].push_back({{"name", c.name}, {"a", c.a}, {"b", c.b}});
  json["results"] = Json::array();
  for (const auto& c : d.results) json["results"].push_back({{"name", c.name}, {"a", c.a}, {"b", c.b}});
  return json;
}

std::string difference_text(const Difference& d) {
  constexpr size_t kShortHash = 12;
  std::string text;
  for (const auto& sentence : d.sentences) text += sentence + "\n";
  Table inputs;
  inputs.header = {"input", "A", "B"};
  for (const auto& c : d.inputs) {
    const bool file = c.name != "command";
    inputs.add({c.name, file ? c.a.substr(0, kShortHash) : c.a, file ? c.b.substr(0, kShortHash) : c.b});
  }
  Table results;
  results.header = {"result", "A", "B", "change"};
  for (const auto& c : d.results) {
    results.add({c.name, format_number(c.a), format_number(c.b),
                 c.a != 0 ? fmt::format("{:+.1f} %", 100 * (c.b - c.a) / c.a) : "–"});
  }
  if (!d.inputs.empty()) text += "\n" + table_text(inputs);
  if (!d.results.empty()) text += "\n" + table_text(results);
  return text;
}

}  // namespace rdusim::report
