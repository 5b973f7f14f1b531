// Requests to jobs and back; see jobs.h.
#include "runtime/serving/jobs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

// A row an invocation, at its request's arrival.
void expand(Jobs& jobs) {
  const Workload& requests = *jobs.requests;
  const RequestPlans& plans = *jobs.plans;
  jobs.steps.source = requests.source;
  jobs.steps.format = requests.format;
  jobs.steps.tenants = requests.tenants;
  jobs.steps.requests.reserve(plans.nodes.size());
  jobs.request_of.reserve(plans.nodes.size());
  for (uint32_t r = 0; r < requests.requests.size(); ++r) {
    const Request& request = requests.requests[r];
    for (const Invocation& node : plans.of(r)) {
      jobs.steps.requests.push_back(
          {request.arrival, node.prompt_tokens, node.output_tokens, request.tenant, node.expert});
      jobs.request_of.push_back(r);
    }
  }
}

void add_steps(Jobs& jobs) {
  const RequestPlans& plans = *jobs.plans;
  for (uint32_t r = 0; r < plans.requests(); ++r) {
    const uint32_t begin = plans.begin[r];
    for (uint32_t n = begin; n < plans.begin[r + 1]; ++n) {
      for (const uint32_t before : plans.after(plans.nodes[n]))
        jobs.dependencies.push_back({begin + before, n, {}, false});
    }
  }
}

// `d` between requests: from every answer of the one to the first job of the other.
void add_between(Jobs& jobs, const Dependency& d) {
  if (jobs.plans == nullptr) {
    jobs.dependencies.push_back(d);
    return;
  }
  const RequestPlans& plans = *jobs.plans;
  for (uint32_t n = plans.begin[d.before]; n < plans.begin[d.before + 1]; ++n) {
    if (!plans.nodes[n].answers) continue;
    jobs.dependencies.push_back({n, plans.begin[d.after], d.delay, d.even_if_failed});
  }
}

void add_follows(Jobs& jobs) {
  const auto& follows = jobs.requests->follows;
  for (uint32_t r = 0; r < follows.size(); ++r) {
    const uint32_t previous = follows[r].previous;
    if (previous == Follow::kNone) continue;
    const bool other_conversation = follows[previous].session != follows[r].session;
    add_between(jobs, {previous, r, follows[r].think, other_conversation});
  }
}

Picoseconds end_of(const RequestRecord& job) {
  return job.arrival + job.end_to_end();
}

// The job before `n` that ended last: what it waited for. Of equals the first.
uint32_t waited_for(const Jobs& jobs, std::span<const RequestRecord> of_request, uint32_t begin, uint32_t n) {
  uint32_t latest = UINT32_MAX;
  for (const uint32_t before : jobs.plans->after(jobs.plans->nodes[begin + n])) {
    if (latest == UINT32_MAX || end_of(of_request[before]) > end_of(of_request[latest])) latest = before;
  }
  return latest;
}

// One request's record out of its jobs', which all finished.
void fold_parts(const Jobs& jobs, std::span<const RequestRecord> of_request, uint32_t begin,
                RequestRecord& record) {
  uint32_t first = UINT32_MAX;
  Picoseconds end;
  record.output_tokens = 0;
  const auto first_token = [&](uint32_t n) {
    return of_request[n].arrival + of_request[n].time_to_first_token();
  };
  for (uint32_t n = 0; n < of_request.size(); ++n) {
    end = std::max(end, end_of(of_request[n]));
    if (!jobs.plans->nodes[begin + n].answers) continue;
    record.output_tokens += of_request[n].output_tokens;
    if (first == UINT32_MAX || first_token(n) < first_token(first)) first = n;
  }
  for (uint32_t n = first; n != UINT32_MAX; n = waited_for(jobs, of_request, begin, n)) {
    const RequestRecord& job = of_request[n];
    record.queueing += job.queueing;
    record.routing += job.routing;
    record.switching += job.switching;
    record.prefill += job.prefill;
    if (n != first) record.earlier += job.decode;
  }
  record.arrival = of_request[0].arrival;
  record.hit = record.switching.value == 0;
  RDU_CHECK(record.arrival + record.time_to_first_token() == first_token(first),
            "request {}: the parts of its path make {} ps, its first token comes after {} ps",
            record.request.value, record.time_to_first_token().value,
            (first_token(first) - record.arrival).value);
  record.decode = end - first_token(first);
}

std::string step_name(const Composition& composition, uint32_t flow, uint32_t step) {
  return flow == 0 ? std::string("answer") : composition.flows[flow - 1].steps[step].name;
}

