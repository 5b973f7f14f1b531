// Scheduler: which expert a group of sockets runs next. It sees experts with routed requests, never single
// requests: within an expert they are served in the order in which they were routed. The group tells it of
// every change; it answers without looking at all experts. Implementations: one file each; the list:
// scheduler.def.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace rdusim::runtime {

// An expert with work: requests routed to it that wait (to be admitted), or run (some of their tokens are
// out). No work: both 0.
struct ExpertView {
  int64_t waiting = 0;
  int64_t running = 0;
  int64_t oldest_turn = 0;        // position in routing order of its first unfinished request
  Picoseconds oldest_arrival;     // of the same request
  Picoseconds earliest_deadline;  // of its unfinished requests
  bool ready = false;             // its weights are in HBM
  [[nodiscard]] bool has_work() const { return waiting + running > 0; }
};

struct StreamView {
  Picoseconds now;
  std::optional<ExpertId> current;  // that ran last
  Picoseconds current_since;
  int64_t current_steps = 0;  // passes since it became current
};

// Dials of the schedulers that use them.
struct SchedulerOptions {
  Picoseconds longest_wait{INT64_MAX};  // a request that waited longer goes first
  Picoseconds least_resident;           // an expert keeps the stream so long while it has work
  int64_t quantum_steps = 0;            // passes after which another expert may take over; 0: when it drains
};

struct SchedulerTraits {
  // One request at a time, to its end; the router sees a batch once, and the next batch when the last is
  // done.
  bool pairs = false;
  // An expert that is not current may take over between two tokens when a request for it arrives.
  bool preempts = false;
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  [[nodiscard]] virtual SchedulerTraits traits() const = 0;
  virtual void changed(ExpertId expert, const ExpertView& view) = 0;
  // The expert to run next, in HBM or not; absent if none has work.
  [[nodiscard]] virtual std::optional<ExpertId> next(const StreamView& stream) const = 0;
  // The same among experts in HBM: what may run while another is copied.
  [[nodiscard]] virtual std::optional<ExpertId> next_ready(const StreamView& stream) const = 0;
  // Up to `count` experts in the order in which they will be wanted, as far as is known.
  virtual void upcoming(size_t count, std::vector<ExpertId>& out) const = 0;
  // Whether `expert`, for which a request came, should take over at the next token.
  [[nodiscard]] virtual bool takes_over(ExpertId /*expert*/, const StreamView& /*stream*/) const {
    return false;
  }
};

struct SchedulerChoice {
  std::string name;
  std::string description;
};
std::vector<SchedulerChoice> schedulers();
// `experts`: how many ids there are. Fails on an unknown name, listing the known ones.
Result<std::unique_ptr<Scheduler>> make_scheduler(std::string_view name, size_t experts,
                                                  const SchedulerOptions& options);

}  // namespace rdusim::runtime
