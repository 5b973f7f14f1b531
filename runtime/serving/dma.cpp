// The copies of a socket group; see dma.h.
#include "runtime/serving/dma.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {

void Dma::start_next() {
  if (active_) return;
  std::deque<Copy>& from = demanded_.empty() ? prefetches_ : demanded_;
  if (from.empty()) return;
  active_ = from.front();
  from.pop_front();
}

void Dma::push(const Copy& copy) {
  if (copy.demanded && active_ && !active_->demanded) {
    prefetches_.push_front(*active_);  // what has arrived of it stays
    active_.reset();
  }
  (copy.demanded ? demanded_ : prefetches_).push_back(copy);
  start_next();
}

void Dma::promote(ExpertId expert) {
  if (active_ && active_->expert == expert && active_->kind <= CopyKind::kExpertToSram) {
    active_->demanded = true;
    return;
  }
  const auto found = std::find_if(prefetches_.begin(), prefetches_.end(),
                                  [expert](const Copy& c) { return c.expert == expert; });
  if (found == prefetches_.end()) return;
  Copy copy = *found;
  prefetches_.erase(found);
  copy.demanded = true;
  push(copy);
}

namespace {

template <typename Matches>
std::optional<Copy> remove_from(std::deque<Copy>& queue, Matches matches) {
  const auto found = std::find_if(queue.begin(), queue.end(), matches);
  if (found == queue.end()) return std::nullopt;
  const Copy copy = *found;
  queue.erase(found);
  return copy;
}

template <typename Matches>
std::optional<Copy> cancel_if(std::optional<Copy>& active, std::deque<Copy>& demanded,
                              std::deque<Copy>& prefetches, Matches matches) {
  if (active && matches(*active)) {
    const Copy copy = *active;
    active.reset();
    return copy;
  }
  auto copy = remove_from(demanded, matches);
  return copy ? copy : remove_from(prefetches, matches);
}

}  // namespace

std::optional<Copy> Dma::cancel(ExpertId expert) {
  auto copy = cancel_if(active_, demanded_, prefetches_, [expert](const Copy& c) {
    return c.expert == expert && (c.kind == CopyKind::kExpert || c.kind == CopyKind::kExpertToSram);
  });
  start_next();
  return copy;
}

std::optional<Copy> Dma::cancel_kv(RequestId request) {
  auto copy = cancel_if(active_, demanded_, prefetches_, [request](const Copy& c) {
    return c.request == request && (c.kind == CopyKind::kKvOut || c.kind == CopyKind::kKvIn);
  });
  start_next();
  return copy;
}

std::optional<Copy> Dma::cancel_any() {
  auto copy = cancel_if(active_, demanded_, prefetches_, [](const Copy&) { return true; });
  start_next();
  return copy;
}

std::optional<Copy> Dma::cancel_prefetch() {
  std::optional<Copy> copy;
  if (!prefetches_.empty()) {
    copy = prefetches_.back();
    prefetches_.pop_back();
  } else if (active_ && !active_->demanded) {
    copy = active_;
    active_.reset();
  }
  start_next();
  return copy;
}

void Dma::settle(Picoseconds now) {
  const int64_t elapsed = now.value - settled_.value;
  RDU_CHECK(elapsed >= 0, "DMA goes back by {} ps", -elapsed);
  settled_ = now;
  if (!active_) return;
  busy_ += Picoseconds(elapsed);
  if (active_->setup_ps > 0) {
    RDU_CHECK(elapsed <= active_->setup_ps, "set-up of {} ps passed by {} ps", active_->setup_ps, elapsed);
    active_->setup_ps -= elapsed;
    return;
  }
  active_->transfer_ps = std::max<int64_t>(0, active_->transfer_ps - work_done(elapsed, speed_));
}

std::optional<Picoseconds> Dma::next_event() const {
  if (!active_) return std::nullopt;
  if (active_->setup_ps > 0) return settled_ + Picoseconds(active_->setup_ps);
  return settled_ + Picoseconds(time_for(active_->transfer_ps, speed_));
}

Picoseconds Dma::arrival_of(double share) const {
  const auto missing =
      active_->transfer_ps - static_cast<int64_t>(static_cast<double>(active_->whole_ps) * (1 - share));
  return settled_ + Picoseconds(active_->setup_ps + time_for(std::max<int64_t>(0, missing), speed_));
}

void Dma::persist(Archive& a) {
  a.mark("DMAQ");
  a.pod(active_);
  for (std::deque<Copy>* queue : {&demanded_, &prefetches_}) {
    std::vector<Copy> copies(queue->begin(), queue->end());
    a.pods(copies);
    queue->assign(copies.begin(), copies.end());
  }
  a.pod(settled_);
  a.pod(busy_);
  a.pod(speed_);
}

std::optional<Copy> Dma::take_done() {
  if (!active_ || active_->setup_ps > 0 || active_->transfer_ps > 0) return std::nullopt;
  const auto done = active_;
  active_.reset();
  start_next();
  return done;
}

}  // namespace rdusim::runtime