void fold_records(const Jobs& jobs, NodeResult& result) {
  const RequestPlans& plans = *jobs.plans;
  result.steps = std::move(result.records);
  result.records.clear();
  result.records.reserve(plans.requests());
  result.finished = result.failed = 0;
  for (uint32_t r = 0; r < plans.requests(); ++r) {
    const Request& request = jobs.requests->requests[r];
    const uint32_t begin = plans.begin[r];
    const auto of_request = std::span(result.steps).subspan(begin, plans.of(r).size());
    int64_t energy_nj = 0;
    for (uint32_t n = 0; n < of_request.size(); ++n) {
      of_request[n].request = RequestId(r);
      of_request[n].step = n;
      energy_nj += of_request[n].energy_nj;
      of_request[n].flow = plans.flow_of[r];
      of_request[n].copies = plans.nodes[begin + n].copies;
    }
    RequestRecord record;
    record.request = RequestId(r);
    record.expert = *request.expert;
    record.tenant = request.tenant;
    record.flow = plans.flow_of[r];
    record.energy_nj = energy_nj;
    record.prompt_tokens = request.prompt_tokens;
    record.output_tokens = request.output_tokens;
    record.arrival = of_request[0].arrival;
    record.failed = std::any_of(of_request.begin(), of_request.end(), [](const auto& s) { return s.failed; });
    if (!record.failed) fold_parts(jobs, of_request, begin, record);
    ++(record.failed ? result.failed : result.finished);
    result.records.push_back(record);
  }
}

// The first job of each request that failed, with its reason; result.failures stand in order of time.
std::vector<uint32_t> fold_failures(const Jobs& jobs, const Composition& composition, NodeResult& result) {
  const RequestPlans& plans = *jobs.plans;
  std::vector<uint32_t> failed_first(plans.requests(), UINT32_MAX);
  std::vector<Failure> failures;
  for (Failure& failure : result.failures) {
    const uint32_t job = failure.request.value;
    const uint32_t r = jobs.request_of[job];
    if (failed_first[r] != UINT32_MAX) continue;
    failed_first[r] = job;
    if (plans.flow_of[r] != 0) {
      failure.reason = fmt::format(
          "step {}: {}", step_name(composition, plans.flow_of[r], job - plans.begin[r]), failure.reason);
    }
    failures.push_back({RequestId(r), std::move(failure.reason)});
  }
  result.failures = std::move(failures);
  return failed_first;
}

void fold_flows(const Jobs& jobs, const Composition& composition, const std::vector<uint32_t>& failed_first,
                NodeResult& result) {
  const RequestPlans& plans = *jobs.plans;
  for (uint32_t f = 0; f < plans.flows.size(); ++f) {
    FlowResult flow;
    flow.name = plans.flows[f];
    const size_t steps = f == 0 ? 1 : composition.flows[f - 1].steps.size();
    for (uint32_t s = 0; s < steps; ++s) flow.steps.push_back({step_name(composition, f, s)});
    result.flows.push_back(std::move(flow));
  }
  for (uint32_t r = 0; r < plans.requests(); ++r) {
    FlowResult& flow = result.flows[plans.flow_of[r]];
    ++flow.requests;
    ++(result.records[r].failed ? flow.failed : flow.finished);
    for (uint32_t n = plans.begin[r]; n < plans.begin[r + 1]; ++n) {
      StepResult& step = flow.steps[n - plans.begin[r]];
      ++step.invocations;
      if (!result.steps[n].failed) {
        ++step.finished;
        step.hits += result.steps[n].hit ? 1 : 0;
      } else {
        ++(failed_first[r] == n ? step.failed : step.stopped);
      }
    }
  }
}

}  // namespace

Jobs make_jobs(const Workload& workload, const RequestPlans* plans, std::span<const Dependency> extra) {
  Jobs jobs;
  jobs.requests = &workload;
  jobs.plans = plans;
  if (plans != nullptr) {
    RDU_CHECK(plans->requests() == workload.requests.size(), "plans of {} requests for {}", plans->requests(),
              workload.requests.size());
    expand(jobs);
    add_steps(jobs);
  }
  add_follows(jobs);
  for (const Dependency& d : extra) add_between(jobs, d);
  return jobs;
}

int64_t route_tokens(const Jobs& jobs, const Composition& composition, uint32_t job) {
  if (jobs.plans != nullptr && jobs.plans->nodes[job].route_tokens > 0)
    return jobs.plans->nodes[job].route_tokens;
  const int64_t prompt = jobs.workload().requests[job].prompt_tokens;
  if (jobs.plans != nullptr || jobs.requests->follows.empty() || composition.router.reads != "message")
    return prompt;
  return std::max<int64_t>(1, prompt - jobs.requests->follows[job].shared_prefix_tokens);
}

void fold_jobs(const Jobs& jobs, const Composition& composition, NodeResult& result) {
  if (jobs.plans == nullptr) return;
  const auto failed_first = fold_failures(jobs, composition, result);
  fold_records(jobs, result);
  fold_flows(jobs, composition, failed_first, result);
  result.requests = static_cast<int64_t>(result.records.size());
}

}  // namespace rdusim::runtime
