// The list of schedulers.
#include "runtime/scheduler/scheduler.h"

#include <fmt/format.h>

#include "base/io/document.h"

namespace rdusim::runtime {

#define SCHEDULER(name, description) \
  std::unique_ptr<Scheduler> make_##name##_scheduler(size_t experts, const SchedulerOptions& options);
#include "runtime/scheduler/scheduler.def"
#undef SCHEDULER

std::vector<SchedulerChoice> schedulers() {
  return {
#define SCHEDULER(name, description) {#name, description},
#include "runtime/scheduler/scheduler.def"
#undef SCHEDULER
  };
}

Result<std::unique_ptr<Scheduler>> make_scheduler(std::string_view name, size_t experts,
                                                  const SchedulerOptions& options) {
#define SCHEDULER(known, description) \
  if (name == #known) return make_##known##_scheduler(experts, options);
#include "runtime/scheduler/scheduler.def"
#undef SCHEDULER
  std::vector<std::string> names;
  for (const SchedulerChoice& choice : schedulers()) names.push_back(choice.name);
  const std::string near = nearest(name, names);
  return Error{ErrorCode::kNotFound, "scheduler", fmt::format("unknown scheduler '{}'", name),
               fmt::format("{}known: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                           fmt::join(names, ", "))};
}

}  // namespace rdusim::runtime
