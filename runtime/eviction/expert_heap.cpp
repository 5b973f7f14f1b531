#include "runtime/eviction/expert_heap.h"

#include "base/check.h"

namespace rdusim::runtime {

ExpertHeap::ExpertHeap(size_t experts) : place_(experts, kNowhere) {
  heap_.reserve(experts);
  aside_.reserve(experts);
}

void ExpertHeap::set(ExpertId e, double priority, int64_t order) {
  const Entry entry{priority, order, e};
  if (!contains(e)) {
    heap_.push_back(entry);
    place_[e.value] = static_cast<uint32_t>(heap_.size() - 1);
    rise(heap_.size() - 1);
    return;
  }
  const size_t place = place_[e.value];
  heap_[place] = entry;
  rise(place);
  sink(place_[e.value]);
}

void ExpertHeap::remove(ExpertId e) {
  RDU_CHECK(contains(e), "expert {} is not in the heap", e.value);
  const size_t place = place_[e.value];
  const Entry last = heap_.back();
  heap_.pop_back();
  place_[e.value] = kNowhere;
  if (last.expert == e) return;
  put(place, last);
  rise(place);
  sink(place_[last.expert.value]);
}

std::optional<ExpertId> ExpertHeap::first(const std::function<bool(ExpertId)>& may_go) {
  aside_.clear();
  while (!heap_.empty() && !may_go(heap_.front().expert)) {
    aside_.push_back(heap_.front());
    remove(heap_.front().expert);
  }
  std::optional<ExpertId> found;
  if (!heap_.empty()) found = heap_.front().expert;
  for (const Entry& entry : aside_) set(entry.expert, entry.priority, entry.order);
  return found;
}

void ExpertHeap::put(size_t place, const Entry& entry) {
  heap_[place] = entry;
  place_[entry.expert.value] = static_cast<uint32_t>(place);
}

void ExpertHeap::rise(size_t place) {
  const Entry entry = heap_[place];
  while (place > 0 && entry.before(heap_[(place - 1) / 2])) {
    put(place, heap_[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  put(place, entry);
}

void ExpertHeap::sink(size_t place) {
  const Entry entry = heap_[place];
  for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
    if (!heap_[child].before(entry)) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, entry);
}

}  // namespace rdusim::runtime
