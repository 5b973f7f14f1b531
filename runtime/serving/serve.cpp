// Entry to serving: checks what was asked for, then runs the engine. See serve.h.
#include "runtime/serving/serve.h"

#include <fmt/format.h>

#include "base/check.h"
#include "runtime/serving/checkpoint.h"
#include "runtime/serving/engine.h"

namespace rdusim::runtime {
namespace {

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

Result<NodeResult> serve_groups(std::span<const SocketGroup> groups, const Composition& composition,
                                const Workload& workload, const ServeOptions& options) {
  RDU_CHECK(!groups.empty(), "a node of no groups serves {}", composition.name);
  const int64_t batch = options.batch.value_or(composition.batch);
  if (batch < 1)
    return Error{ErrorCode::kOutOfRange, "batch", fmt::format("batch is {}", batch),
                 "a batch has at least one request"};
  if (workload.requests.empty())
    return Error{ErrorCode::kInvalidInput, workload.source, "the workload has no requests", ""};
  RDU_CHECK(options.observer == nullptr || options.checkpoint.resume.empty(), "a resumed serve is observed");
  const ExpertRoster roster = make_roster(composition);
  for (size_t i = 0; i < workload.requests.size(); ++i) RDU_CHECK_OK(check_request(workload, i, roster));
  std::vector<GroupNode> nodes;
  for (const SocketGroup& g : groups) nodes.push_back({g.execution, g.sockets});
  const Jobs jobs = make_jobs(workload, options.plans, options.dependencies);
  std::string fingerprint;
  ServeOptions own = options;
  if (options.checkpoint.every > 0 || !options.checkpoint.resume.empty()) {
    fingerprint = serve_fingerprint(groups, composition, workload, options);
    own.checkpoint.write = [&](const std::string& state) {
      return options.checkpoint.write(checkpoint_file(fingerprint, state));
    };
  }
  Engine engine(std::move(nodes), composition, jobs, roster, own);
  RDU_ASSIGN(const bool fits, engine.plan());
  if (!fits) return engine.finish();
  if (!options.checkpoint.resume.empty()) {
    RDU_ASSIGN(const std::string_view state,
               read_checkpoint(options.checkpoint.resume, fingerprint, options.checkpoint.resume_name));
    RDU_CHECK_OK(engine.resume(state));
  }
  RDU_CHECK_OK(engine.run());
  return engine.finish();
}

Result<NodeResult> serve(ExecutionModel& execution, const Composition& composition, const Workload& workload,
                         const ServeOptions& options) {
  const SocketGroup whole{&execution, 1};
  return serve_groups({&whole, 1}, composition, workload, options);
}

}  // namespace rdusim::runtime
