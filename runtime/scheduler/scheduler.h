// Scheduler: which waiting requests form the next batch, and in which order their (prompt, expert) pairs run
// once routed. Implementations: one file each; the list: scheduler.def.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/serving/expert_cache.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // Picks up to `batch` of `waiting` (request numbers in order of arrival, never empty) into `picked`; at
  // least one.
  virtual void next_batch(std::span<const uint32_t> waiting, std::span<const Request> requests, int64_t batch,
                          std::vector<uint32_t>& picked) = 0;
  // Orders the routed batch for execution.
  virtual void order_pairs(std::vector<uint32_t>& picked, std::span<const Request> requests,
                           const ExpertCache& cache) = 0;
};

struct SchedulerChoice {
  std::string name;
  std::string description;
};
std::vector<SchedulerChoice> schedulers();
// Fails on an unknown name, listing the known ones.
Result<std::unique_ptr<Scheduler>> make_scheduler(std::string_view name);

}  // namespace rdusim::runtime
