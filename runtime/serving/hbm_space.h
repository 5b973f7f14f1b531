// HbmSpace: where in HBM segments lie. `scattered` (default): a segment may lie in pieces over whatever is
// free, as the address translation of the device allows, so only bytes count. `first-fit` and `best-fit`: a
// segment is one contiguous extent, so free space can be too scattered for it; compact() moves everything
// together and says how many bytes that moved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

enum class SpacePolicy : uint8_t { kScattered, kFirstFit, kBestFit };
inline constexpr const char* kSpacePolicyNames[] = {"scattered", "first-fit", "best-fit"};
Result<SpacePolicy> parse_space_policy(const std::string& name);

class HbmSpace {
 public:
  HbmSpace(Bytes capacity, SpacePolicy policy);

  // Places a segment, or says that there is no place. Ids are the caller's, each placed once at a time.
  bool place(uint32_t id, Bytes bytes);
  void release(uint32_t id);
  [[nodiscard]] bool fits(Bytes bytes) const;
  [[nodiscard]] Bytes used() const { return used_; }
  [[nodiscard]] Bytes free() const { return capacity_ - used_; }
  [[nodiscard]] Bytes largest_hole() const;
  // Moves all segments to the front in order of address; returns the bytes moved.
  Bytes compact();
  // Capacity after a channel was lost, or given to something else; at least what is used.
  void set_capacity(Bytes capacity);
  void persist(Archive& a) {
    a.pod(capacity_);
    a.pod(used_);
    a.pods(segments_);
  }

 private:
  struct Segment {
    uint32_t id = 0;
    int64_t begin = 0;
    int64_t end = 0;
  };
  // Index in segments_ before which a segment of `bytes` goes, and its address; absent: no place.
  struct Place {
    size_t index = 0;
    int64_t begin = 0;
  };
  [[nodiscard]] std::optional<Place> find(Bytes bytes) const;

  Bytes capacity_;
  Bytes used_;
  SpacePolicy policy_;
  std::vector<Segment> segments_;  // by address (scattered: begin unused)
};

}  // namespace rdusim::runtime
