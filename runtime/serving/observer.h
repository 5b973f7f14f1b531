// ServingObserver: told what a serve does, in the order in which it does it. For those who do it for real:
// cli/functional_chip.h copies the experts' bytes and runs their programs. Times are the serve's business.
//
//   leaves(victims) ─► comes(expert) ─ ... ─► arrived(expert) ─► passed(...) ─► leaves(expert)
//
// A pass is told when it ends: whatever it read has arrived by then, first layers that started early
// included. Resumed serves are not observed: what happened before the checkpoint is not told again.
#pragma once

#include <cstdint>
#include <span>

#include "base/ids.h"
#include "base/result.h"

namespace rdusim::runtime {

struct PassReport {
  uint16_t group = 0;
  ExpertId expert;
  std::span<const uint32_t> jobs;  // numbers of jobs (serving/jobs.h): requests, where there are no flows
  int64_t prompt_from = 0;         // of a prefill: prompt tokens done before it (read, or found in a cache)
  int64_t prompt_to = 0;           // and after it; 0: a decode run
  int64_t steps = 0;               // of a decode run: tokens that each job got
};

class ServingObserver {
 public:
  virtual ~ServingObserver() = default;
  // Room is taken in HBM, or in SRAM, and the copy queued; what lies there now is not the expert.
  virtual void comes(uint16_t group, ExpertId expert, bool to_sram) = 0;
  virtual void arrived(uint16_t group, ExpertId expert) = 0;
  virtual void leaves(uint16_t group, ExpertId expert) = 0;
  // An error ends the serve.
  virtual Status passed(const PassReport& pass) = 0;
};

}  // namespace rdusim::runtime
