// The event loop of one node; see serve.h.
#include "runtime/serving/serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "runtime/memo_execution.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/serving/expert_cache.h"
#include "runtime/serving/memory_plan.h"
#include "runtime/serving/metrics.h"

namespace rdusim::runtime {
namespace {

constexpr size_t kExactPromptLengths = 32;  // more distinct lengths than this are interpolated
constexpr int64_t kProgressEvery = 4096;

class Server {
 public:
  Server(ExecutionModel& execution, const Composition& composition, const Workload& workload,
         const ExpertRoster& roster, NodePlan plan, NeighbourShape neighbours, int64_t batch,
         const ServeOptions& options)
      : composition_(composition),
        workload_(workload),
        roster_(roster),
        plan_(std::move(plan)),
        neighbours_(neighbours),
        batch_(batch),
        options_(options),
        memory_(execution.memory()),
        request_overhead_(execution.request_overhead()),
        router_model_(static_cast<uint32_t>(roster.models.size())),
        memo_(execution, model_names(), {exact_prompts()}) {}

  Status set_up() {
    RDU_ASSIGN(scheduler_, make_scheduler(options_.scheduler));
    RDU_ASSIGN(auto policy, make_eviction_policy(options_.eviction, roster_.experts.size()));
    cache_ =
        std::make_unique<ExpertCache>(Bytes(plan_.memory.cache_bytes), plan_.expert_bytes, std::move(policy));
    residency_.resize(roster_.experts.size());
    result_.memory = plan_.memory;
    result_.requests = static_cast<int64_t>(workload_.requests.size());
    for (size_t e = 0; e < roster_.experts.size(); ++e) {
      const Expert& expert = roster_.experts[e];
      result_.experts.push_back(
          {expert.name, roster_.models[expert.model], plan_.expert_bytes[e].value, 0, 0, 0});
    }
    for (size_t i = 0; i < workload_.requests.size(); ++i) add_record(i);
    return {};
  }

  Status run() {
    const auto& requests = workload_.requests;
    now_ = requests.front().arrival;
    last_finish_ = now_;
    size_t arrived = 0;
    while (true) {
      for (; arrived < requests.size() && requests[arrived].arrival <= now_; ++arrived) {
        if (!plan_.failed[arrived]) waiting_.push_back(static_cast<uint32_t>(arrived));
      }
      if (head_ == waiting_.size()) {
        if (arrived == requests.size()) return {};
        idle_ += requests[arrived].arrival - now_;
        now_ = requests[arrived].arrival;
        continue;
      }
      RDU_CHECK_OK(run_batch());
      report_progress();
    }
  }

