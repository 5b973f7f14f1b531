// Assignment of experts to requests.
#include "runtime/workload/assign.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim::runtime {
namespace {

struct Assigner {
  const Composition& composition;
  const ExpertRoster roster;
  const AssignmentOptions& options;
  std::vector<ExpertId> answering = answering_experts(composition, roster);
  std::optional<CategoryTable> table{};  // kind category
  AssignmentSummary summary{};

  [[nodiscard]] Error cannot(size_t request, const std::string& source, std::string what,
                             std::string hint) const {
    return {ErrorCode::kInvalidInput, fmt::format("{}: request {}", source, request), std::move(what),
            std::move(hint)};
  }

  [[nodiscard]] std::optional<ExpertId> expert_of_label(const std::string& label) const {
    for (const ExpertSpec& spec : composition.experts) {
      if (std::find(spec.labels.begin(), spec.labels.end(), label) != spec.labels.end())
        return roster.find(spec.name);
    }
    return roster.base;
  }

  Status by_name(Request& request, const std::string& name, size_t index, const std::string& source) {
    request.expert = roster.find(name);
    ++summary.by_name;
    if (request.expert) return {};
    std::vector<std::string> names;
    for (const Expert& e : roster.experts) names.push_back(e.name);
    const std::string near = nearest(name, names);
    return cannot(
        index, source, fmt::format("names expert '{}', which {} does not have", name, composition.name),
        near.empty() ? "name an expert of the composition" : fmt::format("did you mean '{}'?", near));
  }

  // The table's expert of the label's category, the base expert for a label that is none.
  void by_category(Request& request, const std::string& label) {
    ++summary.by_label;
    const auto& categories = composition.router.categories;
    for (size_t c = 0; c < categories.size(); ++c) {
      if (categories[c].name == label)
        request.expert = roster.find(categories[c].candidates[table->choice[c]].expert);
    }
    if (request.expert) return;
    request.expert = roster.base;
    ++summary.fallbacks;
  }

  // Functions in order of popularity, folded onto the experts.
  void by_function(Request& request, uint32_t function) {
    request.expert = answering[function % answering.size()];
    ++summary.by_function;
  }

  // A later turn keeps its conversation's expert with the workload's probability, else draws anew.
  void by_law(const Workload& workload, size_t index, ExpertDraw& draw, Random& stays,
              std::vector<std::optional<ExpertId>>& of_session, Request& request) {
    ++summary.by_popularity;
    if (workload.follows.empty()) {
      request.expert = answering[draw.next().value];
      return;
    }
    const Follow& follow = workload.follows[index];
    if (of_session.size() <= follow.session) of_session.resize(follow.session + size_t{1});
    std::optional<ExpertId>& kept = of_session[follow.session];
    if (!kept || stays.uniform() >= workload.session_stay) kept = answering[draw.next().value];
    request.expert = kept;
  }

  void by_router(Request& request, const RouteDecision& decision, const std::string& label) {
    ++summary.by_router;
    std::optional<ExpertId> expert = roster.base;
    if (decision.expert_class) {
      expert = roster.find(options.router->classes[static_cast<size_t>(*decision.expert_class)].expert);
    } else {
      ++summary.fallbacks;
    }
    request.expert = expert;
    if (label.empty()) return;
    ++summary.labelled;
    summary.labelled_right += expert == expert_of_label(label) ? 1 : 0;
  }
};

Status check_router(const Router& router, const Composition& composition, const ExpertRoster& roster) {
  for (const RouterClass& c : router.classes) {
    if (roster.find(c.expert)) continue;
    return Error{ErrorCode::kInvalidInput, "router",
                 fmt::format("it knows expert {}, which {} does not have", c.expert, composition.name),
                 "train the router for this composition: rdusim router train"};
  }
  return {};
}

// Decisions of the requests that the router sees; the others' entries are unused.
Result<std::vector<RouteDecision>> route_all(const Workload& workload, const AssignmentOptions& options) {
  if (options.embeddings) {
    if (options.embeddings->rows() != static_cast<int64_t>(workload.requests.size())) {
      return Error{
          ErrorCode::kInvalidInput, workload.source,
          fmt::format("{} requests but {} embeddings", workload.requests.size(), options.embeddings->rows()),
          "store one embedding a request, in order of arrival"};
    }
    return options.router->route(*options.embeddings);
  }
  std::vector<std::string> texts;
  for (const RequestNotes& notes : workload.notes) texts.push_back(notes.text);
  return options.router->route(texts);
}

}  // namespace

Result<AssignmentSummary> assign_experts(Workload& workload, const Composition& composition,
                                         const AssignmentOptions& options) {
  Assigner assigner{composition, make_roster(composition), options};
  std::optional<PopularityLaw> law = options.popularity ? options.popularity : workload.popularity;
  const bool drawn_first = law.has_value();
  if (!law && composition.router.kind == "popularity") {
    RDU_ASSIGN(law, parse_popularity(composition.router.popularity));
  }
  std::optional<ExpertDraw> draw;
  if (law) draw.emplace(*law, assigner.answering.size(), options.seed);
  if (composition.router.kind == "category") {
    RDU_ASSIGN(assigner.table,
               choose_category_table(
                   composition.router.categories, composition.router.parameter_budget_b,
                   [&](const std::string& name) {
                     const auto e = assigner.roster.find(name);
                     return composition.experts[assigner.roster.experts[e->value].spec].parameters_b;
                   }));
  }
  Random stays(options.seed + 1);
  std::vector<std::optional<ExpertId>> expert_of_session;
  const bool routes =
      options.router != nullptr && !drawn_first && (options.embeddings || !workload.notes.empty());
  std::vector<RouteDecision> decisions;
  if (routes) {
    RDU_CHECK_OK(check_router(*options.router, composition, assigner.roster));
    RDU_ASSIGN(decisions, route_all(workload, options));
  }
  const RequestNotes none;
  for (size_t i = 0; i < workload.requests.size(); ++i) {
    Request& request = workload.requests[i];
    const RequestNotes& notes = workload.notes.empty() ? none : workload.notes[i];
    if (!notes.expert.empty()) {
      RDU_CHECK_OK(assigner.by_name(request, notes.expert, i, workload.source));
      continue;
    }
    if (drawn_first) {
      assigner.by_law(workload, i, *draw, stays, expert_of_session, request);
    } else if (!workload.functions.empty()) {
      assigner.by_function(request, workload.functions[i]);
    } else if (assigner.table && !notes.label.empty()) {
      assigner.by_category(request, notes.label);
    } else if (routes && (options.embeddings || !notes.text.empty())) {
      assigner.by_router(request, decisions[i], notes.label);
    } else if (!notes.label.empty() && !router_classes(composition).empty()) {
      request.expert = assigner.expert_of_label(notes.label);
      ++assigner.summary.by_label;
      assigner.summary.fallbacks += request.expert && request.expert == assigner.roster.base ? 1 : 0;
    } else if (draw) {
      assigner.by_law(workload, i, *draw, stays, expert_of_session, request);
    }
    if (!request.expert) {
      return assigner.cannot(i, workload.source, "nothing says which expert it needs",
                             "give rows an expert, a label or a text with a trained router, or draw experts: "
                             "--popularity zipf:0.9");
    }
  }
  return assigner.summary;
}

}  // namespace rdusim::runtime
