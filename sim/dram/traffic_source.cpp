#include "sim/dram/traffic_source.h"

#include <algorithm>
#include <cmath>

namespace rdusim::sim {
namespace {

constexpr uint64_t kBaseAlignment = 4096;  // of streams

}  // namespace

DramTrafficSource::DramTrafficSource(const DramSpec& spec, const DramTraffic& traffic)
    : pattern_(traffic.pattern),
      direction_(traffic.direction),
      burst_bytes_(static_cast<uint64_t>(spec.organisation.burst_bytes)),
      capacity_bytes_(static_cast<uint64_t>(spec.organisation.channel_bytes() * spec.organisation.channels)),
      granule_bytes_(static_cast<uint64_t>(traffic.granule_bytes)),
      random_(traffic.seed) {
  size_t streams = 1;
  if (pattern_ == DramPattern::kStreams) {
    const int64_t least = direction_ == DramDirection::kShare ? 2 : 1;
    streams = static_cast<size_t>(std::max(least, traffic.streams));
  }
  if (pattern_ == DramPattern::kMix) streams = 3;
  at_.resize(streams, 0);
  for (size_t s = 0; s < streams; ++s) {
    if (pattern_ == DramPattern::kStreams)
      at_[s] = random_() % (capacity_bytes_ / kBaseAlignment) * kBaseAlignment;
    if (pattern_ == DramPattern::kMix) at_[s] = capacity_bytes_ / 3 * s / kBaseAlignment * kBaseAlignment;
  }
  stream_ = streams - 1;
  if (direction_ != DramDirection::kShare) return;
  const auto writers = std::llround(traffic.write_share * static_cast<double>(streams));
  const auto most = static_cast<long long>(streams) - 1;
  readers_ = streams - static_cast<size_t>(std::clamp<long long>(writers, 1, most));
  write_part_ = std::llround(traffic.write_share * static_cast<double>(kWhole));
  stream_ = readers_ - 1;
  writer_ = streams - 1;
}

void DramTrafficSource::next_share_turn() {
  left_ = granule_bytes_;
  due_ += write_part_;
  write_ = due_ >= kWhole;
  if (write_) {
    due_ -= kWhole;
    writer_ = writer_ + 1 == at_.size() ? readers_ : writer_ + 1;
    turn_ = writer_;
  } else {
    stream_ = stream_ + 1 == readers_ ? 0 : stream_ + 1;
    turn_ = stream_;
  }
}

void DramTrafficSource::next_turn() {
  if (direction_ == DramDirection::kShare) return next_share_turn();
  stream_ = stream_ + 1 == at_.size() ? 0 : stream_ + 1;
  turn_ = stream_;
  left_ = granule_bytes_;
  if (at_.size() == 1 && pattern_ != DramPattern::kRandom && direction_ != DramDirection::kTwoReadsOneWrite)
    left_ = UINT64_MAX / burst_bytes_ * burst_bytes_;  // nothing changes from turn to turn
  if (pattern_ == DramPattern::kRandom)
    at_[0] = random_() % (capacity_bytes_ / granule_bytes_) * granule_bytes_;
  third_ = third_ == 2 ? 0 : third_ + 1;
  write_ =
      direction_ == DramDirection::kWrite || (direction_ == DramDirection::kTwoReadsOneWrite && third_ == 2);
}

}  // namespace rdusim::sim