  NodeResult finish() {
    result_.finished = result_.requests - static_cast<int64_t>(plan_.failures.size());
    result_.failed = static_cast<int64_t>(plan_.failures.size());
    result_.failures = std::move(plan_.failures);
    result_.makespan_s = seconds(last_finish_ - workload_.requests.front().arrival);
    result_.node_time.queueing_s = seconds(idle_);
    result_.node_time.routing_s = seconds(routing_);
    result_.node_time.switching_s = seconds(switching_);
    result_.node_time.prefill_s = seconds(prefill_);
    result_.node_time.decode_s = seconds(decode_);
    result_.shapes_priced = memo_.priced();
    aggregate(result_);
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::vector<std::string> model_names() const {
    std::vector<std::string> names = roster_.models;
    names.push_back(composition_.router.model);
    return names;
  }

  [[nodiscard]] bool exact_prompts() const {
    std::set<int64_t> lengths;
    for (const Request& r : workload_.requests) {
      lengths.insert(r.prompt_tokens);
      if (lengths.size() > kExactPromptLengths) return false;
    }
    return true;
  }

  void add_record(size_t i) {
    const Request& r = workload_.requests[i];
    RequestRecord record;
    record.request = RequestId(i);
    record.expert = *r.expert;
    record.tenant = r.tenant;
    record.failed = plan_.failed[i];
    record.prompt_tokens = r.prompt_tokens;
    record.output_tokens = r.output_tokens;
    record.arrival = r.arrival;
    result_.records.push_back(record);
  }

  Status run_batch() {
    const std::span<const uint32_t> waiting(waiting_.data() + head_, waiting_.size() - head_);
    scheduler_->next_batch(waiting, workload_.requests, batch_, picked_);
    RDU_CHECK(!picked_.empty() && picked_.size() <= waiting.size(), "batch of {} out of {}", picked_.size(),
              waiting.size());
    take_from_queue();
    ++result_.batches;
    RDU_ASSIGN(const PassCost routing, route());
    now_ += routing.time;
    routing_ += routing.time;
    count_bytes(routing);
    scheduler_->order_pairs(picked_, workload_.requests, *cache_);
    for (const uint32_t i : picked_) {
      result_.records[i].routing = routing.time;
      RDU_CHECK_OK(run_pair(result_.records[i]));
    }
    done_ += static_cast<int64_t>(picked_.size());
    return {};
  }

  // Removes the picked requests; a prefix of the queue, as first come first served picks it, costs nothing.
  void take_from_queue() {
    if (std::equal(picked_.begin(), picked_.end(), waiting_.begin() + static_cast<std::ptrdiff_t>(head_))) {
      head_ += picked_.size();
      return;
    }
    const std::set<uint32_t> gone(picked_.begin(), picked_.end());
    const auto from = waiting_.begin() + static_cast<std::ptrdiff_t>(head_);
    waiting_.erase(std::remove_if(from, waiting_.end(), [&](uint32_t i) { return gone.count(i) > 0; }),
                   waiting_.end());
  }

  Result<PassCost> route() {
    const RouterSpec& router = composition_.router;
    const auto batch = static_cast<int64_t>(picked_.size());
    PassCost cost;
    int64_t prompt = router.prompt_tokens;
    if (prompt == 0) {
      for (const uint32_t i : picked_) prompt = std::max(prompt, workload_.requests[i].prompt_tokens);
    }
    if (router.runs == "embed") {
      RDU_ASSIGN(cost, memo_.embed(router_model_, batch, prompt));
    } else if (router.runs == "generate") {
      RDU_ASSIGN(cost, memo_.prefill(router_model_, batch, prompt));
      RDU_ASSIGN(const PassCost steps, memo_.decode(router_model_, batch, prompt, router.output_tokens - 1));
      cost += steps;
    }
    // The pass is a request to the router's model: the host spends its time on it once a batch.
    if (router.runs != "none") cost.time += request_overhead_;
    if (neighbours_.vectors > 0) {
      RDU_ASSIGN(const PassCost nearest, memo_.nearest_neighbours(neighbours_.vectors, neighbours_.dimensions,
                                                                  batch, neighbours_.k, neighbours_.classes));
      cost += nearest;
    }
    return cost;
  }

  Status run_pair(RequestRecord& record) {
    const uint32_t model = roster_.experts[record.expert.value].model;
    record.queueing = now_ - record.arrival - record.routing;
    cache_->pin(record.expert);
    switch_to(record);
    RDU_ASSIGN(const PassCost prefill, memo_.prefill(model, 1, record.prompt_tokens));
    RDU_ASSIGN(const PassCost decode, memo_.decode(model, 1, record.prompt_tokens, record.output_tokens - 1));
    record.prefill = prefill.time + request_overhead_;
    record.decode = decode.time;
    now_ += record.prefill + record.decode;
    prefill_ += record.prefill;
    decode_ += record.decode;
    count_bytes(prefill);
    count_bytes(decode);
    cache_->unpin(record.expert);
    last_finish_ = now_;
    return {};
  }

  void switch_to(RequestRecord& record) {
    ExpertResult& expert = result_.experts[record.expert.value];
    ++expert.requests;
    record.hit = cache_->resident(record.expert);
    if (record.hit) {
      ++expert.hits;
      cache_->use(record.expert);
      return;
    }
    for (const ExpertId gone : cache_->load(record.expert)) {
      result_.timeline[residency_[gone.value]].evicted = now_;
      ++result_.evictions;
    }
    record.switching =
        memory_.switch_setup + transfer_time(cache_->bytes_of(record.expert), memory_.switch_bandwidth);
    ++expert.switches;
    ++result_.switches;
    residency_[record.expert.value] = result_.timeline.size();
    result_.timeline.push_back({record.expert, now_, now_ + record.switching, std::nullopt});
    now_ += record.switching;
    switching_ += record.switching;
    result_.memory.cache_peak_bytes = std::max(result_.memory.cache_peak_bytes, cache_->used().value);
  }

  void count_bytes(const PassCost& cost) {
    for (size_t w = 0; w < kWireCount; ++w) {
      for (size_t c = 0; c < kCauseCount; ++c) result_.pass_bytes[w][c] += cost.bytes[w][c];
    }
  }

  void report_progress() {
    if (!options_.progress || done_ - reported_ < kProgressEvery) return;
    reported_ = done_;
    options_.progress(done_, result_.requests);
  }

  const Composition& composition_;
  const Workload& workload_;
  const ExpertRoster& roster_;
  NodePlan plan_;
  NeighbourShape neighbours_;
  int64_t batch_;
  const ServeOptions& options_;
  NodeMemory memory_;
  Picoseconds request_overhead_;
  uint32_t router_model_;
  MemoisedExecution memo_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<ExpertCache> cache_;

  Picoseconds now_;
  Picoseconds last_finish_;
  Picoseconds idle_;
  Picoseconds routing_;
  Picoseconds switching_;
  Picoseconds prefill_;
  Picoseconds decode_;
  std::vector<uint32_t> waiting_;  // request numbers by arrival; those before head_ were taken
  size_t head_ = 0;
  std::vector<uint32_t> picked_;
  std::vector<size_t> residency_;  // by ExpertId: its latest entry of the timeline
  int64_t done_ = 0;
  int64_t reported_ = 0;
  NodeResult result_;
};

Status check_request(const Workload& workload, size_t i, const ExpertRoster& roster) {
  const Request& r = workload.requests[i];
  RDU_CHECK(r.expert.has_value(), "request {} has no expert", i);
  RDU_CHECK(r.expert->value < roster.experts.size(), "request {} needs expert {}", i, r.expert->value);
  if (r.prompt_tokens >= 1 && r.output_tokens >= 1) return {};
  return Error{ErrorCode::kOutOfRange, fmt::format("{}: request {}", workload.source, i),
               fmt::format("{} prompt tokens and {} output tokens", r.prompt_tokens, r.output_tokens),
               "a request reads and writes at least one token"};
}

}  // namespace

Result<NodeResult> serve(ExecutionModel& execution, const Composition& composition, const Workload& workload,
                         const ServeOptions& options) {
  const int64_t batch = options.batch.value_or(composition.batch);
  if (batch < 1)
    return Error{ErrorCode::kOutOfRange, "batch", fmt::format("batch is {}", batch),
                 "a batch has at least one request"};
  if (workload.requests.empty())
    return Error{ErrorCode::kInvalidInput, workload.source, "the workload has no requests", ""};
  const ExpertRoster roster = make_roster(composition);
  for (size_t i = 0; i < workload.requests.size(); ++i) RDU_CHECK_OK(check_request(workload, i, roster));
  const NeighbourShape neighbours = neighbour_shape(composition, options.router);
  RDU_ASSIGN(NodePlan plan, plan_node_memory(execution, composition, roster, workload, neighbours, batch));
  if (!plan.fits) {
    NodeResult result;
    result.node = execution.node_name();
    result.status = NodeStatus::kOutOfMemory;
    result.reason = plan.reason;
    result.expert_too_large = plan.expert_too_large;
    result.memory = plan.memory;
    result.requests = static_cast<int64_t>(workload.requests.size());
    result.failed = result.requests;
    return result;
  }
  Server server(execution, composition, workload, roster, std::move(plan), neighbours, batch, options);
  RDU_CHECK_OK(server.set_up());
  RDU_CHECK_OK(server.run());
  NodeResult result = server.finish();
  result.node = execution.node_name();
  return result;
}

}  // namespace rdusim::runtime
