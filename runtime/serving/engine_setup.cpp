// What happens before serving: plans, placement, records, preloading. See engine.h.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/check.h"
#include "runtime/serving/engine.h"

namespace rdusim::runtime {
namespace {

constexpr size_t kExactPromptLengths = 32;  // more distinct lengths than this are interpolated
// Short prompts of an iterating scheduler are priced at multiples of this when lengths are many.
constexpr int64_t kShortPromptStep = 16;

std::vector<std::string> model_names(const ExpertRoster& roster, const Composition& composition) {
  std::vector<std::string> names = roster.models;
  names.push_back(composition.router.model);
  return names;
}

}  // namespace

Engine::Engine(std::vector<GroupNode> nodes, const Composition& composition, const Jobs& jobs,
               const ExpertRoster& roster, const ServeOptions& options)
    : nodes_(std::move(nodes)),
      options_(options),
      engine_(options.engine),
      state_{composition, jobs, jobs.workload(), roster, options.engine, {}, {}, {}, {}, {}, {}, 0, 0, {}} {
  state_.observer = options.observer;
}

bool Engine::exact_prompts() const {
  std::set<int64_t> lengths;
  for (const Request& r : state_.workload.requests) {
    lengths.insert(r.prompt_tokens);
    if (lengths.size() > kExactPromptLengths) return false;
  }
  return true;
}

Result<bool> Engine::plan() {
  const int64_t batch = options_.batch.value_or(state_.composition.batch);
  const NeighbourShape neighbours = neighbour_shape(state_.composition, options_.router);
  plans_.resize(nodes_.size());
  std::vector<GroupRoom> rooms;
  for (size_t g = 0; g < nodes_.size(); ++g) {
    if (nodes_.size() > 1) {
      GroupRoom room{nodes_[g].sockets, nodes_[g].execution->memory().store_bytes, {}};
      for (const Expert& e : state_.roster.experts) {
        RDU_ASSIGN(const Bytes bytes, segment_bytes(*nodes_[g].execution, state_.roster.models[e.model]));
        room.expert_bytes.push_back(bytes);
      }
      rooms.push_back(std::move(room));
    }
  }
  if (nodes_.size() == 1) {
    placement_.homes.assign(state_.roster.experts.size(), {0});
  } else {
    std::vector<int64_t> asked(state_.roster.experts.size(), 0);
    for (const Request& r : state_.workload.requests) ++asked[r.expert->value];
    placement_ = place_experts(rooms, asked);
  }
  for (size_t g = 0; g < nodes_.size(); ++g) {
    RDU_CHECK_OK(plan_group(g, neighbours, batch));
    if (plans_[g].fits && placement_.fits) continue;
    result_.node = nodes_[g].execution->node_name();
    result_.status = NodeStatus::kOutOfMemory;
    result_.reason = plans_[g].fits ? "out of memory: the groups' stores do not hold one copy of every expert"
                                    : plans_[g].reason;
    result_.expert_too_large = plans_[g].expert_too_large;
    result_.memory = plans_[g].memory;
    result_.requests = static_cast<int64_t>(state_.jobs.requests->requests.size());
    result_.failed = result_.requests;
    return false;
  }
  RDU_CHECK_OK(set_up_requests());
  RDU_CHECK_OK(set_up_groups(neighbours, batch));
  return true;
}

Status Engine::plan_group(size_t g, const NeighbourShape& neighbours, int64_t batch) {
  PlanOptions options;
  if (nodes_.size() > 1) options.placed = placement_.placed[g];
  if (state_.jobs.plans != nullptr) options.steps = state_.jobs.plans->nodes;
  RDU_ASSIGN(const auto scheduler, make_scheduler(options_.scheduler, 1, {}));
  if (!scheduler->traits().pairs) {
    options.kv_share = engine_.kv_share;
    options.kv_page_tokens = engine_.kv_page_tokens;
  }
  RDU_ASSIGN(plans_[g], plan_node_memory(*nodes_[g].execution, state_.composition, state_.roster,
                                         state_.workload, neighbours, batch, options));
  return {};
}

Status Engine::set_up_groups(const NeighbourShape& neighbours, int64_t batch) {
  RDU_ASSIGN(const auto scheduler, make_scheduler(options_.scheduler, 1, {}));
  const bool exact = exact_prompts();
  const bool coarse = !scheduler->traits().pairs;
  const MemoOptions memo_options{exact, coarse, coarse && !exact ? kShortPromptStep : 1};
  std::vector<ExecutionModel*> known;
  for (size_t g = 0; g < nodes_.size(); ++g) {
    ExecutionModel* execution = nodes_[g].execution;
    auto at = std::find(known.begin(), known.end(), execution);
    if (at == known.end()) {
      const auto names = model_names(state_.roster, state_.composition);
      memos_.push_back(std::make_unique<MemoisedExecution>(*execution, names, memo_options));
      costs_.push_back(std::make_unique<PassCosts>(*memos_.back(), names.size()));
      at = known.insert(known.end(), execution);
    }
    GroupSetup setup;
    setup.number = static_cast<uint16_t>(g);
    setup.memory = execution->memory();
    setup.request_overhead = execution->request_overhead();
    setup.costs = costs_[static_cast<size_t>(at - known.begin())].get();
    setup.plan = &plans_[g];
    setup.neighbours = neighbours;
    for (const std::string& model : state_.roster.models) {
      RDU_ASSIGN(const int64_t layers, execution->layers(model));
      setup.model_layers.push_back(std::max<int64_t>(1, layers));
    }
    setup.batch = batch;
    setup.scheduler = options_.scheduler;
    setup.eviction = options_.eviction;
    groups_.push_back(std::make_unique<Group>(std::move(setup), state_, static_cast<Dispatch&>(*this)));
    RDU_CHECK_OK(groups_.back()->set_up());
  }
  channels_lost_.assign(groups_.size(), {0, 0});
  preload();
  return {};
}

bool Engine::allowed(const Request& request) const {
  const std::string& expert = state_.roster.experts[request.expert->value].name;
  for (const OwnerSpec& owner : engine_.owners) {
    if (owner.expert != expert) continue;
    const auto& tenants = state_.workload.tenants;
    if (request.tenant.value >= tenants.size()) return false;
    return std::find(owner.tenants.begin(), owner.tenants.end(), tenants[request.tenant.value]) !=
           owner.tenants.end();
  }
  return true;
}

void Engine::add_record(size_t i) {
  const Request& r = state_.workload.requests[i];
  RequestRecord record;
  record.request = RequestId(i);
  record.expert = *r.expert;
  record.tenant = r.tenant;
  record.prompt_tokens = r.prompt_tokens;
  record.output_tokens = r.output_tokens;
  record.arrival = r.arrival;
  state_.records.push_back(record);
}

Status Engine::set_up_requests() {
  const auto& requests = state_.workload.requests;
  state_.states.resize(requests.size());
  state_.records.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) add_record(i);
  set_up_followers();
  for (const OwnerSpec& owner : engine_.owners) {
    if (state_.roster.find(owner.expert)) continue;
    return Error{ErrorCode::kNotFound, "serving.owners",
                 fmt::format("no expert is called '{}'", owner.expert),
                 "name an expert of the composition; replicas have -0, -1, ... behind it"};
  }
  const Picoseconds begin = requests.front().arrival;
  for (uint32_t i = 0; i < requests.size(); ++i) {
    settle_failures(begin);
    if (state_.states[i].phase == Phase::kFailed) continue;  // it follows one that cannot run
    const auto& homes = placement_.homes[requests[i].expert->value];
    const bool runs =
        std::any_of(homes.begin(), homes.end(), [&](uint16_t g) { return !plans_[g].failed[i]; });
    if (!runs) {
      const NodePlan& first = plans_[homes.front()];
      const auto why = std::find_if(first.failures.begin(), first.failures.end(),
                                    [i](const Failure& f) { return f.request.value == i; });
      fail_before(i, why->reason, begin);
    } else if (!engine_.owners.empty() && !allowed(requests[i])) {
      fail_before(i,
                  fmt::format("its tenant may not use expert {}",
                              state_.roster.experts[requests[i].expert->value].name),
                  begin);
    }
  }
  settle_failures(begin);
  for (size_t e = 0; e < state_.roster.experts.size(); ++e) {
    const Expert& expert = state_.roster.experts[e];
    const size_t home = placement_.homes[e].front();
    state_.experts.push_back({expert.name,
                              state_.roster.models[expert.model],
                              (plans_[home].expert_bytes[e] - plans_[home].program_bytes[e]).value,
                              plans_[home].program_bytes[e].value,
                              0,
                              0,
                              0,
                              0,
                              {},
                              0,
                              0,
                              0,
                              0});
  }
  RDU_ASSIGN(faults_, fault_schedule(engine_, state_.roster, nodes_.size(),
                                     state_.jobs.requests->requests.size(), begin, requests.back().arrival));
  return {};
}

