// Sentences, JSON and terminal text of a serving explanation. Field names are a contract.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "report/format.h"
#include "report/serving_explanation.h"

namespace rdusim::report {

namespace {

size_t largest(const CauseSeconds& causes) {
  return static_cast<size_t>(std::max_element(causes.begin(), causes.end()) - causes.begin());
}

std::string cause_sentence(const std::string& what, double time_s, const CauseSeconds& causes,
                           const CauseSeconds& waiting, bool serial) {
  const size_t first = largest(causes);
  std::string text = fmt::format("{} of {}: {} is {}", what, format_time(time_s),
                                 format_percent(time_s > 0 ? causes[first] / time_s : 0),
                                 serving_cause_name(static_cast<ServingCause>(first)));
  if (serial && first == 0 && causes[0] > 0) {
    const size_t behind = largest(waiting);
    text += fmt::format(", {} of that behind the {} of others", format_percent(waiting[behind] / causes[0]),
                        serving_cause_name(static_cast<ServingCause>(behind)));
  }
  return text + ".";
}

Json causes_json(const CauseSeconds& causes) {
  Json json = Json::object();
  for (size_t c = 0; c < kServingCauses; ++c) {
    std::string name = serving_cause_name(static_cast<ServingCause>(c));
    std::replace(name.begin(), name.end(), ' ', '_');
    json[name + "_s"] = causes[c];
  }
  return json;
}

Json node_json(const ServingExplanation& e) {
  Json json;
  json["requests"] = e.requests;
  json["mean_s"] = e.mean_s;
  json["p99_s"] = e.p99_s;
  json["tail_mean_s"] = e.tail_mean_s;
  json["sentences"] = e.sentences;
  json["mean_causes"] = causes_json(e.mean_causes);
  json["tail_causes"] = causes_json(e.tail_causes);
  json["serial"] = e.serial;
  if (!e.serial) json["not_serial"] = e.not_serial;
  json["mean_waiting_for"] = e.serial ? causes_json(e.mean_waiting_for) : Json(nullptr);
  json["tail_waiting_for"] = e.serial ? causes_json(e.tail_waiting_for) : Json(nullptr);
  json["derivatives_of"] = e.scope;
  json["parameters"] = parameters_json(e.parameters);
  return json;
}

}  // namespace

void finish_serving_explanation(ServingExplanation& e, const NodeSpec* node, const StackSpec* stack) {
  if (e.requests == 0) {
    e.sentences = {"No request finished."};
    return;
  }
  e.sentences = {
      cause_sentence(e.node + ": mean latency", e.mean_s, e.mean_causes, e.mean_waiting_for, e.serial),
      cause_sentence("The slowest hundredth, mean", e.tail_mean_s, e.tail_causes, e.tail_waiting_for,
                     e.serial)};
  if (node == nullptr || stack == nullptr || e.scope == "none") {
    e.sentences.push_back("Its derivatives are not known: the node is no simulated chip.");
    return;
  }
  e.parameters = parameter_rows(e.gradient, e.mean_s, *node, *stack, false);
  e.sentences.push_back(parameter_sentence(e.parameters, "mean latency"));
  if (e.serial) return;
  if (e.scope == "served_again") {
    std::string text = fmt::format(
        "These derivatives are of serving again with each parameter {} more and less, so that queueing is in "
        "them ({})",
        format_percent(e.served_step), e.not_serial);
    if (e.unlike_sides > 0.1)
      text += fmt::format("; more and less of the first differ by {}: requests change turns there",
                          format_percent(e.unlike_sides));
    e.sentences.push_back(text + ".");
    return;
  }
  e.sentences.push_back(fmt::format(
      "These derivatives are of each request's own passes and copies, with its queueing as it is: {}.",
      e.not_serial));
}

Json serving_explanation_json(const std::vector<ServingExplanation>& nodes) {
  Json json;
  json["kind"] = "serve";
  json["nodes"] = Json::object();
  for (const auto& e : nodes) json["nodes"][e.node] = node_json(e);
  return json;
}

std::string serving_explanation_text(const std::vector<ServingExplanation>& nodes) {
  std::string text;
  for (const auto& e : nodes) {
    for (const auto& sentence : e.sentences) text += sentence + "\n";
    Table causes;
    causes.header = {"cause", "mean", "slowest 1 %", "mean waits behind", "slowest 1 % wait behind"};
    for (size_t c = 0; c < kServingCauses; ++c) {
      const auto waits = [&](const CauseSeconds& s) {
        return e.serial && c > 0 ? format_time(s[c]) : std::string("–");
      };
      causes.add({serving_cause_name(static_cast<ServingCause>(c)), format_time(e.mean_causes[c]),
                  format_time(e.tail_causes[c]), waits(e.mean_waiting_for), waits(e.tail_waiting_for)});
    }
    text += "\n" + table_text(causes);
    if (!e.parameters.empty()) text += "\n" + table_text(parameter_table(e.parameters));
    text += "\n";
  }
  return text;
}

}  // namespace rdusim::report
