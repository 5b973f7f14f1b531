#include <algorithm>

#include "report/result_reader.h"
#include "report/result_view.h"

namespace rdusim::report {
namespace {

std::vector<std::string> read_texts(ResultReader& reader, const DocumentNode& owner, const char* key) {
  std::vector<std::string> texts;
  for (const DocumentNode& item : reader.items(owner, key)) texts.push_back(item.text);
  return texts;
}

std::vector<NamedAmount> read_times(ResultReader& reader, const DocumentNode& owner, const char* list,
                                    const char* name) {
  std::vector<NamedAmount> times;
  for (const DocumentNode& item : reader.items(owner, list))
    times.push_back({reader.text(item, name), reader.number(item, "time_s")});
  return times;
}

std::vector<ParameterView> read_parameters(ResultReader& reader, const DocumentNode& owner) {
  std::vector<ParameterView> parameters;
  for (const DocumentNode& item : reader.items(owner, "parameters")) {
    parameters.push_back({reader.text(item, "name"), reader.text(item, "unit"), reader.number(item, "value"),
                          reader.number(item, "elasticity"), reader.number(item, "gain_of_10_percent_s")});
  }
  std::stable_sort(parameters.begin(), parameters.end(),
                   [](const auto& a, const auto& b) { return a.gain_s > b.gain_s; });
  return parameters;
}

}  // namespace

Result<RunWhyView> read_run_why(const DocumentNode& root) {
  ResultReader reader;
  RunWhyView why;
  why.program = reader.text(root, "program");
  why.fidelity = reader.text(root, "fidelity");
  why.latency_s = reader.number(root, "latency_s");
  why.bottleneck = reader.text(root, "bottleneck");
  why.resources = read_times(reader, root, "resources", "resource");
  for (const DocumentNode& item : reader.items(root, "path")) {
    why.path.push_back({reader.text(item, "section"), reader.text_or_empty(item, "unit"),
                        reader.text(item, "step"), reader.text(item, "resource"),
                        reader.number(item, "time_s")});
  }
  why.parameters = read_parameters(reader, root);
  why.bounds = read_times(reader, root, "bounds", "name");
  why.stalls = read_texts(reader, root, "stalls");
  RDU_CHECK_OK(reader.status());
  return why;
}

Result<std::vector<NodeWhyView>> read_serving_why(const DocumentNode& root) {
  ResultReader reader;
  std::vector<NodeWhyView> nodes;
  for (const auto& [name, node] : reader.members(root, "nodes")) {
    NodeWhyView why;
    why.node = name;
    why.mean_s = reader.number(node, "mean_s");
    for (const auto& [cause, time] : reader.members(node, "mean_causes")) {
      std::string word = cause.ends_with("_s") ? cause.substr(0, cause.size() - 2) : cause;
      std::replace(word.begin(), word.end(), '_', ' ');
      why.causes.push_back({std::move(word), reader.as_number(time)});
    }
    why.parameters = read_parameters(reader, node);
    why.sentences = read_texts(reader, node, "sentences");
    nodes.push_back(std::move(why));
  }
  RDU_CHECK_OK(reader.status());
  return nodes;
}

}  // namespace rdusim::report
