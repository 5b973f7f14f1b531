// Placement of segments; see hbm_space.h.
#include "runtime/serving/hbm_space.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {

Result<SpacePolicy> parse_space_policy(const std::string& name) {
  for (size_t i = 0; i < std::size(kSpacePolicyNames); ++i) {
    if (name == kSpacePolicyNames[i]) return static_cast<SpacePolicy>(i);
  }
  return Error{ErrorCode::kInvalidInput, "allocation", fmt::format("unknown allocation '{}'", name),
               fmt::format("known: {}", fmt::join(kSpacePolicyNames, ", "))};
}

HbmSpace::HbmSpace(Bytes capacity, SpacePolicy policy) : capacity_(capacity), policy_(policy) {}

std::optional<HbmSpace::Place> HbmSpace::find(Bytes bytes) const {
  if (bytes > free()) return std::nullopt;
  if (policy_ == SpacePolicy::kScattered) return Place{segments_.size(), 0};
  std::optional<Place> best;
  int64_t best_size = 0;
  int64_t begin = 0;
  for (size_t i = 0; i <= segments_.size(); ++i) {
    const int64_t end = i < segments_.size() ? segments_[i].begin : capacity_.value;
    const int64_t size = end - begin;
    if (size >= bytes.value && (!best || size < best_size)) {
      best = Place{i, begin};
      best_size = size;
      if (policy_ == SpacePolicy::kFirstFit) return best;
    }
    if (i < segments_.size()) begin = segments_[i].end;
  }
  return best;
}

bool HbmSpace::fits(Bytes bytes) const {
  return find(bytes).has_value();
}

bool HbmSpace::place(uint32_t id, Bytes bytes) {
  const auto at = find(bytes);
  if (!at) return false;
  segments_.insert(segments_.begin() + static_cast<std::ptrdiff_t>(at->index),
                   {id, at->begin, at->begin + bytes.value});
  used_ += bytes;
  RDU_CHECK(used_ <= capacity_, "HBM holds {} B of {} B", used_.value, capacity_.value);
  return true;
}

void HbmSpace::release(uint32_t id) {
  const auto at =
      std::find_if(segments_.begin(), segments_.end(), [id](const Segment& s) { return s.id == id; });
  RDU_CHECK(at != segments_.end(), "segment {} is not in HBM", id);
  used_ -= Bytes(at->end - at->begin);
  segments_.erase(at);
}

Bytes HbmSpace::largest_hole() const {
  if (policy_ == SpacePolicy::kScattered) return free();
  int64_t largest = 0;
  int64_t begin = 0;
  for (const Segment& s : segments_) {
    largest = std::max(largest, s.begin - begin);
    begin = s.end;
  }
  return Bytes(std::max(largest, capacity_.value - begin));
}

Bytes HbmSpace::compact() {
  if (policy_ == SpacePolicy::kScattered) return Bytes(0);
  int64_t at = 0;
  int64_t moved = 0;
  for (Segment& s : segments_) {
    const int64_t size = s.end - s.begin;
    if (s.begin != at) moved += size;
    s = {s.id, at, at + size};
    at += size;
  }
  return Bytes(moved);
}

void HbmSpace::set_capacity(Bytes capacity) {
  RDU_CHECK(used_ <= capacity, "HBM of {} B holds {} B", capacity.value, used_.value);
  capacity_ = capacity;
}

}  // namespace rdusim::runtime
