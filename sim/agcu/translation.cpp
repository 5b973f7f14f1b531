#include "sim/agcu/translation.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim::sim::agcu {

Result<Translation> Translation::make(const TranslationSpec& spec, std::vector<Segment> segments) {
  const auto bad = [](std::string what) {
    return Error{ErrorCode::kInvalidInput, "address translation", std::move(what), ""};
  };
  if (spec.entries < 0 || spec.hit_cycles < 0 || spec.miss_cycles < spec.hit_cycles)
    return bad("entries and cycles are not negative, a miss costs at least a hit");
  std::sort(segments.begin(), segments.end(),
            [](const Segment& a, const Segment& b) { return a.virtual_base < b.virtual_base; });
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    if (s.virtual_base < 0 || s.physical_base < 0 || s.bytes <= 0)
      return bad(fmt::format("segment of {} bytes at {}", s.bytes, s.virtual_base));
    if (i > 0 && segments[i - 1].virtual_base + segments[i - 1].bytes > s.virtual_base)
      return bad(fmt::format("segments at {} and {} overlap", segments[i - 1].virtual_base, s.virtual_base));
  }
  return Translation(spec, std::move(segments));
}

Result<Translation::Translated> Translation::translate(int64_t address, int64_t bytes) {
  if (spec_.entries == 0) return Translated{address, 0, true};
  auto after = std::upper_bound(segments_.begin(), segments_.end(), address,
                                [](int64_t a, const Segment& s) { return a < s.virtual_base; });
  const Segment* segment = after == segments_.begin() ? nullptr : &*(after - 1);
  if (segment == nullptr || address + bytes > segment->virtual_base + segment->bytes) {
    return Error{ErrorCode::kOutOfRange, "address translation",
                 fmt::format("no segment holds {} bytes at {}", bytes, address), ""};
  }
  const auto number = static_cast<size_t>(segment - segments_.data());
  const auto at = std::find(resident_.begin(), resident_.end(), number);
  const bool hit = at != resident_.end();
  (hit ? hits_ : misses_) += 1;
  if (hit) {
    resident_.erase(at);
  } else if (resident_.size() == static_cast<size_t>(spec_.entries)) {
    resident_.erase(resident_.begin());
  }
  resident_.push_back(number);
  return Translated{segment->physical_base + address - segment->virtual_base,
                    hit ? spec_.hit_cycles : spec_.miss_cycles, hit};
}

}  // namespace rdusim::sim::agcu
