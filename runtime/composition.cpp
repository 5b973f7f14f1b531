// Loading of compositions, and the experts that they stand for.
#include "runtime/composition.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim::runtime {

Result<Composition> load_composition(ConfigContext& context, const std::string& name) {
  RDU_ASSIGN(const std::string path, find_config(context, "compositions", name));
  RDU_ASSIGN(DocumentNode root, read_config(context, path));
  RDU_CHECK_OK(apply_overrides(context, root, "composition"));
  return parse_composition(root);
}

std::optional<ExpertId> ExpertRoster::find(std::string_view name) const {
  for (size_t i = 0; i < experts.size(); ++i) {
    if (experts[i].name == name) return ExpertId(i);
  }
  return std::nullopt;
}

ExpertRoster make_roster(const Composition& composition) {
  ExpertRoster roster;
  for (size_t s = 0; s < composition.experts.size(); ++s) {
    const ExpertSpec& spec = composition.experts[s];
    auto model = std::find(roster.models.begin(), roster.models.end(), spec.model);
    if (model == roster.models.end()) model = roster.models.insert(roster.models.end(), spec.model);
    const auto model_index = static_cast<uint32_t>(model - roster.models.begin());
    if (spec.name == composition.base_expert) roster.base = ExpertId(roster.experts.size());
    for (int64_t i = 0; i < spec.count; ++i) {
      std::string name = spec.count > 1 ? fmt::format("{}-{}", spec.name, i) : spec.name;
      roster.experts.push_back({std::move(name), static_cast<uint32_t>(s), model_index});
    }
  }
  return roster;
}

std::vector<ExpertId> answering_experts(const Composition& composition, const ExpertRoster& roster) {
  std::vector<ExpertId> answering;
  for (size_t e = 0; e < roster.experts.size(); ++e) {
    if (composition.experts[roster.experts[e].spec].answers) answering.emplace_back(e);
  }
  return answering;
}

bool may_use(const Composition& composition, std::string_view expert, std::string_view tenant) {
  for (const OwnerSpec& owner : composition.serving.owners) {
    if (owner.expert == expert)
      return std::find(owner.tenants.begin(), owner.tenants.end(), tenant) != owner.tenants.end();
  }
  return true;
}

std::vector<RouterClass> router_classes(const Composition& composition) {
  std::vector<RouterClass> classes;
  for (const ExpertSpec& expert : composition.experts) {
    if (!expert.labels.empty()) classes.push_back({expert.name, expert.labels});
  }
  return classes;
}

Result<VoteWeighting> parse_weighting(std::string_view name) {
  for (size_t i = 0; i < std::size(kVoteWeightingNames); ++i) {
    if (kVoteWeightingNames[i] == name) return static_cast<VoteWeighting>(i);
  }
  return Error{ErrorCode::kInvalidInput, "router weighting", fmt::format("unknown vote weighting '{}'", name),
               fmt::format("known: {}", fmt::join(kVoteWeightingNames, ", "))};
}

}  // namespace rdusim::runtime
