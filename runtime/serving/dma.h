// Dma: the queue of copies of one socket group, and the copy that is under way. One copy moves at a time, at
// the engine's rate or slower where it shares memory with a running pass (bandwidth_share.h). Copies that
// somebody waits for go before prefetches; a prefetch under way is set aside and goes on later.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/ids.h"
#include "base/units.h"
#include "runtime/serving/archive.h"
#include "runtime/serving/bandwidth_share.h"

namespace rdusim::runtime {

enum class CopyKind : uint8_t { kExpert, kExpertToSram, kKvOut, kKvIn };

struct Copy {
  CopyKind kind = CopyKind::kExpert;
  ExpertId expert;
  RequestId request;  // of KV copies
  bool demanded = true;
  Bytes bytes;
  int64_t setup_ps = 0;     // left; nothing is shared meanwhile
  int64_t transfer_ps = 0;  // left, at full speed
  int64_t whole_ps = 0;     // of transfer_ps at the start
  int32_t attempts = 1;     // corrupt copies are repeated
  bool ahead = false;       // began before anybody waited for it
};

class Dma {
 public:
  [[nodiscard]] bool busy() const { return active_.has_value(); }
  [[nodiscard]] const Copy& active() const { return *active_; }
  [[nodiscard]] bool idle() const { return !active_ && demanded_.empty() && prefetches_.empty(); }
  [[nodiscard]] size_t queued_prefetches() const { return prefetches_.size(); }
  [[nodiscard]] size_t queued() const { return demanded_.size() + prefetches_.size(); }

  // Settle before every call that changes the queue or the speed.
  void push(const Copy& copy);
  // A prefetch, queued or under way, becomes a copy that somebody waits for.
  void promote(ExpertId expert);
  // Removes a copy that has not begun or is under way; absent if there is none.
  std::optional<Copy> cancel(ExpertId expert);
  std::optional<Copy> cancel_kv(RequestId request);
  std::optional<Copy> cancel_any();
  std::optional<Copy> cancel_prefetch();  // the last queued; the one under way if none is queued

  // Counts the progress since the last call, at the speed set then.
  void settle(Picoseconds now);
  void set_speed(int64_t speed) { speed_ = speed; }
  [[nodiscard]] int64_t speed() const { return speed_; }
  // Whether bytes move (and bandwidth is shared), not only the set-up.
  [[nodiscard]] bool transfers() const { return active_ && active_->setup_ps == 0; }
  // End of the set-up or of the transfer, whichever is next, at the current speed; absent: idle.
  [[nodiscard]] std::optional<Picoseconds> next_event() const;
  // When `share` of the active copy's bytes will have arrived, at the current speed.
  [[nodiscard]] Picoseconds arrival_of(double share) const;
  // The active copy if it is done; starts the next.
  std::optional<Copy> take_done();

  [[nodiscard]] Picoseconds busy_time() const { return busy_; }
  void persist(Archive& a);

 private:
  void start_next();

  std::optional<Copy> active_;
  std::deque<Copy> demanded_;
  std::deque<Copy> prefetches_;
  Picoseconds settled_;
  Picoseconds busy_;
  int64_t speed_ = kFullSpeed;
};

}  // namespace rdusim::runtime