void Engine::set_up_followers() {
  const auto& dependencies = state_.jobs.dependencies;
  const size_t n = state_.workload.requests.size();
  if (state_.jobs.plans != nullptr) stopped_.assign(state_.jobs.requests->requests.size(), false);
  if (dependencies.empty() && state_.jobs.plans == nullptr) return;
  follower_begin_.assign(n + 1, 0);
  waits_for_.assign(n, 0);
  for (uint32_t job = 0; job < n; ++job) waits_for_[job] = state_.jobs.waits_for_routing(job) ? 1 : 0;
  for (const Dependency& d : dependencies) {
    RDU_CHECK(d.before < d.after && d.after < n, "request {} follows {} of {}", d.after, d.before, n);
    ++follower_begin_[d.before + 1];
    ++waits_for_[d.after];
  }
  std::partial_sum(follower_begin_.begin(), follower_begin_.end(), follower_begin_.begin());
  followers_.resize(dependencies.size());
  auto at = follower_begin_;
  for (const Dependency& d : dependencies) followers_[at[d.before]++] = {d.after, d.even_if_failed, d.delay};
}

// "popular": the experts that the workload asks for most, as many as fit.
void Engine::preload() {
  if (engine_.preload.empty()) return;
  std::vector<ExpertId> wanted;
  for (const std::string& name : engine_.preload) {
    if (const auto e = state_.roster.find(name)) wanted.push_back(*e);
    if (name != "popular") continue;
    std::vector<int64_t> asked(state_.roster.experts.size(), 0);
    for (const Request& r : state_.workload.requests) ++asked[r.expert->value];
    std::vector<uint32_t> order(asked.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return asked[a] > asked[b]; });
    for (const uint32_t e : order) wanted.emplace_back(e);
  }
  const Picoseconds begin = state_.workload.requests.front().arrival;
  for (size_t g = 0; g < groups_.size(); ++g) {
    std::vector<ExpertId> here;
    for (const ExpertId e : wanted) {
      const auto& homes = placement_.homes[e.value];
      if (std::find(homes.begin(), homes.end(), static_cast<uint16_t>(g)) != homes.end()) here.push_back(e);
    }
    groups_[g]->preload(here, begin);
  }
}

}  // namespace rdusim::runtime
